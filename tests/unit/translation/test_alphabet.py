from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.alphabet import Alphabet

LATIN = Alphabet(lambda text: all(character < "\u0180" and character not in "\u00ab\u00bb" for character in text))


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("plain text, caf\u00e9", []),
        ("5 \u20ac or 3 \u00d7 4 \u2192 12", ["\u20ac", "\u2192"]),
        ("by Dvo\u0159\u00e1k and \u4e2d\u6587\u3002", ["\u4e2d\u6587\u3002"]),
        ("by \u0410\u043d\u043da-x", ["\u0410\u043d\u043da"]),
        ("\U0001f468\u200d\U0001f469 \U0001f44d\U0001f3fd!", ["\U0001f468\u200d\U0001f469", "\U0001f44d\U0001f3fd"]),
        ("\u201cquoted\u201d \u2014 it\u2019s soft\u00adly zero\u200bwidth", []),
    ],
)
def test_what_cannot_be_read_is_found_whole(text: str, foreign: list[str]) -> None:
    spans = LATIN.foreign(text)
    assert [span.text for span in spans] == foreign
    assert [text[span.start : span.end] for span in spans] == foreign


def test_an_accent_of_its_own_is_read_with_its_letter() -> None:
    composing = Alphabet(lambda text: text == "cafe\u0301" or text in "aefcis")
    assert composing.foreign("cafe\u0301 is") == []
    assert [span.text for span in composing.foreign("caffe\u0301")] == ["caffe\u0301"]


def test_quotes_and_dashes_are_read_as_those_of_a_keyboard() -> None:
    assert LATIN.readable("\u201ca\u201d \u2014 \u00abb\u00bb it\u2019s \u20ac") == '"a" - "b" it\'s \u20ac'
    assert Alphabet(lambda text: True).readable("\u201ca\u201d") == "\u201ca\u201d"


def test_signs_of_a_keyboard_may_be_unknown() -> None:
    assert [span.text for span in Alphabet(lambda text: "~" not in text).foreign("a ~ b")] == ["~"]


@given(st.text())
def test_a_readable_text_has_as_many_characters(text: str) -> None:
    assert len(LATIN.readable(text)) == len(text)
