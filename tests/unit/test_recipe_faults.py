"""Faults of a recipe are told together, each with its dotted path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.recipes import CONTENT, changed, faults_of


@pytest.mark.parametrize("preset", ["huge", 5, ["tiny"]])
def test_unknown_preset_is_told(tmp_path: Path, preset: Any) -> None:
    (fault,) = faults_of(tmp_path / "toy.yaml", changed(student__preset=preset))
    assert fault.startswith("student.preset must be ")


def test_faults_are_told_together(tmp_path: Path) -> None:
    content = changed(student={"model_dimm": 128, "num_heads": 0}, teacher__batch_tokens="many")
    content["directions"] = [{"source": "en", "target": "en"}]
    del content["training"]
    faults = faults_of(tmp_path / "toy.yaml", content)
    assert [fault.split()[0] for fault in faults] == [
        "teacher.batch_tokens",
        "directions[0].target",
        "student.model_dimm",
        "student.num_heads",
        "training",
    ]


def test_every_section_tells_unknown_keys_wrong_types_and_ranges_at_once(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "directions[0]": {"colour": 1, "source": "english", "target": "pt_BR"},
        "corpus": {"sede": 1, "max_train_sentences": "all", "max_mono_sentences": -1, "held_out": 5},
        "corpus.filters": {"colour": 1, "max_characters": 0, "drop_identical": "very", "max_ratio": 0.5},
        "corpus.split": {"colour": 1, "num_dev": -1, "num_test": "many", "min_words": 0},
        "corpus.sources[0]": {"colour": 1, "licence": 5, "min_words": 0, "max_sentences": 0},
        "corpus.sources[1].wheel": {"colour": 1, "package": "?", "version": 1.0, "sha256": "ff", "platform": ""},
        "teacher": {"colour": 1, "origin": None, "max_length_factor": 0, "batch_tokens": 0},
        "vocabulary": {"colour": 1, "size": 9},
        "distillation": {"colour": 1, "num_kept": "ten", "beam_size": 0, "num_candidates": 0, "temperature": -1},
        "student": {"colour": 1, "model_dim": "wide", "num_heads": 0, "max_positions": 1, "dropout": 1},
        "training": {"colour": 1, "seed": "x", "gradient_clip": 0, "average_decay": 1, "patience": -1},
        "training.phases[0]": {"colour": 1, "num_steps": 0, "learning_rate": "fast", "kd_weight": 2, "num_sampled": -1},
        "export": {"colour": 1, "beam_size": "two", "precisions": [], "min_parity": -1},
        "evaluation": {"colour": 1, "max_sentences": 0, "speed_repetitions": -1, "examples": "one"},
        "evaluation.suites[0]": {"colour": 1, "suite": 5, "max_sentences": 0},
    }
    content = changed(colour="red")
    source = {"kind": "wheel_text", "wheel": wrong["corpus.sources[1].wheel"], "paths": ["a"], "layout": "lines"}
    content["corpus"] = wrong["corpus"] | {
        "sources": [CONTENT["corpus"]["sources"][0] | wrong["corpus.sources[0]"], source],
        "filters": wrong["corpus.filters"],
        "split": wrong["corpus.split"],
    }
    content["directions"] = [wrong["directions[0]"]]
    content["teacher"] |= wrong["teacher"]
    content["training"] = wrong["training"] | {"phases": [wrong["training.phases[0]"]]}
    content["evaluation"] = wrong["evaluation"] | {"suites": [{"folder": "b"} | wrong["evaluation.suites[0]"]]}
    content |= {section: wrong[section] for section in ("vocabulary", "distillation", "student", "export")}
    told = [fault.split()[0] for fault in faults_of(tmp_path / "toy.yaml", content)]
    keys = [f"{section}.{key}" for section, values in wrong.items() for key in values]
    assert sorted(told) == sorted(["colour", *keys])


def test_a_value_with_a_fault_silences_only_the_checks_that_look_at_it(tmp_path: Path) -> None:
    content = changed(
        directions__0__source="english",
        student__graph="nllb",
        distillation__num_kept=0,
        distillation__keep_states=False,
    )
    phase = {"num_steps": 10, "learning_rate": 0.001, "state_weight": 1.0}
    content["training"]["phases"] = [phase | {"kd_weight": 2}, 5, phase | {"state_weight": -1}, phase]
    assert [fault.split()[0] for fault in faults_of(tmp_path / "toy.yaml", content)] == [
        "directions[0].source",
        "training.phases[0].kd_weight",
        "training.phases[1]",
        "training.phases[2].state_weight",
        "student.graph",
        "training.phases[0].state_weight",
        "training.phases[2].kd_weight",
        "training.phases[3].kd_weight",
        "training.phases[3].state_weight",
    ]
