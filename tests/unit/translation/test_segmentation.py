from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.segmentation import parts_of, split_to_fit


def count_characters(texts: Sequence[str]) -> list[int]:
    """Every character that is no space is a token."""
    return [sum(not character.isspace() for character in text) for text in texts]


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@given(st.text())
def test_parts_joined_are_the_line(line: str) -> None:
    assert "".join(part for part, _ in parts_of(line)) == line


@given(st.text())
def test_what_is_copied_holds_no_letter(line: str) -> None:
    for part, translated in parts_of(line):
        assert any(map(str.isalpha, part)) == translated


@pytest.mark.parametrize(
    ("line", "segments"),
    [
        ("Turn on the light", ["Turn on the light"]),
        ("  Turn on \r", ["Turn on"]),
        ("Name\tValue", ["Name", "Value"]),
        ("one\u2028two\x85three", ["one", "two", "three"]),
        ("\ufeffHello \U0001f600\ufe0f", ["Hello"]),
        ("\x00\x00Hello\x00", ["Hello"]),
        ("(Hello!)", ["(Hello!)"]),
        ("Brand\u2122", ["Brand"]),
        ("a \U0001f600 b", ["a \U0001f600 b"]),
        ("", []),
        (" \t ", []),
        ("12:30 - 42 %", []),
        ("\U0001f600\U0001f468\u200d\U0001f469", []),
        ("\x00", []),
        ("\u4e2d\u6587", ["\u4e2d\u6587"]),
    ],
)
def test_segments_are_what_holds_letters_without_its_margin(line: str, segments: list[str]) -> None:
    assert [part for part, translated in parts_of(line) if translated] == segments


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_pieces_joined_are_the_text_and_each_fits(text: str, limit: int) -> None:
    pieces = split_to_fit(text, limit=limit, lengths=count_characters)
    assert "".join(pieces) == text
    assert all(length <= limit for length in count_characters(pieces))


@given(st.lists(st.text("ab", min_size=1, max_size=5)), st.integers(min_value=1, max_value=9))
def test_no_word_is_cut_while_words_fit(words: list[str], limit: int) -> None:
    pieces = split_to_fit(" ".join(words), limit=limit, lengths=count_words)
    assert " ".join("".join(pieces).split()) == " ".join(words)
    assert [word for piece in pieces for word in piece.split()] == words


def test_what_fits_stays_whole() -> None:
    assert split_to_fit("One. Two. Three.", limit=3, lengths=count_words) == ["One. Two. Three."]


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("Go home. Stay there! Why?", 3, ["Go home. ", "Stay there! ", "Why?"]),
        ("Ask Dr. Smith now. He knows.", 4, ["Ask Dr. Smith now. ", "He knows."]),
        ("See J. Smith there. Go on now.", 4, ["See J. Smith there. ", "Go on now."]),
        ('He said "go." Then he left.', 4, ['He said "go." ', "Then he left."]),
        ("Use approx. five of them, then stop now", 5, ["Use approx. five of them, ", "then stop now"]),
        ("one two three, four five six", 3, ["one two three, ", "four five six"]),
        ("one two three four five", 2, ["one two ", "three four ", "five"]),
        ("one  two\u00a0three", 1, ["one  ", "two\u00a0", "three"]),
    ],
)
def test_cuts_are_made_at_the_best_place(text: str, limit: int, pieces: list[str]) -> None:
    assert split_to_fit(text, limit=limit, lengths=count_words) == pieces


def test_sentences_without_spaces_come_apart() -> None:
    pieces = ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01", "\u597d"]
    assert split_to_fit("".join(pieces), limit=3, lengths=count_characters) == pieces


def test_a_word_too_long_is_cut_evenly_but_not_before_an_accent() -> None:
    assert split_to_fit("abcdefgh", limit=6, lengths=count_characters) == ["abcd", "efgh"]
    assert split_to_fit("abce\u0301fgh", limit=7, lengths=count_characters) == ["abce\u0301", "fgh"]


def test_pieces_are_filled_evenly() -> None:
    pieces = split_to_fit("w " * 110, limit=100, lengths=count_words)
    assert count_words(pieces) == [55, 55]


def test_a_character_above_the_limit_stays_whole() -> None:
    assert split_to_fit("ab", limit=1, lengths=lambda texts: [3 * len(text) for text in texts]) == ["a", "b"]


def test_words_stay_whole_where_they_must() -> None:
    pieces = split_to_fit("abcdef gh", limit=3, lengths=count_characters, cut_words=False)
    assert pieces == ["abcdef ", "gh"]


def test_a_long_text_takes_little_time() -> None:
    for text in ("a" * 100_000, "word " * 20_000, "One. " * 20_000, "a" + "\u0301" * 50_000, "., " * 30_000):
        assert "".join(split_to_fit(text, limit=254, lengths=count_characters)) == text
