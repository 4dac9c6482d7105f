"""Metrics of programs outside, such as COMET, whose packages live in an environment of their own.

The protocol: the program is started once for the outputs of one system on one test set. Standard input holds a JSON
object a line, with ``source``, ``hypothesis`` and ``reference``; standard output must hold a number a line, one for
each line of input, in order. What it writes to standard error is shown where it fails.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import check_parallel
from nmt_distill.evaluation.outside_program import answer_lines
from nmt_distill.evaluation.report import OutsideScore
from nmt_distill.evaluation.resampling import NUM_RESAMPLES, MeanMetric, resampled_scores, score_of


@dataclass(frozen=True, kw_only=True)
class OutsideMetricConfig:
    """A metric that an outside program computes."""

    name: str
    """as the tables print it, such as ``COMET22``"""
    command: str
    """program and arguments, quoted as in a shell, which is not involved; see ``eval/README.md`` for its protocol"""


def parse_outside_metric(text: str) -> OutsideMetricConfig:
    """Read ``NAME=COMMAND``.

    :raises NmtDistillError: if it has another form
    """
    name, separator, command = text.partition("=")
    if not name.strip() or not separator or not command.strip():
        raise NmtDistillError(f"--metric must be NAME=COMMAND, but is `{text}`.")
    return OutsideMetricConfig(name=name.strip(), command=command.strip())


@dataclass(frozen=True, kw_only=True)
class SentenceScores:
    """What a program gives each output of a system."""

    metric: OutsideMetricConfig
    """the program"""
    values: tuple[float, ...]
    """one for each sentence"""

    def mean(self, num_resamples: int = NUM_RESAMPLES) -> OutsideScore:
        """Return their mean, with its interval by bootstrap."""
        metric = MeanMetric()
        statistics = metric.statistics(self.values)
        means = resampled_scores(metric, statistics, num_resamples=num_resamples)[0]
        lower, upper = (float(bound) for bound in np.quantile(means, (0.025, 0.975)))
        return OutsideScore(
            metric=self.metric.name,
            value=score_of(metric, statistics.sum(0)),
            lower=lower,
            upper=upper,
            command=self.metric.command,
        )


def sentence_scores(
    metric: OutsideMetricConfig, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> SentenceScores:
    """Let a program score the outputs of a system.

    :raises NmtDistillError: if it cannot be started, fails, or does not answer every line with a finite number
    """
    check_parallel(sources=sources, hypotheses=hypotheses, references=references)
    rows = zip(sources, hypotheses, references, strict=True)
    lines = [
        json.dumps({"source": source, "hypothesis": hypothesis, "reference": reference}, ensure_ascii=True)
        for source, hypothesis, reference in rows
    ]
    must = "; it must print one number for each line of its input, and nothing else"
    answers = answer_lines(f"the program of the metric {metric.name}", metric.command, lines, must=must)
    values = [
        _number(answer.decode("utf-8", "replace"), line, metric.name) for line, answer in enumerate(answers, start=1)
    ]
    return SentenceScores(metric=metric, values=tuple(values))


def _number(text: str, line: int, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NmtDistillError(f"the program of the metric {name} answered line {line} with {text!r:.60}, not a number.")
    return value
