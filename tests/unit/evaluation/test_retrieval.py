from __future__ import annotations

import numpy as np
import pytest

from nmt_distill.evaluation.retrieval import distinct_pairs, mean_cosine_of_strangers, own_ranks, retrieval_scores

ENGLISH = ["a", "b", "c", "d"]
GERMAN = ["x", "y", "z", "w"]


def test_same_vectors_find_each_other() -> None:
    vectors = np.eye(4)
    scores = retrieval_scores(vectors, 3 * vectors, ENGLISH, GERMAN)
    assert (scores.forward, scores.backward, scores.forward_mrr, scores.forward_xsim) == (1, 1, 1, 0)
    assert scores.num_sentences == 4
    assert not scores.is_collapsed


def test_accuracy_and_rank_by_hand() -> None:
    x = np.array([[1.0, 0.0], [0.8, 0.6]])
    y = np.array([[0.6, 0.8], [1.0, 0.0]])
    # x1: cosines 0.6, 1 -> its own comes second; x2: 0.96, 0.8 -> second. y1: 0.6, 0.96 -> second; y2: 1, 0.8 -> second
    scores = retrieval_scores(x, y, ["a", "b"], ["c", "d"])
    assert (scores.forward, scores.forward_mrr) == (0, 0.5)
    assert (scores.backward, scores.backward_mrr) == (0, 0.5)


def test_ways_are_told_apart() -> None:
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([[1.0, 0.1], [1.0, 0.2]])
    # x1 is nearest to y1, x2 to y2; but both y are nearest to x1
    scores = retrieval_scores(x, y, ["a", "b"], ["c", "d"])
    assert (scores.forward, scores.backward) == (1.0, 0.5)


def test_ranks_are_those_of_a_sort() -> None:
    generator = np.random.default_rng()
    x, y = generator.standard_normal((700, 6)), generator.standard_normal((700, 6))
    expected = [int(np.flatnonzero(np.argsort(-(y @ row)) == place)[0]) + 1 for place, row in enumerate(x)]
    assert own_ranks(x, y).tolist() == expected


def test_vectors_that_are_all_the_same_find_nothing_and_are_noticed() -> None:
    scores = retrieval_scores(np.ones((4, 3)), np.ones((4, 3)), ENGLISH, GERMAN)
    assert (scores.forward, scores.backward) == (0, 0)
    assert scores.mean_cosine == pytest.approx(1)
    assert scores.is_collapsed


def test_mean_cosine_is_that_of_all_that_are_no_translations() -> None:
    vectors = np.random.default_rng().standard_normal((10, 5))
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [rows[one] @ rows[other] for one in range(10) for other in range(10) if (one - other) % 5]
    assert mean_cosine_of_strangers(vectors[:5], vectors[5:]) == pytest.approx(float(np.mean(pairs)), abs=1e-6)
    assert mean_cosine_of_strangers(np.eye(3), np.eye(3)) == pytest.approx(0, abs=1e-12)
    assert mean_cosine_of_strangers(vectors[:1], vectors[5:6]) == 0
    vectors[3] = 0
    rows = np.delete(rows, 3, axis=0)
    numbers = [0, 1, 2, 4, 5, 6, 7, 8, 9]
    pairs = [rows[one] @ rows[other] for one in range(9) for other in range(9) if (numbers[one] - numbers[other]) % 5]
    assert mean_cosine_of_strangers(vectors[:5], vectors[5:]) == pytest.approx(float(np.mean(pairs)), abs=1e-6)


def test_duplicates_of_either_side_are_removed() -> None:
    assert distinct_pairs(["a", "a", "b", "c"], ["x", "y", "x", "z"]) == [0, 3]
    scores = retrieval_scores(np.eye(4)[[0, 0, 1, 2]], np.eye(4)[[0, 0, 1, 2]], ["a", "a", "b", "c"], list("xxyz"))
    assert (scores.num_sentences, scores.forward) == (3, 1)
