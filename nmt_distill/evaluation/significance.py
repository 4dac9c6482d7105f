"""Is one system better than another, or is it the luck of the test set? Paired bootstrap (Koehn 2004)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import bleu_metric, check_parallel, chrf_metric

NUM_RESAMPLES = 1000
SEED = 12345
"""sacreBLEU's defaults, so that its command line gives the same p"""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A system against a baseline in one metric."""

    system: str
    """name of the system"""
    baseline: str
    """name of the system it is compared with"""
    metric: str
    """BLEU or chrF2++"""
    difference: float
    """score of the system minus score of the baseline on the test set, in points"""
    lower: float
    """2.5 % quantile of the difference over the resamples"""
    upper: float
    """97.5 % quantile of the difference over the resamples"""
    p_value: float
    """sacreBLEU's two-sided p of the paired bootstrap; 1 where both are identical"""
    identical: bool
    """whether both systems match the references alike in every sentence, so that there is nothing to test"""
    num_resamples: int = NUM_RESAMPLES
    """how many resamples were drawn"""
    seed: int = SEED
    """of the resamples"""

    def verdict(self) -> str:
        """Say the result in words, such as ``better (p = 0.001)``."""
        if self.identical:
            return "identical"
        if self.p_value >= 0.05:
            return f"no significant difference (p = {self.p_value:.3f})"
        return f"{'better' if self.difference > 0 else 'worse'} (p = {self.p_value:.3f})"


def compare(
    hypotheses: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    target: str,
    names: tuple[str, str] = ("system", "baseline"),
    num_resamples: int = NUM_RESAMPLES,
    seed: int = SEED,
) -> tuple[Comparison, Comparison]:
    """Compare two systems on one test set, in BLEU and in chrF2++.

    The statistics of each sentence and the score of a resample come from sacreBLEU; the draws and the p-value are
    those of its ``PairedTest``, which does not give the interval of the difference. Where both systems match
    alike, sacreBLEU answers p = 1 / (resamples + 1), the most significant value there is; here that is 1.

    :param hypotheses: N translations of the system
    :param baseline: N translations of the system it is compared with
    :param references: N references
    :param target: language of all, BCP 47
    :param names: what the two systems are called
    :returns: the comparison in BLEU and the one in chrF2++
    :raises NmtDistillError: if the numbers of lines differ
    """
    check_parallel(references=references, hypotheses=hypotheses, baseline=baseline)
    counts = _resample_counts(len(references), num_resamples, seed)
    comparisons = []
    for name, metric in (("BLEU", bleu_metric(target)), ("chrF2++", chrf_metric())):
        statistics = [
            np.asarray(metric._extract_corpus_statistics(texts, [references]), dtype=np.float64)
            for texts in (hypotheses, baseline)
        ]
        system_score, baseline_score = (
            float(metric._compute_score_from_stats(sums.sum(0)).score) for sums in statistics
        )
        difference = system_score - baseline_score
        if np.array_equal(statistics[0], statistics[1]):
            lower = upper = 0.0
            p_value, identical = 1.0, True
        else:
            resampled = [
                np.array([metric._compute_score_from_stats(sums).score for sums in counts @ sentence_statistics])
                for sentence_statistics in statistics
            ]
            differences = resampled[0] - resampled[1]
            lower, upper = (float(bound) for bound in np.quantile(differences, (0.025, 0.975)))
            p_value, identical = _p_value(differences, difference), False
        comparisons.append(
            Comparison(
                system=names[0], baseline=names[1], metric=name, difference=difference, lower=lower, upper=upper,
                p_value=p_value, identical=identical, num_resamples=num_resamples, seed=seed,
            )
        )  # fmt: skip
    bleu, chrf = comparisons
    return bleu, chrf


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
    """whether every seed agrees in sign; only then, and with two seeds or more, may a gain be claimed"""


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


def _resample_counts(num_sentences: int, num_resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Draw sentences with replacement as sacreBLEU does; return how often each is drawn: (resamples, sentences)."""
    draws = np.random.default_rng(seed).choice(num_sentences, size=(num_resamples, num_sentences), replace=True)
    return np.stack([np.bincount(draw, minlength=num_sentences) for draw in draws]).astype(np.float64)


def _p_value(differences: npt.NDArray[np.float64], difference: float) -> float:
    """Return the share of resamples whose difference strays from the mean by more than the real one."""
    sizes = np.abs(differences)
    return float((np.sum(sizes - sizes.mean() > abs(difference)) + 1) / (len(sizes) + 1))
