"""Programs as teachers: real child processes that behave well, badly, and not at all."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.command.teacher import CommandTeacher

EN_DE = Direction(source="en", target="de")
UPPER = "for line in sys.stdin:\n    print(line.strip().upper(), flush=True)"
UPPER_AT_END = "for line in sys.stdin.readlines():\n    print(line.strip().upper())"
LINES = [f"line {number}" for number in range(300)]
WRITE_PID = "open(str(os.getpid()), 'w').close()\n"
MakeTeacher = Callable[..., CommandTeacher]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The folder in which the programs run."""
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture
def make(tmp_path: Path, notes: Path) -> MakeTeacher:
    """Write a Python program and make a teacher of it."""

    def make(program: str, **more: Any) -> CommandTeacher:
        script = tmp_path / f"program{len(list(tmp_path.iterdir()))}.py"
        head = f"import os, sys, time\nsys.stdin.reconfigure(newline='\\n')\nos.chdir({str(notes)!r})\n"
        script.write_text(f"{head}{textwrap.dedent(program)}\n", encoding="utf-8")
        command = shlex.join([sys.executable, "-ISX", "utf8", str(script)])
        return CommandTeacher(
            command, **{"direction": EN_DE, "origin": "a test", "licence": "none", "timeout_seconds": 60.0, **more}
        )

    return make


def texts(teacher: CommandTeacher, lines: list[str]) -> list[str]:
    answers = teacher.translate(lines)
    assert all(len(answer) == 1 for answer in answers)
    return [answer[0].text for answer in answers]


def test_it_is_a_teacher_that_cannot_be_looked_into(make: MakeTeacher) -> None:
    teacher: Teacher = make(UPPER)
    assert not isinstance(teacher, WhiteBoxTeacher)
    assert (teacher.direction, teacher.origin, teacher.licence) == (EN_DE, "a test", "none")
    assert (teacher.engine, teacher.batch_rule) == (f"the program {Path(sys.executable).name}", "its own")
    assert teacher.num_parameters is None


@pytest.mark.parametrize("num_processes", [1, 3])
@pytest.mark.parametrize(("program", "mode"), [(UPPER, "stream"), (UPPER_AT_END, "batch")])
def test_answers_come_in_order(make: MakeTeacher, program: str, mode: str, num_processes: int) -> None:
    with make(program, mode=mode, num_processes=num_processes) as teacher:
        assert texts(teacher, LINES) == [line.upper() for line in LINES]
        assert texts(teacher, ["Straße", "", "naïve"]) == ["STRASSE", "", "NAÏVE"]
        assert teacher.translate([]) == []
        (hypothesis,) = teacher.translate(["one"])[0]
    assert (hypothesis.score, len(hypothesis.token_ids), hypothesis.finished) == (0.0, 0, True)


def test_copies_are_kept_alive_and_end_with_the_teacher(make: MakeTeacher, notes: Path) -> None:
    program = WRITE_PID + UPPER
    with make(program, num_processes=2) as teacher:
        for _ in range(3):
            texts(teacher, LINES[:50])
        pids = [int(path.name) for path in notes.iterdir()]
        assert 1 <= len(pids) <= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_breaks_inside_a_line_are_cleaned_and_blank_lines_not_asked(make: MakeTeacher) -> None:
    program = """
        for line in sys.stdin:
            assert line.strip(), "a blank line was asked"
            print(repr(line.removesuffix(chr(10))), flush=True)
    """
    with make(program) as teacher:
        assert texts(teacher, ["a\nb\r\nc", " \r\n ", "", "d\u2028e"]) == ["'a b c'", "", "", r"'d\u2028e'"]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(), max_size=8))
def test_any_text_goes_through(make: MakeTeacher, lines: list[str]) -> None:
    with make("for line in sys.stdin:\n    print('<' + line.rstrip(chr(10)) + '>', flush=True)") as teacher:
        for line, text in zip(lines, texts(teacher, lines), strict=True):
            assert (text == "") == (line.strip(" \t\n\r\f\v") == "")
            assert not text or (text[0] == "<" and text[-1] == ">" and "\n" not in text)


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_full_pipes_do_not_block(make: MakeTeacher, mode: str) -> None:
    long = ["x" * 5000 + str(number) for number in range(100)]
    program = """
        lines = sys.stdin if MODE == "stream" else sys.stdin.readlines()
        for line in lines:
            print("talk " * 2000, file=sys.stderr)
            print(line.strip().upper(), flush=True)
    """.replace("MODE", repr(mode))
    with make(program, mode=mode) as teacher:
        assert texts(teacher, long) == [line.upper() for line in long]


