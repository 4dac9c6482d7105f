from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nmt_distill.training.config import PhaseConfig, TrainingConfig

PHASE = PhaseConfig(num_steps=10, learning_rate=1e-3)
TRAINING = TrainingConfig(phases=(PHASE,))


def test_defaults_can_be() -> None:
    assert [*PHASE.faults(), *TRAINING.faults()] == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"num_steps": 0}, "num_steps"),
        ({"batch_tokens": 0}, "batch_tokens"),
        ({"num_accumulated": 0}, "num_accumulated"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"kd_weight": 1.5}, "kd_weight"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"vocabulary_weight": -1.0}, "vocabulary_weight"),
        ({"state_weight": -1.0}, "state_weight"),
        ({"num_sampled": -1}, "num_sampled"),
    ],
)
def test_phase_that_cannot_be(values: dict[str, Any], field: str) -> None:
    faults = dict(replace(PHASE, **values).faults())
    assert list(faults) == [field]
    assert f"but is {values[field]} instead" in faults[field]


def test_phase_without_loss() -> None:
    ((field, told),) = replace(PHASE, vocabulary_weight=0).faults()
    assert (field, told) == ("vocabulary_weight", "must be positive where state_weight is 0, else there is no loss")


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"phases": ()}, "phases", "must hold at least one phase"),
        ({"validate_every": 0}, "validate_every", "must be at least 1, but is 0 instead"),
        ({"max_dev_sentences": 0}, "max_dev_sentences", "must be at least 1, but is 0 instead"),
        ({"checkpoint_every": 0}, "checkpoint_every", "must be at least 1, but is 0 instead"),
        ({"average_decay": 1.0}, "average_decay", "must be in [0, 1), but is 1.0 instead"),
        ({"gradient_clip": 0.0}, "gradient_clip", "must be positive, but is 0.0 instead"),
        ({"patience": -1}, "patience", "must be at least 0, but is -1 instead"),
    ],
)
def test_training_that_cannot_be(values: dict[str, Any], field: str, told: str) -> None:
    assert list(replace(TRAINING, **values).faults()) == [(field, told)]
