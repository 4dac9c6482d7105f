from __future__ import annotations

import pytest

from nmt_distill.capitals import is_shouted, lowered, raised


@pytest.mark.parametrize(
    ("text", "shouted"),
    [("STOP IT", True), ("SETTINGS", True), ("USB", False), ("Stop", False), ("42", False), ("\u4e2d\u6587", False)],
)
def test_capitals_are_more_than_an_abbreviation(text: str, shouted: bool) -> None:
    assert is_shouted(text) == shouted


def test_small_letters_leave_the_first_and_the_stand_ins() -> None:
    assert lowered("DELETE X1 FILES", "X") == "Delete X1 files"
    assert lowered("X1 FILES", "X") == "X1 files"


def test_turkish_has_a_dotted_capital() -> None:
    assert raised("bitir", "tr-TR") == "B\u0130T\u0130R"
    assert raised("gr\u00f6\u00dfe", "de") == "GR\u00d6SSE"
