"""Programs as teachers: real child processes that behave well, and what they cannot do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.command.teacher import CommandTeacher
from tests.command_teachers import EN_DE, LINES, UPPER, UPPER_AT_END, WRITE_PID, MakeTeacher, texts


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
