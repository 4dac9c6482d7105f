from __future__ import annotations

from typing import Any

import pytest

from nmt_distill.distillation.config import DistillationConfig
from tests.faults import faults_of


def test_defaults_can_be() -> None:
    assert faults_of(DistillationConfig, {}) == ()


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"beam_size": 0, "num_candidates": 0}, "beam_size", "must be 1 or more, but is 0 instead"),
        ({"num_candidates": 0}, "num_candidates", "must be 1 or more, but is 0 instead"),
        ({"shard_sentences": 0}, "shard_sentences", "must be 1 or more, but is 0 instead"),
        ({"max_source_tokens": -3}, "max_source_tokens", "must be 1 or more, but is -3 instead"),
        ({"num_candidates": 2, "num_labels": 3}, "num_labels", "must be at most num_candidates (2), but is 3 instead"),
        ({"beam_size": 2, "sampling": {}}, "beam_size", "must be 1 where candidates are drawn by sampling, but is 2"),
        ({"sampling": {"top_p": 0}}, "sampling.top_p", "must be above 0 and at most 1, but is 0.0 instead"),
        ({"filters": {"max_ratio": 0.5}}, "filters.max_ratio", "must be 1 or more, but is 0.5 instead"),
        ({"human_share": 1.5}, "human_share", "must be from 0 to 1, but is 1.5 instead"),
        (
            {"human_share": 0.5, "targets": "forced"},
            "human_share",
            "must be 0 where targets is forced, since all targets are human then",
        ),
        ({"num_kept": -1}, "num_kept", "must be 0 or more, but is -1 instead"),
        ({"temperature": 0.0}, "temperature", "must be above 0, but is 0.0 instead"),
    ],
)
def test_values_that_cannot_be(values: dict[str, Any], field: str, told: str) -> None:
    assert any(fault.startswith(f"{field} {told}") for fault in faults_of(DistillationConfig, values))
