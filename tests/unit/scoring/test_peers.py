"""Outside systems: programs and files of outputs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.scoring.contestants import load_contestant
from nmt_distill.scoring.peers import command_contestant, file_contestant

DIRECTION = Direction(source="en", target="pt-BR")
TEXT = TestText("held-out", DIRECTION, "invented", "CC0-1.0", True, ["one", "two"], ["um", "dois"])


def test_program_is_told_the_languages(tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        "import sys\nfor line in sys.stdin: print(sys.argv[1], sys.argv[2], line.strip())\n", encoding="utf-8"
    )
    command = f"{sys.executable} {script} {{source}} {{target}}"
    contestant = command_contestant("engine", command, [DIRECTION])
    assert contestant.answer(TEXT) == ["en pt-BR one", "en pt-BR two"]
    assert (contestant.what, contestant.system.role) == (f"command:{command}", "peer")


def test_program_that_answers_too_little_is_told() -> None:
    with pytest.raises(NmtDistillError, match=r"the system d answered 2 lines with 1\."):
        command_contestant("d", f"{sys.executable} -c 'print(1)'", [DIRECTION]).answer(TEXT)


def program(tmp_path: Path, writes: str) -> str:
    """Return the command of a program that reads all its input and does what is told."""
    script = tmp_path / "engine.py"
    script.write_text(f"import os, sys\nlines = sys.stdin.buffer.read()\n{writes}\n", encoding="utf-8")
    return f"{sys.executable} {script}"


def test_lines_of_a_program_end_at_lf_alone(tmp_path: Path) -> None:
    echo = command_contestant("echo", program(tmp_path, "os.write(1, lines)"), [DIRECTION])
    lines = ["with a\rreturn", "dos\r", "", "a\x85b\u2028c"]
    assert echo.into(DIRECTION)(lines) == lines
    bare = command_contestant("echo", program(tmp_path, "os.write(1, lines.rstrip())"), [DIRECTION])
    assert bare.into(DIRECTION)(["one", "two"]) == ["one", "two"]  # without an LF at the end
    flood = command_contestant("flood", program(tmp_path, "while True: os.write(1, b'x\\n' * 9999)"), [DIRECTION])
    with pytest.raises(NmtDistillError, match=r"the system flood answered 1 line with more\."):
        flood.into(DIRECTION)(["one"])
    silent = command_contestant("silent", program(tmp_path, ""), [DIRECTION])
    with pytest.raises(NmtDistillError, match=r"the system silent answered 1 line with 0\."):
        silent.into(DIRECTION)(["one"])


def test_bytes_that_are_no_text_are_an_error_in_answers_alone(tmp_path: Path) -> None:
    talk = command_contestant("talk", program(tmp_path, "os.write(2, b'caf\\xe9'); os.write(1, lines)"), [DIRECTION])
    assert talk.answer(TEXT) == ["one", "two"]
    latin = command_contestant("latin", program(tmp_path, "os.write(1, b'one\\ncaf\\xe9\\n')"), [DIRECTION])
    with pytest.raises(NmtDistillError, match=r"the system latin answered line 2 with b'caf.*not valid UTF-8"):
        latin.answer(TEXT)
    fails = command_contestant("fails", program(tmp_path, "os.write(2, b'caf\\xe9'); sys.exit(4)"), [DIRECTION])
    with pytest.raises(NmtDistillError, match="the system fails ended with status 4: caf"):
        fails.answer(TEXT)


def test_program_for_several_directions_is_told_which() -> None:
    directions = [DIRECTION, DIRECTION.reversed]
    assert command_contestant("x", "engine --to {target}", directions).serves(DIRECTION.reversed)
    with pytest.raises(NmtDistillError, match=r"the system x must say .* languages, by {source} and {target}, because"):
        load_contestant("x", "command:engine", directions)


def test_command_with_an_open_quote_is_told() -> None:
    with pytest.raises(NmtDistillError, match="the system x cannot be started: No closing quotation; its command is"):
        command_contestant("x", "sed 's/a/b/", [DIRECTION]).answer(TEXT)


def test_file_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "held-out.pt-BR").write_text("um\ndois\n", encoding="utf-8")
    contestant = file_contestant("human", f"{tmp_path}/{{test_set}}.{{target}}")
    assert contestant.answer(TEXT) == ["um", "dois"]
    assert contestant.timed == ()
    with pytest.raises(NmtDistillError, match="human is a file of outputs, which translates nothing else"):
        contestant.into(DIRECTION)
    (tmp_path / "held-out.pt-BR").write_text("\ufeffum\ndois\n", encoding="utf-8")
    plain = load_contestant("human", str(tmp_path / "held-out.pt-BR"), [DIRECTION])
    assert plain.answer(TEXT) == ["um", "dois"]
    with pytest.raises(NmtDistillError, match="would be what human says to `held-out` and to `other`; give a file for"):
        plain.answer(replace(TEXT, name="other"))
    (tmp_path / "held-out.pt-BR").write_text("um\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"held-out\.pt-BR has 1 line, but `held-out` has 2 sentences"):
        contestant.answer(TEXT)
