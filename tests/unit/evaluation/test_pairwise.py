from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from nmt_distill.evaluation.pairwise import expected_chrf, pairwise_chrf

TEXTS = [
    "Turn on the light.",
    "Turn the light on!",
    "turn on",
    "(Turn) on: the “light”, please",
    "",
    "a",
    "日本語の文です。",
    "Turn on the light.",
]


def brute_force(texts: list[str]) -> list[list[float]]:
    metric = CHRF(word_order=2)
    return [[metric.sentence_score(one, [other]).score for other in texts] for one in texts]


def test_every_pair_has_the_score_of_sacrebleu() -> None:
    np.testing.assert_allclose(pairwise_chrf(TEXTS), brute_force(TEXTS), atol=1e-9)


@given(st.lists(st.text("ab .,'(é", max_size=12), max_size=5))
def test_any_text_has_the_score_of_sacrebleu(texts: list[str]) -> None:
    expected = np.array(brute_force(texts)).reshape(len(texts), len(texts))
    np.testing.assert_allclose(pairwise_chrf(texts), expected, atol=1e-9)


def test_consensus_is_the_mean_over_all_candidates() -> None:
    np.testing.assert_allclose(expected_chrf(TEXTS), np.mean(brute_force(TEXTS), axis=1))
    assert expected_chrf([]).shape == (0,)


@pytest.mark.parametrize("texts", [["x"], ["x y", "x y"]])
def test_equal_texts_agree_fully(texts: list[str]) -> None:
    np.testing.assert_allclose(expected_chrf(texts), 100)
