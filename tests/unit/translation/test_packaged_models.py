from __future__ import annotations

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from nmt_distill import Translator
from nmt_distill.commands import models as models_command
from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.packaged_models import Score, find_model, models_folder, packaged_models, packaged_names

CARD = """---
language: [en, pt-BR]
license: other
license_name: terms-of-the-teacher
license_link: LICENSE.md
license_details: as the teacher's
model-index:
- name: toy
  results:
  - task: {type: translation}
    dataset: {type: held-out, name: held-out en-pt-BR}
    metrics:
    - {type: bleu, name: BLEU, value: 41.25}
    - {type: chrf, name: chrF2++, value: 65}
---

# toy
"""


@pytest.fixture
def models(tmp_path: Path, toy_export: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one packaged model, ``toy``, in the place of the package's own."""
    folder = tmp_path / "models"
    shutil.copytree(toy_export, folder / "toy")
    (folder / "toy" / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "README.md").write_text("about models", encoding="utf-8")
    monkeypatch.setenv("NMT_DISTILL_MODELS", str(folder))
    return folder


def test_package_has_a_folder_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NMT_DISTILL_MODELS", raising=False)
    assert models_folder().is_dir()
    assert models_folder().parent.name == "nmt_distill"


def test_a_card_tells_what_a_model_is_worth(models: Path) -> None:
    (model,) = packaged_models()
    assert (model.name, model.licence, model.folder.precision) == ("toy", "as the teacher's", "float32")
    assert model.scores == (
        Score(test_set="held-out en-pt-BR", metric="BLEU", value=41.25),
        Score(test_set="held-out en-pt-BR", metric="chrF2++", value=65.0),
    )
    assert model.num_bytes == sum(file.stat().st_size for file in (models / "toy").iterdir())


def test_verb_lists_them(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models_command.run(Namespace(json=False)) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("toy: en to pt-BR; float32, ")
    assert told[1:4] == [
        "  held-out en-pt-BR, as plain lines: BLEU 41.25",
        "  held-out en-pt-BR, as plain lines: chrF2++ 65.00",
        "  licence: as the teacher's",
    ]
    assert models_command.run(Namespace(json=True)) == 0
    (content,) = json.loads(capsys.readouterr().out)
    assert (content["name"], content["directions"]) == ("toy", ["en-pt-BR"])
    assert content["scores"][0] == {"test_set": "held-out en-pt-BR", "metric": "BLEU", "value": 41.25}


def test_the_one_model_needs_no_name(models: Path, toy_export: Path) -> None:
    assert find_model(None) == find_model("toy") == models / "toy"
    lines = ["Turn on the light.", ""]
    assert Translator().translate(lines) == Translator(toy_export).translate(lines)
    assert Translator("toy").folder.path == models / "toy"


def test_a_folder_comes_before_a_name(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("none") == Path("none"), "whose absence is told where it is read"
    (tmp_path / "toy").mkdir()
    assert find_model("toy") == Path("toy")
    assert find_model(models / "toy") == models / "toy"


def test_several_models_must_be_chosen_from(models: Path) -> None:
    shutil.copytree(models / "toy", models / "other")
    assert packaged_names() == ["other", "toy"]
    with pytest.raises(NmtDistillError, match=r"2 models are packaged; choose one with --model: other, toy\."):
        Translator()


def test_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NMT_DISTILL_MODELS", str(tmp_path))
    with pytest.raises(NmtDistillError, match=r"no model is packaged in .*; give --model the folder of an export\."):
        Translator()
    assert models_command.run(Namespace(json=False)) == 0
    captured = capsys.readouterr()
    assert (captured.out, "no model is packaged in" in captured.err) == ("", True)
    assert models_command.run(Namespace(json=True)) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("---\nlicense: \udcff\n---\n", r"README\.md is not valid UTF-8; export the model again\."),
        ("---\na: [\n---\n", r"README\.md: what stands between its lines `---` is no YAML \("),
        ("---\nmodel-index: [3]\n---\n", r"README\.md: `model-index` is not laid out as the hub has it"),
        ("---\nmodel-index: [{results: [{dataset: {}}]}]\n---\n", r"`model-index` is not laid out"),
    ],
)
def test_card_that_is_damaged(models: Path, card: str, message: str) -> None:
    (models / "toy" / "README.md").write_text(card, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(NmtDistillError, match=message):
        packaged_models()


@pytest.mark.parametrize(
    "card", ["", "# no head\n", "---\nlicense: mit\n---\n", "---\nlicense: other\nlicense_name: mit\n---\n"]
)
def test_card_may_tell_little(models: Path, card: str) -> None:
    (models / "toy" / "README.md").write_text(card, encoding="utf-8")
    (model,) = packaged_models()
    assert (model.scores, model.licence) == ((), "mit" if card.startswith("---") else "not told")
