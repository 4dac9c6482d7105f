"""Is one system better than another, or is it the luck of the test set?

Paired bootstrap (Koehn 2004) and approximate randomisation (Riezler & Maxwell 2005), by the draws of sacreBLEU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import bleu_metric, check_parallel, chrf_metric, ter_metric
from nmt_distill.evaluation.resampling import (
    NUM_RESAMPLES,
    NUM_TRIALS,
    SEED,
    Matrix,
    MeanMetric,
    resampled_scores,
    score_of,
    sentence_statistics,
    shuffled_differences,
)

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

MetricName = Literal["BLEU", "chrF2++", "TER"]
METRICS: tuple[MetricName, ...] = ("BLEU", "chrF2++", "TER")
PROVEN = 0.05
"""a difference counts where p is below this"""
_STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""97.5 % quantiles of Student's t for 1 degree of freedom and more; beyond, the last one, which is a little too wide"""
_ROUND_OFF = 1e-9
"""points by which two equal differences may come out apart"""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What chance decides in a comparison."""

    num_resamples: int = NUM_RESAMPLES
    """of the paired bootstrap"""
    num_trials: int = NUM_TRIALS
    """of approximate randomisation; 0 leaves it out"""
    seed: int = SEED
    """of both"""


DRAWS = Draws()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A system against a baseline in one metric."""

    system: str
    """name of the system"""
    baseline: str
    """name of the system it is compared with"""
    metric: str
    """BLEU, chrF2++, TER, or what an outside program measures"""
    difference: float
    """score of the system minus score of the baseline on the test set, in points, or in the unit of the program"""
    lower: float
    """2.5 % quantile of the difference over the resamples"""
    upper: float
    """97.5 % quantile of the difference over the resamples"""
    p_value: float
    """sacreBLEU's p of the paired bootstrap, about half of a two-sided one, since it takes sizes of draws before their
    mean; 1 where both score alike, or there is one sentence alone"""
    identical: bool
    """whether both systems match the references alike in every sentence, so that there is nothing to test"""
    lower_is_better: bool = False
    """whether a system is the better one whose score is lower, as in TER"""
    num_resamples: int = NUM_RESAMPLES
    """how many resamples were drawn"""
    seed: int = SEED
    """of the resamples and of the trials"""
    randomization_p: float | None = None
    """two-sided p of approximate randomisation; 1 where both are identical, None where it was not asked"""
    num_trials: int | None = None
    """how many times sentences changed sides by chance for it"""

    def verdict(self) -> str:
        """Say the result in words, such as ``better (p = 0.001)``."""
        if self.identical:
            return "identical"
        if self.p_value >= PROVEN:
            return f"no significant difference (p = {self.p_value:.3f})"
        is_better = (self.difference > 0) != self.lower_is_better
        return f"{'better' if is_better else 'worse'} (p = {self.p_value:.3f})"


def compare(
    hypotheses: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    target: str,
    names: tuple[str, str] = ("system", "baseline"),
    metrics: Sequence[MetricName] = METRICS,
    draws: Draws = DRAWS,
    tokenizer: str = "auto",
) -> tuple[Comparison, ...]:
    """Compare two systems on one test set, in each of some metrics.

    The statistics of each sentence and the score of a resample come from sacreBLEU; the draws and the p-values are
    those of its ``PairedTest``, which does not give the interval of the difference. Where both systems match
    alike, both have 0, or there is one sentence alone, sacreBLEU answers p = 1 / (resamples + 1), the most significant
    value there is; here that is 1. A trial of approximate randomisation that differs by as much as the systems do
    counts, as in Riezler & Maxwell (2005) and not in sacreBLEU: where one sentence differs every trial is such a one.

    :param hypotheses: N translations of the system
    :param baseline: N translations of the system it is compared with
    :param references: N references
    :param target: language of all, BCP 47
    :param names: what the two systems are called
    :param metrics: which, in the order of the answer
    :param tokenizer: of BLEU, see :func:`nmt_distill.evaluation.metrics.bleu_metric`
    :returns: a comparison for each metric
    :raises NmtDistillError: if the numbers of lines differ
    """
    check_parallel(references=references, hypotheses=hypotheses, baseline=baseline)
    make: dict[MetricName, Callable[[], Metric]] = {
        "BLEU": lambda: bleu_metric(target, tokenizer),
        "chrF2++": chrf_metric,
        "TER": lambda: ter_metric(target),
    }
    found = []
    for name in metrics:
        metric = make[name]()
        ours, theirs = (sentence_statistics(metric, texts, references) for texts in (hypotheses, baseline))
        found.append(_compare(name, metric, ours, theirs, names, draws))
    return tuple(found)