def test_a_pipeline_needs_a_shell_of_its_own() -> None:
    shell = "sh -c 'tr a-z A-Z | sed s/A/Ä/'"
    with CommandTeacher(shell, direction=EN_DE, origin="", licence="", mode="batch") as teacher:
        assert texts(teacher, ["banana", "a"]) == ["BÄNANA", "Ä"]


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


@pytest.mark.parametrize(
    ("program", "mode"),
    [
        (
            """
            for number, line in enumerate(sys.stdin):
                for part in range(3):
                    print(number, "|||", line.strip(), part, "||| F0= -1 |||", -1.0 - (part - 1) ** 2)
                print(flush=True)
            """,
            "stream",
        ),
        (
            """
            for number, line in enumerate(sys.stdin):
                for part in range(3):
                    print(f"{number} ||| {line.strip()} {part} ||| {-1.0 - (part - 1) ** 2}")
            """,
            "batch",
        ),
    ],
)
def test_n_best_lists_are_ordered_by_score(make: MakeTeacher, program: str, mode: str) -> None:
    with make(program, mode=mode, nbest=True, num_processes=2) as teacher:
        for _ in range(2):
            answers = teacher.translate(["a", "", "b"], num_candidates=2)
            assert [[found.text for found in answer] for answer in answers] == [["a 1", "a 0"], [""], ["b 1", "b 0"]]
            assert [found.score for found in answers[0]] == [-1.0, -2.0]
        assert [len(answer) for answer in teacher.translate(LINES, num_candidates=9)] == [3] * len(LINES)


def test_what_a_command_cannot_do_is_refused(make: MakeTeacher) -> None:
    teacher = make(UPPER)
    with pytest.raises(NmtDistillError, match=r"beam_size must be 1 .* but is 4 instead: .* `teacher\.command`\."):
        teacher.translate(["a"], beam_size=4)
    with pytest.raises(NmtDistillError, match="sampling must be left out"):
        teacher.translate(["a"], sampling=Sampling())
    with pytest.raises(
        NmtDistillError, match=r"num_candidates must be 1 .* but is 2 instead; .* `teacher\.nbest: true`"
    ):
        teacher.translate(["a"], num_candidates=2)
    assert teacher._copies == {}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "must be a program and its arguments, but is empty"),
        ("sh -c 'tr a b", r"`sh -c 'tr a b` cannot be read: No closing quotation\."),
        ("/nowhere/translate --fast", r"there is no program `/nowhere/translate`; give its path, or mend PATH"),
    ],
)
def test_a_command_that_cannot_run_is_refused_at_once(command: str, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        CommandTeacher(command, direction=EN_DE, origin="", licence="")


def test_the_fingerprint_follows_the_command_and_its_files(make: MakeTeacher, tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"one")
    command = f"cat --model={model}"

    def fingerprint(command: str, **more: Any) -> str:
        return CommandTeacher(command, direction=EN_DE, origin="", licence="", **more).fingerprint

    found = [fingerprint(command), fingerprint(command + " -u"), fingerprint(command, nbest=True)]
    model.write_bytes(b"two")
    found.append(fingerprint(command))
    assert len(set(found)) == 4
    assert fingerprint(command, num_processes=2, timeout_seconds=1.0) == found[-1]


def test_a_teacher_that_nobody_closes_leaves_no_process(make: MakeTeacher, notes: Path) -> None:
    teacher = make(WRITE_PID + "sys.stdin.close()\ntime.sleep(60)")
    teacher._timeout_seconds = 0.3
    with pytest.raises(NmtDistillError, match="answered nothing"):
        teacher.translate(["one"])
    stubborn = make(WRITE_PID + UPPER + "\ntime.sleep(60)")
    texts(stubborn, ["one"])
    pids = [int(path.name) for path in notes.iterdir()]
    assert len(pids) == 2
    del stubborn
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
