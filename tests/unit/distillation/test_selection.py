from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nmt_distill.distillation.selection import rank_hypotheses
from nmt_distill.teacher.base import Hypothesis


def hypothesis(text: str, score: float) -> Hypothesis:
    return Hypothesis(text=text, score=score, token_ids=np.zeros(0, dtype=np.int64))


CANDIDATES = [hypothesis("aab", -0.2), hypothesis("abb", -0.1), hypothesis("abc", -0.3), hypothesis("bca", -0.1)]


def shared(one: str, other: str) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True))


def ranked(reference: str | None, **options: Any) -> list[str]:
    return [CANDIDATES[place].text for place in rank_hypotheses(CANDIDATES, reference, **options)]


@pytest.mark.parametrize("reference", [None, "abc"])
def test_by_score_where_nothing_can_be_compared(reference: str | None) -> None:
    similarity = shared if reference is None else None
    assert ranked(reference, similarity=similarity) == ["abb", "bca", "aab", "abc"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("abc", ["abc", "aab", "abb", "bca"]),
        ("aaa", ["aab", "abb", "abc", "bca"]),
        ("xxa", ["bca", "aab", "abb", "abc"]),
    ],
)
def test_most_like_the_reference_first_and_of_equals_the_earlier(reference: str, expected: list[str]) -> None:
    likeness = {text: shared(text, reference) for text in expected}
    order = sorted((candidate.text for candidate in CANDIDATES), key=lambda text: -likeness[text])
    assert ranked(reference, similarity=shared) == order
    assert order[0] == expected[0]


@pytest.mark.parametrize("reference", [None, "xxx"])
def test_consensus_ranks_where_no_reference_does(reference: str | None) -> None:
    agreement = [sum(shared(one.text, other.text) for other in CANDIDATES) for one in CANDIDATES]
    found = rank_hypotheses(CANDIDATES, reference, consensus=lambda texts: np.array(agreement))
    assert found == sorted(range(4), key=lambda place: -agreement[place])
    if reference is not None:
        both = rank_hypotheses(CANDIDATES, reference, similarity=shared, consensus=lambda texts: np.array(agreement))
        assert both == [0, 1, 2, 3], "all equally unlike the reference"


def test_what_never_ended_comes_last() -> None:
    candidates = [replace(CANDIDATES[1], finished=False), CANDIDATES[2]]
    assert rank_hypotheses(candidates, None) == [1, 0]
    assert rank_hypotheses([], None) == []


def test_a_single_candidate_is_not_compared_with_anything() -> None:
    def never(_: str, __: str) -> float:
        raise AssertionError("compared")

    assert rank_hypotheses(CANDIDATES[:1], "reference", similarity=never) == [0]
