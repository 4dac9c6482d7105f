"""Which words are marked as different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.evaluation.differences import marked_differences


def shown(text: str, other: str) -> str:
    """Return the text with brackets around what is marked."""
    return "".join(f"[{span.text}]" if span.is_marked else span.text for span in marked_differences(text, other))


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("Onde está o gato velho?", "Onde está o cão?", "Onde está o [gato velho]?"),
        ("Onde está o cão?", "Onde está o gato velho?", "Onde está o [cão]?"),
        ("Pare.", "Pare", "Pare[.]"),
        ("um dois três", "um três", "um [dois] três"),
        ("我喜欢猫", "我喜欢狗", "我喜欢[猫]"),
        ("same", "same", "same"),
        ("all new", "", "[all new]"),
        ("", "gone", ""),
    ],
)
def test_by_hand(text: str, other: str, expected: str) -> None:
    assert shown(text, other) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_spans_are_the_text(text: str, other: str) -> None:
    spans = marked_differences(text, other)
    assert "".join(span.text for span in spans) == text
    assert not any(span.is_marked for span in marked_differences(text, text))
