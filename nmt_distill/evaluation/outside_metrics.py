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
from nmt_distill.evaluation.resampling import NUM_RESAMPLES, SEED


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


def outside_score(
    metric: OutsideMetricConfig, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> OutsideScore:
    """Let a program score the outputs of a system.

    :raises NmtDistillError: if it cannot be started, fails, or does not answer every line with a finite number
    """
    values = np.array(sentence_scores(metric, sources, hypotheses, references))
    generator = np.random.default_rng(SEED)
    means = [values[generator.integers(len(values), size=len(values))].mean() for _ in range(NUM_RESAMPLES)]
    lower, upper = (float(bound) for bound in np.quantile(means, (0.025, 0.975)))
    return OutsideScore(
        metric=metric.name, value=float(values.mean()), lower=lower, upper=upper, command=metric.command
    )


def sentence_scores(
    metric: OutsideMetricConfig, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> list[float]:
    """Return what a program gives each sentence; see :func:`outside_score`."""
    check_parallel(sources=sources, hypotheses=hypotheses, references=references)
    rows = zip(sources, hypotheses, references, strict=True)
    lines = [
        json.dumps({"source": source, "hypothesis": hypothesis, "reference": reference}, ensure_ascii=True)
        for source, hypothesis, reference in rows
    ]
    must = "; it must print one number for each line of its input, and nothing else"
    answers = answer_lines(f"the program of the metric {metric.name}", metric.command, lines, must=must)
    return [
        _number(answer.decode("utf-8", "replace"), line, metric.name) for line, answer in enumerate(answers, start=1)
    ]


def _number(text: str, line: int, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NmtDistillError(f"the program of the metric {name} answered line {line} with {text!r:.60}, not a number.")
    return value
