from __future__ import annotations

import pytest
import sentencex
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.protection import protected_spans
from nmt_distill.translation.sentences import sentences_around, sentences_of

SIGNS = [
    "One. ",
    "two! ",
    "<b>",
    "</b>",
    "{x}. ",
    "`a. B`",
    "https://a.b/c. ",
    "Dr. ",
    "\u3002",
    ". ",
    " ",
    "?\u201d ",
    "\x00",
]


@given(
    st.lists(st.one_of(st.sampled_from(SIGNS), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))).map(
        "".join
    )
)
def test_sentences_joined_are_the_text_and_cut_no_span(text: str) -> None:
    assert "".join(sentences_of(text)) == text
    spans = protected_spans(text)
    sentences = sentences_around(text, spans, "en")
    assert "".join(sentences) == text
    cuts = {len("".join(sentences[:number])) for number in range(len(sentences))}
    assert not any(span.start < cut < span.end for span in spans for cut in cuts)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Go. <b>Stop.</b> Turn.", ["Go. ", "<b>Stop.</b> ", "Turn."]),
        ("See {a}. Go to https://x.y/z. Bye.", ["See {a}. ", "Go to https://x.y/z. ", "Bye."]),
        ("Ask Dr. Smith. Now.", ["Ask Dr. Smith. ", "Now."]),
        ("Use approx. five.", ["Use approx. five."]),
        ("", []),
    ],
)
def test_sentences_with_what_is_protected(text: str, sentences: list[str]) -> None:
    assert sentences_around(text, protected_spans(text), "en") == sentences


def test_the_language_knows_its_abbreviations() -> None:
    assert sentences_of("Er ging usw. Danach kam sie.", "de-AT") != sentences_of("Er ging usw. Danach kam sie.", "en")


@given(
    st.text("abcXYZ09ãßÉ ,'\"/&%+=–-", min_size=1, max_size=40),
    st.sampled_from(["", ".", "!", "?"]),
    st.sampled_from(["en", "de", "es", "fr", "pt", "pl", "tr"]),
)
def test_what_is_not_given_to_the_splitter_is_one_sentence_to_it(text: str, end: str, language: str) -> None:
    assert sentences_of(text + end, language) == [text + end]
    assert len(sentencex.segment(language, text + end)) == 1
