"""Systems as the command line names them, and what is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.scoring.contestants import export_contestant, load_contestant, name_and_what
from nmt_distill.translation.translator import Translator

DIRECTION = Direction(source="en", target="pt-BR")
TEXT = TestText("held-out", DIRECTION, "invented", "CC0-1.0", True, ["one", "two"], ["um", "dois"])


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


def test_run_is_known_by_the_precision_that_people_run(toy_export: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: toy\n", encoding="utf-8")
    for precision in ("float32", "int8", "int8_float32", "bfloat16"):
        shutil.copytree(toy_export, tmp_path / "export" / precision)
    found = load_contestant("x", str(tmp_path), [DIRECTION])
    assert found.what == str((tmp_path / "export" / "int8").resolve())
    with pytest.raises(NmtDistillError, match=rf"is none of them; did you mean {tmp_path}/export/bfloat16 or .*/int8"):
        load_contestant("x", str(tmp_path / "export"), [DIRECTION])


def test_packaged_model_is_known_by_its_name(toy_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_DISTILL_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(toy_export, tmp_path / "models" / "toy")
    found = load_contestant(*name_and_what("toy"), [DIRECTION])
    assert (found.system.name, found.what) == ("toy", str((tmp_path / "models" / "toy").resolve()))
    assert found.into(DIRECTION)(["Stop"]) == Translator(toy_export).translate(["Stop"])
    with pytest.raises(NmtDistillError, match="or a name that `nmt-distill models` lists, but `tow` is none of them"):
        load_contestant("x", "tow", [DIRECTION])
    shutil.copytree(toy_export, tmp_path / "toy")  # what is there goes before
    assert load_contestant("x", "toy", [DIRECTION]).what == str((tmp_path / "toy").resolve())


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
