"""Programs that die, say too much or too little, or never answer: what is mended and what is told."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from tests.command_teachers import LINES, UPPER, UPPER_AT_END, WRITE_PID, MakeTeacher, texts


@pytest.mark.parametrize("num_processes", [1, 2])
@pytest.mark.parametrize("num_lines", [1, 7, 100])
def test_a_copy_that_dies_is_started_again(make: MakeTeacher, num_lines: int, num_processes: int) -> None:
    program = f"""
        for number, line in enumerate(sys.stdin):
            if number == {num_lines}:
                sys.exit("tired")
            print(line.strip().upper(), flush=True)
    """
    lines = LINES[:200] if num_lines > 1 else LINES[:12]
    with make(program, num_processes=num_processes) as teacher:
        assert texts(teacher, lines) == [line.upper() for line in lines]
        assert texts(teacher, lines) == [line.upper() for line in lines]


def test_a_copy_that_is_killed_from_outside_is_started_again(make: MakeTeacher, notes: Path) -> None:
    program = WRITE_PID + UPPER
    with make(program) as teacher:
        texts(teacher, ["one"])
        (pid,) = [int(path.name) for path in notes.iterdir()]
        os.kill(pid, signal.SIGKILL)
        assert texts(teacher, LINES) == [line.upper() for line in LINES]


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_what_a_dying_batch_answered_is_kept(make: MakeTeacher, notes: Path, mode: str) -> None:
    program = """
        with open("asked", "a") as asked:
            for line in sys.stdin:
                asked.write(line)
                asked.flush()
                if line == "line 30\\n" and not os.path.exists("died"):
                    open("died", "w").close()
                    os._exit(3)
                print(line.strip().upper(), flush=True)
    """
    with make(program, mode=mode) as teacher:
        assert texts(teacher, LINES[:40]) == [line.upper() for line in LINES[:40]]
    asked = (notes / "asked").read_text().splitlines()
    assert sorted(asked) == sorted([*LINES[:40], "line 30"])


@pytest.mark.parametrize(("mode", "place"), [("stream", 20), ("stream", 41), ("batch", 20)])
def test_a_line_that_kills_every_copy_is_named(make: MakeTeacher, mode: str, place: int) -> None:
    program = f"""
        for line in sys.stdin:
            if line == "line {place}\\n":
                print("noise\\nout of memory", file=sys.stderr)
                os.abort()
            print(line.strip().upper(), flush=True)
    """
    with make(program, mode=mode, num_processes=2) as teacher, pytest.raises(NmtDistillError) as error:
        teacher.translate(LINES[:42])
    message = str(error.value)
    assert f'was ended by signal 6, as each of 3 times when it was given only the line "line {place}"' in message
    assert "(on standard error last: out of memory); mend the program, or take the line out." in message
    assert "\n" not in message


def test_a_program_that_reads_blocks_is_searched_for_the_line_that_kills_it(make: MakeTeacher) -> None:
    program = """
        lines = sys.stdin.readlines()
        if "line 13\\n" in lines:
            sys.exit(9)
        for line in lines:
            print(line.strip().upper())
    """
    with make(program, mode="batch") as teacher:
        assert texts(teacher, ["ready"]) == ["READY"]
        with pytest.raises(NmtDistillError, match=r'status 9, as each of 3 times .* only the line "line 13"; mend'):
            teacher.translate(LINES[:20])


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_a_program_that_never_starts_is_told_at_once(make: MakeTeacher, mode: str) -> None:
    with (
        make("sys.exit('no model at /nowhere')", mode=mode, num_processes=2) as teacher,
        pytest.raises(
            NmtDistillError,
            match=r"status 1 before it answered anything \(on standard error last: no model at /nowhere\); try it by",
        ),
    ):
        teacher.translate(LINES)


def test_a_copy_that_finds_no_room_beside_the_first_is_told(make: MakeTeacher) -> None:
    program = """
        import fcntl
        lock = open("lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("CUDA out of memory")
        for line in sys.stdin:
            time.sleep(0.05)
            print(line.strip(), flush=True)
    """
    with (
        make(program, num_processes=2) as teacher,
        pytest.raises(
            NmtDistillError, match=r"before it answered anything \(.* CUDA out of memory\); .*`teacher\.num_processes`"
        ),
    ):
        teacher.translate(LINES)


def test_too_few_lines_of_a_batch_are_an_error(make: MakeTeacher) -> None:
    program = "for line in sys.stdin.readlines()[1:]:\n    print(line.strip())\nprint('done', file=sys.stderr)"
    with (
        make(program, mode="batch") as teacher,
        pytest.raises(
            NmtDistillError,
            match=r'answered only 9 of the lines that it was given, 10 lines from "line 0" to "line 9"; .*last: done',
        ),
    ):
        teacher.translate(LINES[:10])


def test_too_many_lines_of_a_batch_are_an_error(make: MakeTeacher) -> None:
    program = "for line in sys.stdin.readlines():\n    print(line.strip())\nprint('by the way')"
    with (
        make(program, mode="batch") as teacher,
        pytest.raises(
            NmtDistillError,
            match=r'answered more than the lines that it was given, 10 lines from "line 0" to "line 9"; it must write',
        ),
    ):
        teacher.translate(LINES[:10])


def test_too_many_lines_of_a_stream_are_an_error(make: MakeTeacher) -> None:
    program = "for line in sys.stdin:\n    print(line.strip(), flush=True)\n    'd 4' in line and print(flush=True)"
    teacher = make(program)
    assert texts(teacher, LINES[:2]) == LINES[:2]
    with pytest.raises(NmtDistillError, match=r'more than .* given, 3 lines from "word 3" to "word 5"; .* shifted: do'):
        teacher.translate(["word 3", "word 4", "word 5"])
        teacher.close()  # if the machine was so busy that the last line came late


@pytest.mark.parametrize("again", [True, False])
def test_a_late_line_is_noticed_later(make: MakeTeacher, notes: Path, again: bool) -> None:
    program = """
        for line in sys.stdin:
            print(line.strip(), flush=True)
            while not os.path.exists("go"):
                time.sleep(0.01)
            print("late", flush=True)
            open("gone", "w").close()
    """
    teacher = make(program)
    assert texts(teacher, ["one"]) == ["one"]
    (notes / "go").touch()
    while not (notes / "gone").exists():
        time.sleep(0.01)
    with pytest.raises(
        NmtDistillError, match=r'answered more than the lines that it was given, 1 line, "one"; it must'
    ):
        teacher.translate(["two"]) if again else teacher.close()
    assert teacher._copies == {}


@pytest.mark.parametrize(
    ("program", "mode", "message"),
    [
        ("sys.stdin.read()", "stream", r"3 of 3 lines from \"a\" to \"c\"\. If it is only slow, raise `teacher\.tim"),
        (UPPER.replace(", flush=True", ""), "stream", r"`teacher\.mode: batch`; if in a buffer, have it flush after"),
        ("time.sleep(60)", "batch", r"unanswered are 3 of 3 lines .* Raise `teacher\.timeout_seconds` if it needs"),
    ],
    ids=["never", "buffered", "batch"],
)
def test_a_program_that_never_answers_is_told(make: MakeTeacher, program: str, mode: str, message: str) -> None:
    with make(program, mode=mode, timeout_seconds=0.3) as teacher, pytest.raises(NmtDistillError, match=message):
        teacher.translate(["a", "b", "c"])


def test_a_program_that_skips_a_line_is_told(make: MakeTeacher) -> None:
    program = "for line in sys.stdin:\n    'b' in line or print(line.strip(), flush=True)"
    with make(program) as teacher:
        assert texts(teacher, ["a"]) == ["a"]
        teacher._timeout_seconds = 0.3
        with pytest.raises(
            NmtDistillError, match=r"nothing for 0\.3 s; unanswered are 1 of 3 lines from \"a\" to \"c\"\."
        ):
            teacher.translate(["a", "b", "c"])


def test_a_program_that_answers_and_does_not_end_is_told(make: MakeTeacher) -> None:
    program = "print('bye', file=sys.stderr)\n" + UPPER_AT_END + "\nsys.stdout.flush()\ntime.sleep(60)"
    with (
        make(program, mode="batch", timeout_seconds=1.5) as teacher,
        pytest.raises(
            NmtDistillError, match=r"not end within 1\.5 s of its last answer \(on standard error last: bye\)"
        ),
    ):
        teacher.translate(["a", "b", "c"])


def test_answers_must_be_utf_8(make: MakeTeacher) -> None:
    with (
        make("sys.stdin.readline()\nos.write(1, bytes([104, 228, 10]))\nsys.stdin.read()") as teacher,
        pytest.raises(NmtDistillError, match=r"not valid UTF-8, b'h\\xe4'; it was given 1 line, \"ha\"\."),
    ):
        teacher.translate(["ha"])
