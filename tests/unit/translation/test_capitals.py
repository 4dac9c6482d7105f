from __future__ import annotations

import pytest

from nmt_distill.translation.capitals import as_sentence, is_shouted, is_titled, lowered, raised


@pytest.mark.parametrize(
    ("text", "shouted"),
    [("STOP IT", True), ("SETTINGS", True), ("USB", False), ("Stop", False), ("42", False), ("\u4e2d\u6587", False)],
)
def test_capitals_are_more_than_an_abbreviation(text: str, shouted: bool) -> None:
    assert is_shouted(text) == shouted


def test_small_letters_leave_the_first_and_the_stand_ins() -> None:
    assert lowered("DELETE X1 FILES", "X") == "Delete X1 files"
    assert lowered("X1 FILES", "X") == "X1 files"


def test_small_letters_are_as_many() -> None:
    assert lowered("\u0130ZM\u0130R OPEN", "X") == "\u0130zm\u0130r open"
    assert as_sentence("Open \u0130zmir In May", lambda word: False) == "Open \u0130zmir in may"


def test_turkish_has_a_dotted_capital() -> None:
    assert raised("bitir", "tr-TR") == "B\u0130T\u0130R"
    assert raised("gr\u00f6\u00dfe", "de") == "GR\u00d6SSE"


@pytest.mark.parametrize(
    ("text", "titled"),
    [
        ("Turn Off The Lights", True),
        ("Turn Off the Lights", True),
        ("Don't Show This Again", True),
        ("12 Files Are Missing", True),
        ("Home Assistant Cloud", False),
        ("Connect to Home Assistant", False),
        ("The Settings", False),  # the first word of a sentence has a capital anyway
        ("Ask IT OR Sales", False),
        ("Vitamin A Deficiency", False),
        ("Send It to someone", False),
        ("An X1 File In Use", True),
        ("", False),
    ],
)
def test_titles_are_told_from_names(text: str, titled: bool) -> None:
    assert is_titled(text, "en") == titled
    assert is_titled(text, "eng_Latn") == titled
    assert not is_titled(text, "de")  # whose nouns have capitals


def test_a_title_becomes_a_sentence() -> None:
    text = "\u201cSign In With Google, Or I'll Use My iPhone And A USB Key Of {X1}\u201d \u2014 It's Monday's"
    names = {"Google", "Or"}
    sentence = "\u201cSign in with Google, or I'll use my iPhone and a USB key of {X1}\u201d \u2014 it's monday's"
    assert as_sentence(text, names.__contains__) == sentence
    assert as_sentence("", names.__contains__) == ""
