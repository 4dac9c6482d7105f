"""Who is whose translation, by margin: similarity against that to other near sentences.

N and M sentences, D width, k neighbours. The ratio of Artetxe & Schwenk 2019 (arXiv 1811.01136), as in xSIM of LASER.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NUM_NEIGHBOURS = 4
"""k of xSIM"""
ROWS_AT_ONCE = 512
"""most sentences whose similarities to all others are in memory at once"""
CELLS_AT_ONCE = 1 << 25
"""most similarities that are in memory at once"""

Vectors = npt.NDArray[np.floating[Any]]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """The nearest sentences of the other side."""

    places: Ids
    """(N, k), best first"""
    cosines: Vectors
    """(N, k)"""

    @property
    def mean(self) -> Vectors:
        """Mean cosine of each sentence to its k neighbours, (N,)."""
        return np.asarray(self.cosines.mean(axis=1))


def unit_rows(vectors: Vectors) -> npt.NDArray[np.float32]:
    """Scale vectors (N, D) to length 1, in a copy; a row of zeros stays one."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def nearest(queries: Vectors, others: Vectors, num_neighbours: int = NUM_NEIGHBOURS) -> Neighbours:
    """Find the nearest of the unit vectors ``others`` (M, D) to each of ``queries`` (N, D), by brute force.

    :param num_neighbours: k; all are taken where there are fewer
    """
    count = min(num_neighbours, len(others))
    places, cosines = np.zeros((len(queries), count), dtype=np.int64), np.zeros((len(queries), count), dtype=np.float32)
    step = max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // len(others)))
    for start in range(0, len(queries), step):
        similarities = queries[start : start + step] @ others.T
        found = np.sort(np.argpartition(-similarities, count - 1, axis=1)[:, :count], axis=1)
        values = np.take_along_axis(similarities, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        places[start : start + step] = np.take_along_axis(found, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(values, order, axis=1)
    return Neighbours(places, cosines)


def ratio_margins(forward: Neighbours, backward_mean: Vectors) -> Vectors:
    """Return the margin of each sentence with each of its neighbours, (N, k).

    cos(x, y) over the mean of both sentences' mean cosines to their k neighbours of the other side.

    :param forward: the neighbours of each x
    :param backward_mean: (M,) mean cosine of every y to its neighbours
    """
    return _ratio(forward.cosines, (forward.mean[:, None] + backward_mean[forward.places]) / 2)


def _ratio(cosines: Vectors, means: Vectors) -> Vectors:
    """Divide; where all neighbours are at right angles a cosine stands for itself."""
    return np.asarray(cosines / np.where(means == 0, 1, means))


def pair_margins(
    sources: Vectors,
    targets: Vectors,
    source_places: Sequence[int],
    target_places: Sequence[int],
    forward: Neighbours,
    backward: Neighbours,
) -> Vectors:
    """Return the ratio margin of given pairs (P,).

    :param sources: (N, D) unit vectors
    :param targets: (M, D)
    :param source_places: of each pair
    :param target_places: of each pair
    :param forward: the neighbours of every source
    :param backward: those of every target
    """
    left, right = np.asarray(source_places, dtype=np.int64), np.asarray(target_places, dtype=np.int64)
    cosines = np.concatenate([
        np.zeros(0, dtype=np.float32),
        *(
            (sources[left[start : start + ROWS_AT_ONCE]] * targets[right[start : start + ROWS_AT_ONCE]]).sum(axis=1)
            for start in range(0, len(left), ROWS_AT_ONCE)
        ),
    ])
    return _ratio(cosines, (forward.mean[left] + backward.mean[right]) / 2)


def xsim_error(sources: Vectors, translations: Vectors, num_neighbours: int = NUM_NEIGHBOURS) -> float:
    """Return the share of sources whose best neighbour by ratio margin is not their own translation, 0 to 1.

    Row N of both belongs together; duplicates count as errors and are removed first by who calls.
    """
    x, y = unit_rows(sources), unit_rows(translations)
    forward, backward = nearest(x, y, num_neighbours), nearest(y, x, num_neighbours)
    best = ratio_margins(forward, backward.mean).argmax(axis=1)
    return float((forward.places[np.arange(len(x)), best] != np.arange(len(x))).mean())


@dataclass(frozen=True)
class MinedPairs:
    """Pairs that were found, best margin first."""

    sources: Ids
    """(P,) places on one side"""
    targets: Ids
    """(P,) places on the other"""
    margins: Vectors
    """(P,)"""


def mine_pairs(sources: Vectors, targets: Vectors, num_neighbours: int = NUM_NEIGHBOURS) -> MinedPairs:
    """Pair sentences of two sides by ratio margin, each at most once: the best candidates of both ways, greedily.

    The "max" strategy of Artetxe & Schwenk 2019, section 3.1.
    """
    x, y = unit_rows(sources), unit_rows(targets)
    forward, backward = nearest(x, y, num_neighbours), nearest(y, x, num_neighbours)
    ways = []
    for near, other_mean in ((forward, backward.mean), (backward, forward.mean)):
        margins = ratio_margins(near, other_mean)
        best = margins.argmax(axis=1)
        own = np.arange(len(near.places))
        ways.append((own, near.places[own, best], margins[own, best]))
    (one, other, first), (other_back, one_back, second) = ways
    left, right = np.concatenate([one, one_back]), np.concatenate([other, other_back])
    margins = np.concatenate([first, second])
    taken_left, taken_right, kept = set[int](), set[int](), []
    for place in np.lexsort((right, left, -margins)).tolist():
        if left[place] not in taken_left and right[place] not in taken_right:
            taken_left.add(int(left[place]))
            taken_right.add(int(right[place]))
            kept.append(place)
    return MinedPairs(left[kept], right[kept], margins[kept])


@dataclass(frozen=True)
class MiningScores:
    """How well mining finds what is known to belong together."""

    precision: float
    """share of the pairs found that are right"""
    recall: float
    """share of the true pairs that were found"""
    f1: float
    """their harmonic mean"""
    threshold: float
    """margin from which pairs are taken"""


def best_mining_scores(mined: MinedPairs, truth: set[tuple[int, int]]) -> MiningScores:
    """Choose the margin at which F1 is best, as BUCC does on training data (Zweigenbaum et al. 2018).

    :param truth: places of the true pairs
    """
    is_right = np.array(
        [pair in truth for pair in zip(mined.sources.tolist(), mined.targets.tolist(), strict=True)], dtype=bool
    )
    if not len(is_right) or not truth:
        return MiningScores(0.0, 0.0, 0.0, 0.0)
    right, counts = np.cumsum(is_right), np.arange(1, len(is_right) + 1)
    f1 = 2 * right / (counts + len(truth))
    is_last = np.append(mined.margins[1:] < mined.margins[:-1], True)  # equal margins come or go together
    best = int(np.where(is_last, f1, -1).argmax())
    return MiningScores(
        precision=float(right[best] / counts[best]),
        recall=float(right[best] / len(truth)),
        f1=float(f1[best]),
        threshold=float(mined.margins[best]),
    )
