from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from nmt_distill.cli import main
from tests.fairseq2.conftest import Toy, load

pytestmark = pytest.mark.fairseq2


def write_recipe(toy: Toy, folder: Path) -> Path:
    sources = [toy.language.source() for _ in range(600)]
    for tag, lines in (("en", sources), ("de", [toy.language.translation(text, "deu_Latn") for text in sources])):
        (folder / f"pairs.{tag}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    phase = {"num_steps": 30, "learning_rate": 0.004, "warmup_steps": 10, "batch_tokens": 500}
    phase |= {"kd_weight": 0.5, "state_weight": 0.1}
    recipe = {
        "name": "toy",
        "directions": [{"source": "en", "target": "de"}],
        "corpus": {
            "sources": [
                {
                    "kind": "lines",
                    "source": str(folder / "pairs.en"),
                    "target": str(folder / "pairs.de"),
                    "licence": "CC0-1.0",
                }
            ],
            "split": {"num_dev": 20, "num_test": 20},
        },
        "teacher": {"kind": "fairseq2", "name": str(toy.fairseq2), "origin": "a toy teacher", "licence": "CC0-1.0"},
        "distillation": {"num_kept": 8, "keep_states": True, "beam_size": 2, "shard_sentences": 200},
        "vocabulary": {"size": 120},
        "student": {
            "graph": "nllb",
            "initialization": "random",
            "model_dim": 64,
            "ffn_inner_dim": 64,
            "num_heads": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "max_positions": 64,
        },
        "training": {"phases": [phase], "validate_every": 30, "device": "cpu"},
        "export": {"num_parity_sentences": 20, "max_drop": 100},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def test_a_student_learns_soft_targets_from_fairseq2(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["run", str(write_recipe(toy, tmp_path)), "--out", str(run)]) == 0, capsys.readouterr().err
    header = json.loads((run / "distilled" / "en-de" / "store.json").read_text(encoding="utf-8"))["header"]
    teacher = load(toy)
    assert (header["num_kept"], header["state_dim"], header["vocab_size"]) == (8, 64, teacher.vocab_size)
    assert header["teacher"] == teacher.fingerprint
    sources, labels = (
        (run / "distilled" / "en-de" / f"distilled.{tag}").read_text(encoding="utf-8").splitlines()
        for tag in ("en", "de")
    )
    assert len(sources) > 400
    assert [hypothesis.text for hypothesis, *_ in teacher.translate(sources, beam_size=2)] == labels
    parity = json.loads((run / ".stages" / "export.json").read_text(encoding="utf-8"))["result"]["parity"]
    assert parity["num_equal"] == parity["num_sentences"] == 20
    card = (run / "export" / "float32" / "README.md").read_text(encoding="utf-8")
    assert "a toy teacher" in card
    assert "fairseq2 0.8" in (run / "report.md").read_text(encoding="utf-8")
