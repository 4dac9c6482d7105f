"""An export that is none is told in one line; an export answers every line, whatever it holds; files are scored."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nmt_distill.cli import main
from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy


def test_model_folder_that_is_none(fails: Fails, finished_run: Path, tmp_path: Path) -> None:
    assert "does not exist; a model is a folder such as runs/quickstart/export/int8" in fails(
        "translate", "--model", tmp_path / "nothing", "text"
    )
    error = fails("translate", "--model", finished_run, "text")
    assert "is no exported model" in error
    assert f"did you mean {finished_run / 'export' / 'float32'} or {finished_run / 'export' / 'int8'}?" in error


def test_model_that_is_truncated(fails: Fails, finished_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_run / "export" / "int8", tmp_path / "int8"))
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:-1000])
    assert "copy or export the model again" in fails("translate", "--model", folder, "text")
    assert "model.bin damaged or missing" in fails("translate", "--model", folder, "--verify", "text")


def test_language_that_is_unknown(fails: Fails, finished_run: Path) -> None:
    error = fails("translate", "--model", finished_run / "export" / "int8", "--to", "de", "text")
    assert "de" in error
    assert "pt-BR" in error


def test_every_line_is_answered_whatever_it_holds(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    known = toy.unseen[0][0]
    lines = [
        known,
        "x" * 100_000,
        f"{known} " * 3000,
        " " * 1000,
        "\0" * 500,
        "😀" * 3000,
        "",
        known,
        "\ufeff\u2028\x85",
    ]
    text = tmp_path / "text.en"
    text.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe broken\n")
    model = finished_run / "export" / "int8"
    finished = run_command("translate", "--model", model, "--file", text, "--output", tmp_path / "out", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    answers = (tmp_path / "out").read_bytes().split(b"\n")
    assert len(answers) == len(lines) + 2  # the line that is not UTF-8, and nothing after the last line end
    assert answers[0] == answers[7] != b""
    assert (answers[3], answers[6]) == (b" " * 1000, b"")
    assert "1 line was not valid UTF-8" in finished.stderr


def test_files_of_translations_are_scored(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("source.en", 0), ("reference.pt", 1), ("output.pt", 1)):
        text = "".join(pair[side] + "\n" for pair in toy.unseen)
        (tmp_path / name).write_text(text, encoding="utf-8")
    paths = [f"--hypotheses={tmp_path / 'output.pt'}", f"--references={tmp_path / 'reference.pt'}"]
    assert main(["evaluate", *paths, f"--sources={tmp_path / 'source.en'}", "--to", "pt"]) == 0
    assert '"signature"' in (printed := capsys.readouterr().out)
    assert re.search(r'"(value|score)": 100\.0', printed)


def test_files_of_translations_that_do_not_fit(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    output, reference = tmp_path / "output.pt", tmp_path / "reference.pt"
    output.write_text("uma\n", encoding="utf-8")
    reference.write_text("uma\nduas\n", encoding="utf-8")
    error = fails("evaluate", "--hypotheses", output, "--references", reference, "--to", "pt")
    assert str(output) in error or str(reference) in error
    assert "--references is missing" in fails("evaluate", "--hypotheses", output)
    assert "does not exist" in fails(
        "evaluate", "--hypotheses", tmp_path / "x", "--references", reference, "--to", "pt"
    )
