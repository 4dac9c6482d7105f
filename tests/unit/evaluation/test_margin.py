"""Margins against LASER's formula written out in loops, and against pairs worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nmt_distill.evaluation.margin import (
    MinedPairs,
    best_mining_scores,
    mine_pairs,
    nearest,
    pair_margins,
    unit_rows,
    xsim_error,
)

DIM = 256
"""of random vectors, of which no two are near each other"""


def laser_xsim(x: Any, y: Any, k: int) -> float:
    """xSIM of facebookresearch/LASER (source/xsim.py) with margin "ratio", sentence by sentence."""

    def cosine(one: Any, other: Any) -> float:
        return float(one @ other / math.sqrt((one @ one) * (other @ other)))

    def mean_of_nearest(one: Any, others: Any) -> float:
        return sum(sorted((cosine(one, other) for other in others), reverse=True)[:k]) / k

    x_mean, y_mean = [mean_of_nearest(row, y) for row in x], [mean_of_nearest(row, x) for row in y]
    errors = 0
    for place, row in enumerate(x):
        near = sorted(range(len(y)), key=lambda other: -cosine(row, y[other]))[:k]
        margins = {other: cosine(row, y[other]) / ((x_mean[place] + y_mean[other]) / 2) for other in near}
        errors += max(margins, key=lambda other: margins[other]) != place
    return errors / len(x)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_xsim_is_that_of_laser(k: int) -> None:
    generator = np.random.default_rng()
    x = generator.standard_normal((60, 12)) + 0.5
    y = x + 0.8 * generator.standard_normal(x.shape)
    kept = x.copy(), y.copy()
    assert xsim_error(x, y, k) == laser_xsim(x, y, k)
    assert np.array_equal(x, kept[0]), "vectors of the caller stay as they are"
    assert np.array_equal(y, kept[1])


def test_identical_vectors_have_no_error_and_moved_ones_nothing_else() -> None:
    vectors = np.random.default_rng().standard_normal((40, 16))
    assert xsim_error(vectors, vectors) == 0
    assert xsim_error(vectors, np.roll(vectors, 1, axis=0)) == 1


def test_length_of_vectors_changes_nothing() -> None:
    generator = np.random.default_rng()
    x, y = generator.standard_normal((30, 8)), generator.standard_normal((30, 8))
    assert xsim_error(x, y) == xsim_error(x * generator.uniform(0.5, 2, (30, 1)), 7 * y)


def test_margin_by_hand() -> None:
    x, y = unit_rows(np.array([[1.0, 0.0], [0.0, 1.0]])), unit_rows(np.array([[1.0, 0.0], [1.0, 1.0]]))
    half = math.sqrt(0.5)
    forward, backward = nearest(x, y), nearest(y, x)  # k is 2 where there are only two
    assert forward.mean.tolist() == pytest.approx([(1 + half) / 2, half / 2])
    assert backward.mean.tolist() == pytest.approx([0.5, half])
    margins = pair_margins(x, y, [0, 1], [0, 1], forward, backward)
    assert margins.tolist() == pytest.approx([1 / (((1 + half) / 2 + 0.5) / 2), half / ((half / 2 + half) / 2)])


def test_blocks_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng()
    x, y = unit_rows(generator.standard_normal((50, 8))), unit_rows(generator.standard_normal((70, 8)))
    whole = nearest(x, y, 3)
    monkeypatch.setattr("nmt_distill.evaluation.margin.CELLS_AT_ONCE", 7 * 70)
    assert np.array_equal(nearest(x, y, 3).places, whole.places)
    assert np.array_equal(whole.places, np.argsort(-(x @ y.T), axis=1)[:, :3])


def test_mining_pairs_what_belongs_together() -> None:
    generator = np.random.default_rng()
    common = generator.standard_normal((20, DIM))
    x = np.concatenate([common, generator.standard_normal((10, DIM))])
    order = generator.permutation(20)
    y = np.concatenate([
        generator.standard_normal((10, DIM)),
        common[order] + 0.1 * generator.standard_normal((20, DIM)),
    ])
    mined = mine_pairs(x, y)
    truth = {(int(place), 10 + row) for row, place in enumerate(order)}
    assert len(set(mined.sources.tolist())) == len(mined.sources), "each sentence once"
    assert len(set(mined.targets.tolist())) == len(mined.targets)
    assert (np.diff(mined.margins) <= 0).all()
    assert set(zip(mined.sources[:20].tolist(), mined.targets[:20].tolist(), strict=True)) == truth
    scores = best_mining_scores(mined, truth)
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 1.0, 1.0)
    assert scores.threshold == pytest.approx(float(mined.margins[19]))


def test_best_f1_by_hand() -> None:
    # right, wrong, right, wrong of 4 true pairs: F1 at each cut 2/5, 2/6, 4/7, 4/8
    mined = MinedPairs(np.arange(4), np.array([0, 0, 2, 0]), np.array([1.4, 1.3, 1.2, 1.1]))
    scores = best_mining_scores(mined, {(0, 0), (2, 2), (7, 7), (8, 8)})
    assert [scores.precision, scores.recall] == pytest.approx([2 / 3, 0.5])
    assert scores.f1 == pytest.approx(4 / 7)
    assert scores.threshold == 1.2


def test_equal_margins_come_together() -> None:
    mined = MinedPairs(np.arange(2), np.array([0, 0]), np.array([1.2, 1.2]))
    assert best_mining_scores(mined, {(0, 0)}).f1 == pytest.approx(2 / 3)
