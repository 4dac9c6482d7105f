"""Draws of sentences from a test set, the same ones that sacreBLEU makes, a few at a time.

N sentences, S statistics of a sentence, R draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

NUM_RESAMPLES = 1000
NUM_TRIALS = 10_000
SEED = 12345
"""sacreBLEU's defaults, so that its command line gives the same p"""
_AT_ONCE = 64
"""draws in memory at once; a multiple of 32, which the generator of single bits needs to go on where it stopped"""

Matrix = npt.NDArray[np.float64]


class MeanMetric:
    """A metric that gives each sentence a number, such as COMET: the score of a test set is their mean."""

    @staticmethod
    def statistics(values: Sequence[float]) -> Matrix:
        """Return what is counted of each sentence, its number and one, (N, 2)."""
        return np.stack([np.asarray(values, dtype=np.float64), np.ones(len(values))], axis=1)

    def _compute_score_from_stats(self, sums: Matrix) -> SimpleNamespace:
        return SimpleNamespace(score=sums[0] / sums[1])


def sentence_statistics(metric: Metric, hypotheses: Sequence[str], references: Sequence[str]) -> Matrix:
    """Return what sacreBLEU counts in each sentence, such as matching n-grams, (N, S)."""
    return np.asarray(metric._extract_corpus_statistics(hypotheses, [references]), dtype=np.float64)


def score_of(metric: Metric | MeanMetric, sums: Matrix) -> float:
    """Return the score of a test set by the sums of its statistics (S,), sacreBLEU's own for its metrics."""
    counted: Any = metric
    return float(counted._compute_score_from_stats(sums).score)


def resampled_scores(
    metric: Metric | MeanMetric, *systems: Matrix, num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> Matrix:
    """Score systems on test sets drawn from this one with replacement, as sacreBLEU draws them.

    :param systems: the statistics of each, (N, S)
    :returns: (systems, R); a column is one draw, the same for all systems
    """
    scores = [
        [score_of(metric, sums) for sums in counts @ statistics]
        for counts in _counts(len(systems[0]), num_resamples, seed)
        for statistics in systems
    ]
    return np.stack([np.concatenate(scores[number :: len(systems)]) for number in range(len(systems))])


def shuffled_differences(
    metric: Metric | MeanMetric,
    system: Matrix,
    baseline: Matrix,
    *,
    num_trials: int = NUM_TRIALS,
    seed: int = SEED,
) -> Matrix:
    """Return the difference between two systems, (R,), after each sentence changed sides by the toss of a coin."""
    generator = np.random.default_rng(seed)
    differences = []
    for start in range(0, num_trials, _AT_ONCE):
        rows = min(_AT_ONCE, num_trials - start)
        swapped = generator.integers(2, size=(rows, len(system)), dtype=bool).astype(np.float64)
        ours = swapped @ baseline + (1 - swapped) @ system
        theirs = swapped @ system + (1 - swapped) @ baseline
        differences += [
            score_of(metric, one) - score_of(metric, other) for one, other in zip(ours, theirs, strict=True)
        ]
    return np.array(differences)


def _counts(num_sentences: int, num_resamples: int, seed: int) -> Iterator[Matrix]:
    """Yield how often each sentence is drawn, (some of R, N)."""
    generator = np.random.default_rng(seed)
    for start in range(0, num_resamples, _AT_ONCE):
        rows = min(_AT_ONCE, num_resamples - start)
        draws = generator.choice(num_sentences, size=(rows, num_sentences), replace=True)
        yield np.stack([np.bincount(draw, minlength=num_sentences) for draw in draws]).astype(np.float64)
