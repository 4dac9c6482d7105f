"""Recipes of teachers from the hub, on a small model of the real file layout in the teacher's place."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import WORDS
from tests.integration.commands import Finished, run_command
from tests.trained_nllb import ToyLanguage, write_trained_nllb

SMALL = (
    "corpus.split={num_dev: 20, num_test: 30}",
    "vocabulary.size=160",
    "student.model_dim=32",
    "student.ffn_inner_dim=64",
    "student.num_heads=2",
    "student.num_encoder_layers=1",
    "student.num_decoder_layers=1",
    "training.phases[0].num_steps=60",
    "training.phases[0].batch_tokens=500",
    "training.phases[0].warmup_steps=10",
    "training.validate_every=60",
    "training.device=cpu",
    "distillation.filters.drop_wrong_language=false",
    "export.num_parity_sentences=40",
    "export.max_drop=100",
    "evaluation.speed_repetitions=0",
    "evaluation.examples=[]",
)


@pytest.fixture(scope="module")
def language() -> ToyLanguage:
    return ToyLanguage(sorted(set(WORDS.split())), random.Random())


@pytest.fixture(scope="module")
def nllb(language: ToyLanguage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of NLLB's layout that translates a toy English into a toy German and a toy French."""
    lines = [language.source() for _ in range(400)]
    return write_trained_nllb(tmp_path_factory.mktemp("nllb") / "model", language, lines, random.Random())


CODES = {"de": "deu_Latn", "fr": "fra_Latn"}


def run_recipe(
    name: str, nllb: Path, language: ToyLanguage, folder: Path, *overrides: str, targets: Sequence[str]
) -> Finished:
    sources = sorted({language.source() for _ in range(600)})
    (folder / "text.en").write_text("".join(f"{line}\n" for line in sources), encoding="utf-8")
    entries = []
    for tag in targets:
        translations = [language.translation(line, CODES[tag]) for line in sources]
        (folder / f"text.{tag}").write_text("".join(f"{line}\n" for line in translations), encoding="utf-8")
        entries.append(
            f"{{kind: lines, source: {folder / 'text.en'}, target: {folder / f'text.{tag}'}, licence: CC0-1.0, "
            f"source_language: en, target_language: {tag}}}"
        )
    settings = (f"teacher.name={nllb}", f"corpus.sources=[{', '.join(entries)}]", *SMALL, *overrides)
    flags = [word for setting in settings for word in ("--set", setting)]
    return run_command("run", name, "--out", folder / "run", *flags, cwd=folder)


def parity_of(run: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((run / ".stages" / "export.json").read_text(encoding="utf-8"))["result"][
        "parity"
    ]
    return found


def test_one_pair_starts_from_the_teachers_embeddings(nllb: Path, language: ToyLanguage, tmp_path: Path) -> None:
    finished = run_recipe("nllb_en-de", nllb, language, tmp_path, targets=["de"])
    assert finished.status == 0, finished.stderr
    assert "CC-BY-NC 4.0" in finished.stderr, "the licence is told before work starts"
    run = tmp_path / "run"
    facts = json.loads((run / ".stages" / "student.json").read_text(encoding="utf-8"))["result"]
    assert facts["num_copied_rows"] >= 150, "rows of the trimmed vocabulary, narrowed from 64 to 32"
    assert facts["num_copied_parameters"] == 1, "embeddings alone"
    parity = parity_of(run)
    assert parity["num_equal"] == parity["num_sentences"]
    assert "CC-BY-NC 4.0" in (run / "export" / "int8" / "README.md").read_text(encoding="utf-8")


def test_several_targets_share_one_student(nllb: Path, language: ToyLanguage, tmp_path: Path) -> None:
    directions = "directions=[{source: en, target: de}, {source: en, target: fr}]"
    finished = run_recipe("nllb_en-many", nllb, language, tmp_path, directions, targets=["de", "fr"])
    assert finished.status == 0, finished.stderr
    run = tmp_path / "run"
    for direction in ("en-de", "en-fr"):
        header = json.loads((run / "distilled" / direction / "store.json").read_text(encoding="utf-8"))["header"]
        assert (header["direction"], header["num_kept"]) == (direction, 16)
    kept = json.loads((run / "vocabulary" / "kept_ids.json").read_text(encoding="utf-8"))
    assert kept[-2:] == [-1, -1], "two tags that no teacher has"
    parity = parity_of(run)
    assert parity["num_equal"] == parity["num_sentences"]
    report = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert [entry["target"] for entry in report["test_sets"]] == ["de", "fr"]
    model = run / "export" / "int8"
    answers = [run_command("translate", "--model", model, "--to", tag, "open", cwd=run) for tag in ("de", "fr")]
    assert [answer.status for answer in answers] == [0, 0]
