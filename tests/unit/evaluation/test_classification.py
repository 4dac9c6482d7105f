from __future__ import annotations

import pytest

from nmt_distill.evaluation.classification import accuracy, macro_f1

TRUTH = ["de", "de", "de", "en", "en", "fr"]
ANSWERS = ["de", "en", "unknown", "en", "en", "de"]


def test_macro_f1_by_hand() -> None:
    # de: 1 right, 2 answered, 3 given: 2/5; en: 2 right, 3 answered, 2 given: 4/5; fr: 0
    assert macro_f1(ANSWERS, TRUTH) == pytest.approx((2 / 5 + 4 / 5 + 0) / 3)
    assert accuracy(ANSWERS, TRUTH) == pytest.approx(3 / 6)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    expected = metrics.f1_score(TRUTH, ANSWERS, average="macro", labels=sorted(set(TRUTH)))
    assert macro_f1(ANSWERS, TRUTH) == pytest.approx(expected)
