"""Whether tokens that a teacher draws come from the distributions that it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nmt_distill.teacher.base import WhiteBoxTeacher

NUM_DRAWS = 60


def check_draws(teacher: WhiteBoxTeacher, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> None:
    """Compare draws with the whole distributions: no token is ever more than one draw off; company changes nothing."""
    for temperature in (1.0, 2.0):
        all_kept = teacher.teacher_output(sources, targets, num_kept=teacher.vocab_size, temperature=temperature)
        dense = np.zeros_like(all_kept.probs)
        np.put_along_axis(dense, all_kept.token_ids, all_kept.probs, axis=1)
        drawn = teacher.teacher_output(sources, targets, num_kept=NUM_DRAWS, kept="drawn", temperature=temperature)
        assert drawn.tail is None
        assert drawn.token_ids.shape == (sum(map(len, targets)), NUM_DRAWS)
        assert drawn.probs == pytest.approx(np.take_along_axis(dense, drawn.token_ids, axis=1), rel=1e-4, abs=1e-7)
        counts = np.zeros_like(dense)
        np.add.at(counts, (np.arange(len(dense))[:, None], drawn.token_ids), 1)
        assert np.abs(counts / NUM_DRAWS - dense).max() < (1 + 1e-3) / NUM_DRAWS
        alone = [
            teacher.teacher_output(
                [source], [target], num_kept=NUM_DRAWS, kept="drawn", temperature=temperature
            ).token_ids
            for source, target in zip(sources, targets, strict=True)
        ]
        counts_alone = np.zeros_like(dense)
        np.add.at(counts_alone, (np.arange(len(dense))[:, None], np.concatenate(alone)), 1)
        num_turned = np.abs(counts_alone - counts).sum() / 2
        assert num_turned <= 0.01 * counts.sum(), "what rounding turns; another shift of a row would turn most of it"
