"""How well classes are told apart."""

from __future__ import annotations

from collections.abc import Sequence


def accuracy(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Return the share of right answers, 0 to 1."""
    return sum(answer == label for answer, label in zip(answers, truth, strict=True)) / len(truth)


def macro_f1(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Return the mean F1 of all classes that the truth has, 0 to 1; answers of no such class are misses."""
    scores = []
    for label in sorted(set(truth)):
        pairs = list(zip(answers, truth, strict=True))
        right = sum(answer == given == label for answer, given in pairs)
        answered, given = sum(answer == label for answer, _ in pairs), sum(given == label for _, given in pairs)
        scores.append(2 * right / (answered + given))
    return sum(scores) / len(scores)
