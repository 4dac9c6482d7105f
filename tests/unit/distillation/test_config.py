from __future__ import annotations

from typing import Any

import pytest

from nmt_distill.distillation.config import DistillationConfig


def test_defaults_can_be() -> None:
    assert list(DistillationConfig().faults()) == []


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"beam_size": 0, "num_candidates": 0}, "beam_size", "must be at least 1, but is 0 instead"),
        ({"num_candidates": 0}, "num_candidates", "must be at least 1, but is 0 instead"),
        ({"shard_sentences": 0}, "shard_sentences", "must be at least 1, but is 0 instead"),
        ({"max_source_tokens": -3}, "max_source_tokens", "must be at least 1, but is -3 instead"),
        ({"beam_size": 2, "num_candidates": 3}, "num_candidates", r"must be at most beam_size (2), but is 3"),
        ({"num_kept": -1}, "num_kept", "must be at least 0, but is -1 instead"),
        ({"temperature": 0.0}, "temperature", "must be positive, but is 0.0 instead"),
    ],
)
def test_values_that_cannot_be(values: dict[str, Any], field: str, told: str) -> None:
    faults = dict(DistillationConfig(**values).faults())
    assert faults[field].startswith(told)
