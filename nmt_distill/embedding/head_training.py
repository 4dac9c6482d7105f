"""Training of a linear head, by scikit-learn's logistic regression, and what it is worth on examples kept apart.

N examples, F width of what the head reads, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from nmt_distill.counting import counted
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.head import UNKNOWN, Features, Head, features
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.classification import accuracy, macro_f1

HELD_OUT_EVERY = 5
"""of so many examples of each class one is kept apart"""
MIN_EXAMPLES = 2 * HELD_OUT_EVERY
"""fewest of a class"""
LEAST_VARIANCE = 1e-6
"""added to variances within classes, which are 1 at most: those of examples that are all the same are 0"""
NAMED = 5
"""most classes that a message names"""


@dataclass(frozen=True)
class HeadScores:
    """What a head says of examples that it was not trained on."""

    num_examples: int
    """kept apart"""
    macro_f1: float
    """mean F1 of all classes; an answer `unknown` is a miss"""
    accuracy: float
    """share of right answers, 0 to 1"""
    unknown: float
    """share answered by `unknown`"""
    baseline: float
    """accuracy of always answering the most frequent class"""


def has_scikit_learn() -> bool:
    """Tell whether the library is there that trains heads."""
    return find_spec("sklearn") is not None


def require_scikit_learn() -> None:
    """Refuse what trains a head, before any vector is computed, where scikit-learn is missing.

    :raises NmtDistillError: if it is
    """
    if not has_scikit_learn():
        raise NmtDistillError("train-head needs scikit-learn; install nmt-distill[embed].")


def train_head(
    encoder: SentenceEncoder,
    sentences: Sequence[str],
    labels: Sequence[str],
    *,
    reads: Features,
    unknown_share: float = 0.0,
    min_letters: int | None = None,
) -> tuple[Head, HeadScores]:
    """Train a head on four fifths of the examples, and measure it on the rest.

    :param reads: ``states`` for languages, ``vectors`` for what should hold across languages
    :param unknown_share: largest share of the examples kept apart that may be called unknown, half of them because
        their probability is low and half because they are far from their class, so that foreign text is told from
        known text; with 0 only ``min_letters`` can say so. The scores are those of the same examples
    :param min_letters: texts with fewer letters are unknown; None is 1 for ``states``, for no language is told from a
        number, and 0 for ``vectors``
    :raises NmtDistillError: if scikit-learn is missing, a class has too few examples, or there is only one class
    """
    require_scikit_learn()
    classes = tuple(sorted(set(labels)))
    _check(classes, labels)
    is_held_out = held_out(labels)
    read = features(encoder, sentences, reads)
    numbers = np.array([classes.index(label) for label in labels])
    mean, deviation = read[~is_held_out].mean(axis=0), read[~is_held_out].std(axis=0)
    deviation = np.where(deviation == 0, 1, deviation)
    scaled = (read - mean) / deviation
    weights, bias = _logistic_regression(scaled[~is_held_out], numbers[~is_held_out])
    centroids = np.stack([scaled[~is_held_out & (numbers == number)].mean(axis=0) for number in range(len(classes))])
    head = Head(
        labels=classes,
        reads=reads,
        model=encoder.fingerprint,
        weights=weights,
        bias=bias,
        mean=mean,
        deviation=deviation,
        centroids=centroids,
        whitening=_whitening((scaled - centroids[numbers])[~is_held_out]),
        min_letters=(1 if reads == "states" else 0) if min_letters is None else min_letters,
    )
    if unknown_share:
        probabilities, own = head.probabilities(scaled[is_held_out]).max(axis=1), numbers[is_held_out]
        believed = {
            "min_probability": float(np.quantile(probabilities, unknown_share / 2)),
            "max_distance": float(np.quantile(head.distances(scaled[is_held_out], own), 1 - unknown_share / 2)),
        }
        head = Head(**(vars(head) | believed))
    apart = [place for place, held in enumerate(is_held_out) if held]
    return head, score_head(head, encoder, [sentences[place] for place in apart], [labels[place] for place in apart])


def score_head(head: Head, encoder: SentenceEncoder, sentences: Sequence[str], labels: Sequence[str]) -> HeadScores:
    """Measure a head on examples, in any language."""
    answers = [label for label, _ in head.classify(encoder, sentences)]
    most = max(list(labels).count(label) for label in set(labels))
    return HeadScores(
        num_examples=len(labels),
        macro_f1=macro_f1(answers, labels),
        accuracy=accuracy(answers, labels),
        unknown=answers.count(UNKNOWN) / len(answers),
        baseline=most / len(labels),
    )


def held_out(labels: Sequence[str]) -> Vectors:
    """Choose the last of every five examples of each class, (N,) bool."""
    met: dict[str, int] = {}
    chosen = []
    for label in labels:
        met[label] = met.get(label, 0) + 1
        chosen.append(met[label] % HELD_OUT_EVERY == 0)
    return np.array(chosen)


def _check(classes: Sequence[str], labels: Sequence[str]) -> None:
    if len(classes) < 2:
        raise NmtDistillError(f"a head needs examples of two classes or more, but there is {', '.join(classes)} alone.")
    if UNKNOWN in classes:
        raise NmtDistillError(f"`{UNKNOWN}` is what a head answers where it knows none; give the class another name.")
    few = [f"{label[:60]} has {count}" for label, count in sorted(Counter(labels).items()) if count < MIN_EXAMPLES]
    if few:
        others = f", and {counted(len(few) - NAMED, 'other')} with too few" if len(few) > NAMED else ""
        raise NmtDistillError(
            f"each class needs {MIN_EXAMPLES} examples or more, but {', '.join(few[:NAMED])}{others}."
        )


def _logistic_regression(scaled: Vectors, numbers: Vectors) -> tuple[Vectors, Vectors]:
    """Return weights (F, C) and bias (C,)."""
    from sklearn.linear_model import LogisticRegression

    found: Any = LogisticRegression(max_iter=2000).fit(scaled, numbers)
    weights, bias = found.coef_.T, found.intercept_
    if weights.shape[1] == 1:  # of two classes the second alone has weights
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        bias = np.concatenate([[0.0], bias])
    return np.asarray(weights), np.asarray(bias)


def _whitening(differences: Vectors) -> Vectors:
    """Return W (F, F) of W W^T, the inverse of the covariance of differences (N, F) from the means of their classes.

    The covariance is shrunk as Ledoit & Wolf 2004 do, so that it has an inverse however few examples there are.
    """
    from sklearn.covariance import LedoitWolf

    covariance: Vectors = LedoitWolf(assume_centered=True).fit(differences.astype(np.float64)).covariance_
    return np.linalg.cholesky(np.linalg.inv(covariance + LEAST_VARIANCE * np.eye(len(covariance))))
