"""Outside systems: programs and files of outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nmt_distill.contestants import load_contestant
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.peers import command_contestant, file_contestant

DIRECTION = Direction(source="en", target="pt-BR")
TEXT = TestText("held-out", DIRECTION, "invented", "CC0-1.0", True, ["one", "two"], ["um", "dois"])


def test_program_is_told_the_languages(tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        "import sys\nfor line in sys.stdin: print(sys.argv[1], sys.argv[2], line.strip())\n", encoding="utf-8"
    )
    command = f"{sys.executable} {script} {{source}} {{target}}"
    contestant = command_contestant("engine", command)
    assert contestant.answer(TEXT) == ["en pt-BR one", "en pt-BR two"]
    assert (contestant.what, contestant.system.role) == (f"command:{command}", "peer")


def test_program_that_answers_too_little_is_told() -> None:
    with pytest.raises(NmtDistillError, match=r"the system d answered 2 lines with 1\."):
        command_contestant("d", f"{sys.executable} -c 'print(1)'").answer(TEXT)


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
    (tmp_path / "held-out.pt-BR").write_text("um\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"held-out\.pt-BR has 1 lines, but `held-out` has 2 sentences"):
        contestant.answer(TEXT)
