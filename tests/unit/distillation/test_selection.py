from __future__ import annotations

import numpy as np
import pytest

from nmt_distill.distillation.selection import choose_hypothesis
from nmt_distill.teacher.base import Hypothesis


def hypothesis(text: str, score: float) -> Hypothesis:
    return Hypothesis(text=text, score=score, token_ids=np.zeros(0, dtype=np.int64))


CANDIDATES = [hypothesis("aab", -0.2), hypothesis("abb", -0.1), hypothesis("abc", -0.3), hypothesis("bca", -0.1)]


def shared(one: str, other: str) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("reference", [None, "abc"])
def test_best_score_where_nothing_can_be_compared(reference: str | None) -> None:
    similarity = shared if reference is None else None
    assert choose_hypothesis(CANDIDATES, reference, similarity=similarity).text == "abb"


@pytest.mark.parametrize(("reference", "chosen"), [("abc", "abc"), ("aaa", "aab"), ("xxa", "bca"), ("xxx", "aab")])
def test_most_like_the_reference_and_of_equals_the_first(reference: str, chosen: str) -> None:
    assert choose_hypothesis(CANDIDATES, reference, similarity=shared).text == chosen
