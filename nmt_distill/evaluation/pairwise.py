"""chrF2++ of every text against every other, for choosing by consensus; equal to sacreBLEU's sentence score.

N texts, F distinct n-grams of one order.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

CHAR_ORDER = 6
WORD_ORDER = 2
BETA = 2
_PUNCTUATION = frozenset(string.punctuation)

Matrix = npt.NDArray[np.float64]


def pairwise_chrf(texts: Sequence[str]) -> Matrix:
    """Return chrF2++, 0-100, of each text (row) as a hypothesis against each (column) as its reference, (N, N).

    The n-grams of each text are counted once, so N texts cost N counts and N * N vector operations (Popović 2015,
    2017; effective order as in sacreBLEU).
    """
    precision, recall = np.zeros((2, len(texts), len(texts)))
    orders = np.zeros((len(texts), len(texts)), dtype=np.int64)
    for ngrams_of in _extractors():
        counts = _count_matrix([ngrams_of(text) for text in texts])
        matches = np.stack([np.minimum(row, counts).sum(axis=1) for row in counts]) if len(texts) else precision
        totals = counts.sum(axis=1)
        has_both = (totals[:, None] > 0) & (totals[None, :] > 0)
        orders += has_both
        precision += np.divide(matches, totals[:, None], out=np.zeros(matches.shape), where=has_both)
        recall += np.divide(matches, totals[None, :], out=np.zeros(matches.shape), where=has_both)
    np.divide(precision, orders, out=precision, where=orders > 0)
    np.divide(recall, orders, out=recall, where=orders > 0)
    below = BETA**2 * precision + recall
    return 100 * np.divide((1 + BETA**2) * precision * recall, below, out=np.zeros(below.shape), where=below > 0)


def expected_chrf(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the mean chrF2++ of each text against all of them, itself included, (N,): what MBR decoding maximises.

    A text that stands there several times, as among sampled candidates, counts as often (Freitag et al. 2022).
    """
    return pairwise_chrf(texts).mean(axis=1) if texts else np.zeros(0)


def _extractors() -> list[Callable[[str], Counter[str]]]:
    characters = [lambda text, n=n: _character_ngrams(text, n) for n in range(1, CHAR_ORDER + 1)]
    words = [lambda text, n=n: _word_ngrams(text, n) for n in range(1, WORD_ORDER + 1)]
    return [*characters, *words]


def _character_ngrams(text: str, order: int) -> Counter[str]:
    joined = "".join(text.split())
    return Counter(joined[start : start + order] for start in range(len(joined) - order + 1))


def _word_ngrams(text: str, order: int) -> Counter[str]:
    words = [part for word in text.split() for part in _without_punctuation(word)]
    return Counter(" ".join(words[start : start + order]) for start in range(len(words) - order + 1))


def _without_punctuation(word: str) -> list[str]:
    """Split one mark off the end of a word, or else off its beginning, as chrF++ does."""
    if len(word) > 1 and word[-1] in _PUNCTUATION:
        return [word[:-1], word[-1]]
    if len(word) > 1 and word[0] in _PUNCTUATION:
        return [word[0], word[1:]]
    return [word]


def _count_matrix(counted: Sequence[Counter[str]]) -> npt.NDArray[np.int64]:
    """Lay the counts of N texts side by side, (N, F)."""
    columns: dict[str, int] = {}
    for counts in counted:
        for ngram in counts:
            columns.setdefault(ngram, len(columns))
    matrix = np.zeros((len(counted), max(len(columns), 1)), dtype=np.int64)
    for row, counts in zip(matrix, counted, strict=True):
        for ngram, count in counts.items():
            row[columns[ngram]] = count
    return matrix
