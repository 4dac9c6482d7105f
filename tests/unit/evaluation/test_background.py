"""What is read of a run for its report."""

from __future__ import annotations

import json
from pathlib import Path

from nmt_distill.evaluation.background import CurvePoint, differing_settings, read_corpus, read_curves


def test_curves_go_on_over_phases_and_after_an_interruption(tmp_path: Path) -> None:
    rows = [
        {"phase": 1, "step": 10, "chrf": 20.0, "nll": 0.0, "kl": 2},
        {"phase": 1, "step": 20, "chrf": 29.0, "nll": 0.0, "kl": 1},
        {"phase": 1, "step": 20, "chrf": 30.0, "nll": 0.0, "kl": 1},
        {"phase": 2, "step": 5, "chrf": 31.0, "nll": 0.0, "kl": None},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    chrf, kl = read_curves(path, "toy")  # what stays at 0 is left out
    assert (chrf.run, chrf.measure) == ("toy", "chrF2++ on held-out text")
    assert chrf.points == (
        CurvePoint(step=10, value=20),
        CurvePoint(step=20, value=30),
        CurvePoint(step=25, value=31),
    )
    assert [point.step for point in kl.points] == [10, 20]
    assert read_curves(tmp_path / "missing.jsonl", "toy") == ()


def test_corpus_tells_what_each_filter_took(tmp_path: Path) -> None:
    source = {
        "origin": "o", "licence": "l", "pairs_read": 10, "sentences_read": 5, "train": 6, "mono": 2, "skipped": None,
        "filters": {
            "few": {"dropped": 1, "samples": []}, "none": {"dropped": 0, "samples": []},
            "many": {"dropped": 6, "samples": []},
        },
    }  # fmt: skip
    content = {"directions": {"en-pt": {"sources": [source, source | {"skipped": "not installed"}]}}}
    (tmp_path / "corpus.json").write_text(json.dumps(content), encoding="utf-8")
    (found,) = read_corpus(tmp_path / "corpus.json")
    assert (found.direction, found.num_read, found.num_train, found.num_mono) == ("en-pt", 15, 6, 2)
    assert [(dropped.reason, dropped.count) for dropped in found.dropped] == [("many", 6), ("few", 1)]
    assert read_corpus(tmp_path / "missing.json") == ()


def test_recipes_differ_in_nested_keys() -> None:
    one = {"name": "a", "training": {"seed": 1, "phases": [{"kd": 0.5}]}, "text": "/secret/place/file.txt", "same": 1}
    two = {"name": "b", "training": {"seed": 2, "phases": [{"kd": 0.5}, {"kd": 1}]}, "text": None, "same": 1}
    settings = differing_settings([one, two], ignored=["name"])
    assert [(setting.key, setting.values) for setting in settings] == [
        ("training.seed", ("1", "2")),
        ("text", ("file.txt", "–")),
        ("training.phases[1].kd", ("–", "1")),
    ]
