"""Systems as the command line names them: programs, files of outputs, and what is neither."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nmt_distill.contestants import export_contestant, load_contestant, name_and_what
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.translator import Translator

DIRECTION = Direction(source="en", target="pt-BR")
TEXT = TestText("held-out", DIRECTION, "invented", "CC0-1.0", True, ["one", "two"], ["um", "dois"])


def test_program_is_told_the_languages(tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        "import sys\nfor line in sys.stdin: print(sys.argv[1], sys.argv[2], line.strip())\n", encoding="utf-8"
    )
    what = f"command:{sys.executable} {script} {{source}} {{target}}"
    contestant = load_contestant("engine", what, [DIRECTION])
    assert contestant.answer(TEXT) == ["en pt-BR one", "en pt-BR two"]
    assert (contestant.what, contestant.system.role) == (what, "peer")


def test_file_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "held-out.pt-BR").write_text("um\ndois\n", encoding="utf-8")
    contestant = load_contestant("human", f"file:{tmp_path}/{{test_set}}.{{target}}", [DIRECTION])
    assert contestant.answer(TEXT) == ["um", "dois"]
    assert contestant.timed == ()
    with pytest.raises(NmtDistillError, match="human is a file of outputs, which translates nothing else"):
        contestant.into(DIRECTION)
    plain = load_contestant("human", str(tmp_path / "held-out.pt-BR"), [DIRECTION])
    assert plain.answer(TEXT) == ["um", "dois"]
    (tmp_path / "held-out.pt-BR").write_text("um\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"held-out\.pt-BR has 1 lines, but `held-out` has 2 sentences"):
        contestant.answer(TEXT)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nowhere/at/all", "x must be a folder, teacher:RECIPE, .*but `nowhere/at/all` is none of them"),
        ("command: ", "x must name a program behind `command:`"),
        ("teacher:no_such_recipe", "`no_such_recipe` is neither a file nor a recipe"),
        ("file:no_such_file", "no_such_file does not exist"),
    ],
)
def test_what_is_no_system_is_told(what: str, said: str) -> None:
    with pytest.raises(NmtDistillError, match=said):
        load_contestant("x", what, [DIRECTION]).answer(TEXT)


def test_names() -> None:
    assert name_and_what("student=runs/a=b/export") == ("student", "runs/a=b/export")
    assert name_and_what("runs/a/export/int8") == ("int8", "runs/a/export/int8")
    for text in ("=x", "x="):
        with pytest.raises(NmtDistillError, match="--system must be NAME=WHAT, but is"):
            name_and_what(text)


def test_plain_export_reads_lines_as_they_stand_and_is_not_timed(toy_export: Path) -> None:
    guarded, plain = (
        export_contestant("x", toy_export, directions=[DIRECTION], plain=plain) for plain in (False, True)
    )
    lines = ["STOP THE MUSIC", "Stop {name}."]
    assert plain.into(DIRECTION)(lines) == Translator(toy_export, plain=True).translate(lines)
    assert guarded.into(DIRECTION)(lines) == Translator(toy_export).translate(lines)
    assert (guarded.can_be_timed(DIRECTION), plain.can_be_timed(DIRECTION)) == (True, False)
    assert (guarded.system.role, plain.system.role, plain.what) == ("export", "student", None)
    assert "`nmt-distill translate --plain`" in plain.system.description
    assert not plain.serves(DIRECTION.reversed)
