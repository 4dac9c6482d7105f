"""What a new installation answers at once: no ``--model``, no network, no torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_distill import Translator
from nmt_distill.cli import main
from nmt_distill.translation.model_folder import verify_checksums
from nmt_distill.translation.packaged_models import packaged_models

LIGHTS = {"de": r"\baus", r"es": r"\b[Aa]pag", "fr": r"\b([ÉéEe]tei|[Dd]ésactiv)"}
"""by language, what an order to turn off the lights has in it"""


@pytest.fixture(autouse=True)
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NMT_DISTILL_MODELS", raising=False)


@pytest.mark.parametrize("language", LIGHTS)
def test_translate_answers_without_model_and_torch(language: str, tmp_path: Path) -> None:
    for name in ("torch", "transformers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    paths = [str(tmp_path), *sys.path]
    command = [sys.executable, "-m", "nmt_distill", "translate", "--to", language, "Turn off the lights"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(LIGHTS[language], result.stdout), result.stdout


@pytest.mark.parametrize("language", LIGHTS)
def test_line_n_answers_line_n_and_placeholders_come_through(language: str) -> None:
    lines = ["The file {name} could not be opened.", "", "Click <b>OK</b> to continue.", "Delete %(count)d items?"]
    answers = Translator().translate(lines, target=language)
    assert [bool(answer) for answer in answers] == [True, False, True, True]
    assert ["{name}" in answers[0], "<b>" in answers[2], "%(count)d" in answers[3]] == [True] * 3
    assert not set(answers) - {""} & set(lines)


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_person_is_told_whose_translation_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_watched: bool
) -> None:
    monkeypatch.setattr("nmt_distill.commands.translate.is_watched", lambda: is_watched)
    (model,) = packaged_models()
    assert main(["translate", "--to", "de", "Turn off the lights"]) == 0
    assert (f"translated by {model.name}, the model in the package" in capsys.readouterr().err) == is_watched
    assert main(["translate", "--model", model.name, "--to", "de", "Turn off the lights"]) == 0
    assert "the model in the package" not in capsys.readouterr().err


def test_files_are_those_that_were_exported_and_the_card_tells_scores() -> None:
    (model,) = packaged_models()
    verify_checksums(model.folder.path)
    told = {(score.test_set, score.metric) for score in model.scores}
    assert {(f"held-out en-{language}", metric) for language in LIGHTS for metric in ("BLEU", "chrF2++")} <= told
