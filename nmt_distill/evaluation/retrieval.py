"""What sentence vectors are worth: does each sentence find its translation among all others.

N sentences of one language and their translations, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt_distill.evaluation.margin import (
    ROWS_AT_ONCE,
    MiningScores,
    Vectors,
    best_mining_scores,
    mine_pairs,
    unit_rows,
    xsim_error,
)

COLLAPSED = 0.9
"""mean cosine of different sentences from which on vectors say the same of all"""


@dataclass(frozen=True, kw_only=True)
class RetrievalScores:
    """One system's vectors on one text and its translation."""

    num_sentences: int
    """pairs that were compared, duplicates of either side removed"""
    forward: float
    """share of sources whose nearest translation, by cosine, is their own"""
    backward: float
    """share of translations whose nearest source is their own"""
    forward_mrr: float
    """mean of 1 over the place at which a source's own translation comes"""
    backward_mrr: float
    """the same of translations"""
    forward_xsim: float
    """share of sources whose best translation by ratio margin (k = 4) is not their own"""
    backward_xsim: float
    """the same of translations"""
    mining_f1: float
    """best F1 of finding the pairs where half of each side has no partner"""
    mean_cosine: float
    """mean cosine of sentences of both languages that are no translations of each other; near 1 where all are alike"""

    @property
    def is_collapsed(self) -> bool:
        """Whether all sentences have nearly the same vector."""
        return self.mean_cosine > COLLAPSED


def distinct_pairs(sources: Sequence[str], translations: Sequence[str]) -> list[int]:
    """Return the places of pairs both sides of which come for the first time: duplicates have no right answer."""
    met: tuple[set[str], set[str]] = (set(), set())
    kept = []
    for place, pair in enumerate(zip(sources, translations, strict=True)):
        if not any(text in seen for text, seen in zip(pair, met, strict=True)):
            kept.append(place)
        for text, seen in zip(pair, met, strict=True):
            seen.add(text)
    return kept


def retrieval_scores(
    source_vectors: Vectors, translation_vectors: Vectors, sources: Sequence[str], translations: Sequence[str]
) -> RetrievalScores:
    """Measure vectors (N, D) of sentences and of their translations.

    :param sources: the text, by which duplicates are found
    """
    kept = distinct_pairs(sources, translations)
    x, y = unit_rows(source_vectors[kept]), unit_rows(translation_vectors[kept])
    forward, backward = own_ranks(x, y), own_ranks(y, x)
    return RetrievalScores(
        num_sentences=len(kept),
        forward=float((forward == 1).mean()),
        backward=float((backward == 1).mean()),
        forward_mrr=float((1 / forward).mean()),
        backward_mrr=float((1 / backward).mean()),
        forward_xsim=xsim_error(x, y),
        backward_xsim=xsim_error(y, x),
        mining_f1=mining_scores(x, y).f1,
        mean_cosine=mean_cosine_of_strangers(x, y),
    )


def own_ranks(queries: Vectors, others: Vectors) -> Vectors:
    """Return the place, from 1, at which row N of the unit vectors ``others`` comes by its nearness to query N.

    Among equals it comes last, so that vectors which are all the same find nothing.
    """
    ranks = []
    for start in range(0, len(queries), ROWS_AT_ONCE):
        similarities = queries[start : start + ROWS_AT_ONCE] @ others.T
        rows = np.arange(len(similarities))
        own = similarities[rows, start + rows]
        ranks.append((similarities >= own[:, None]).sum(axis=1))
    return np.concatenate([np.zeros(0), *ranks])


def mining_scores(sources: Vectors, translations: Vectors) -> MiningScores:
    """Mine pairs after a third of each side, another one on each, is gone: half of what is left has no partner."""
    places = np.arange(len(sources))
    left, right = places[places % 3 != 1], places[places % 3 != 2]
    mined = mine_pairs(sources[left], translations[right])
    row_of_left, row_of_right = ({int(place): row for row, place in enumerate(side)} for side in (left, right))
    truth = {(row_of_left[place], row_of_right[place]) for place in row_of_left if place in row_of_right}
    return best_mining_scores(mined, truth)


def mean_cosine_of_strangers(x: Vectors, y: Vectors) -> float:
    """Return the mean cosine of any two of all rows but N of x and N of y (N, D), in one pass by the sum of all.

    Rows of zeros count as if they were not there.
    """
    rows, others = unit_rows(x).astype(np.float64), unit_rows(y).astype(np.float64)
    is_there, other_is = (np.linalg.norm(side, axis=1) > 0 for side in (rows, others))
    num_rows = int(is_there.sum() + other_is.sum())
    num_pairs = num_rows * (num_rows - 1) - 2 * int((is_there & other_is).sum())
    if num_pairs < 1:
        return 0.0
    total = rows.sum(axis=0) + others.sum(axis=0)
    return float((total @ total - num_rows - 2 * (rows * others).sum()) / num_pairs)
