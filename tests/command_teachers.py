"""Small programs as teachers: what they do, and what they are asked."""

from __future__ import annotations

from collections.abc import Callable

from nmt_distill.languages import Direction
from nmt_distill.teacher.command.teacher import CommandTeacher

EN_DE = Direction(source="en", target="de")
UPPER = "for line in sys.stdin:\n    print(line.strip().upper(), flush=True)"
UPPER_AT_END = "for line in sys.stdin.readlines():\n    print(line.strip().upper())"
LINES = [f"line {number}" for number in range(300)]
WRITE_PID = "open(str(os.getpid()), 'w').close()\n"
MakeTeacher = Callable[..., CommandTeacher]


def texts(teacher: CommandTeacher, lines: list[str]) -> list[str]:
    answers = teacher.translate(lines)
    assert all(len(answer) == 1 for answer in answers)
    return [answer[0].text for answer in answers]