def compare_means(
    values: Sequence[float],
    baseline: Sequence[float],
    *,
    metric: str,
    names: tuple[str, str] = ("system", "baseline"),
    draws: Draws = DRAWS,
) -> Comparison:
    """Compare two systems by a metric that gives each sentence a number, such as COMET; see :func:`compare`.

    :param values: of the N translations of the system; higher is better
    :param baseline: of the N translations of the system it is compared with
    :param metric: what it is called
    :raises NmtDistillError: if the numbers of values differ
    """
    check_parallel(values=values, baseline=baseline)
    mean = MeanMetric()
    ours, theirs = mean.statistics(values), mean.statistics(baseline)
    return _compare(metric, mean, ours, theirs, names, draws)


def _compare(
    name: str,
    metric: Metric | MeanMetric,
    ours: Matrix,
    theirs: Matrix,
    names: tuple[str, str],
    draws: Draws,
) -> Comparison:
    difference = score_of(metric, ours.sum(0)) - score_of(metric, theirs.sum(0))
    identical = np.array_equal(ours, theirs)
    lower = upper = 0.0
    p_value = randomization_p = 1.0
    if not identical:
        resampled = resampled_scores(metric, ours, theirs, num_resamples=draws.num_resamples, seed=draws.seed)
        differences = resampled[0] - resampled[1]
        lower, upper = (float(bound) for bound in np.quantile(differences, (0.025, 0.975)))
        sizes = np.abs(differences)
        if len(ours) > 1 and abs(difference) > _ROUND_OFF:
            p_value = _p_value(sizes - sizes.mean() > abs(difference))
        if draws.num_trials:
            shuffled = shuffled_differences(metric, ours, theirs, num_trials=draws.num_trials, seed=draws.seed)
            randomization_p = _p_value(np.abs(shuffled) > abs(difference) - _ROUND_OFF)
    return Comparison(
        system=names[0],
        baseline=names[1],
        metric=name,
        lower_is_better=name == "TER",
        difference=difference,
        lower=lower,
        upper=upper,
        p_value=p_value,
        identical=identical,
        num_resamples=draws.num_resamples,
        seed=draws.seed,
        randomization_p=randomization_p if draws.num_trials else None,
        num_trials=draws.num_trials or None,
    )


@dataclass(frozen=True, kw_only=True)
class SeedSummary:
    """One difference over several training seeds."""

    mean: float
    """of the differences, in points"""
    spread: float
    """their sample standard deviation; 0 for a single seed"""
    num_seeds: int
    """how many seeds were trained"""
    same_sign: bool
    """whether every seed agrees in sign"""

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean over all seeds that there could be, by paired t; without end for a single seed.

        It tells of the chance in training, on this test set; a bootstrap, of that in the test set, for one training.
        """
        if self.num_seeds == 1:
            return -math.inf, math.inf
        quantile = _STUDENT_T[min(self.num_seeds - 1, len(_STUDENT_T)) - 1]
        half = quantile * self.spread / math.sqrt(self.num_seeds)
        return self.mean - half, self.mean + half


def summarize_seeds(differences: Sequence[float]) -> SeedSummary:
    """Sum up the differences between two systems, one for each training seed.

    :param differences: system minus baseline, in points
    :raises NmtDistillError: if there are none
    """
    if not differences:
        raise NmtDistillError("There are no differences to sum up; give one for each training seed.")
    mean = math.fsum(differences) / len(differences)
    squares = math.fsum((difference - mean) ** 2 for difference in differences)
    spread = math.sqrt(squares / (len(differences) - 1)) if len(differences) > 1 else 0.0
    same_sign = all(difference > 0 for difference in differences) or all(difference < 0 for difference in differences)
    return SeedSummary(mean=mean, spread=spread, num_seeds=len(differences), same_sign=same_sign)


def _p_value(differs: npt.NDArray[np.bool_]) -> float:
    """Return the share of draws that differ like the systems, whose real difference itself counts as one draw."""
    return float((np.sum(differs) + 1) / (len(differs) + 1))
