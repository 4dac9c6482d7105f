from __future__ import annotations

import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.masking import Element
from nmt_distill.translation.placement import attention_on_source, place, token_offsets


def element(start: int, end: int, name: str) -> Element:
    return Element(start=start, end=end, opening=f"<{name}>", closing=f"</{name}>")


def tokens_of(text: str) -> list[str]:
    return [f"\u2581{word}" for word in text.split()]


def placed(elements: list[Element], source: str, translation: str, looks: list[int]) -> str | None:
    """Place markup where each target word looks at one source word alone."""
    attention = np.zeros((len(looks), len(source.split())))
    attention[range(len(looks)), looks] = 1
    tokens = {"source_tokens": tokens_of(source), "target_tokens": tokens_of(translation)}
    return place(elements, source, translation, **tokens, attention=attention.tolist())


@pytest.mark.parametrize(
    ("elements", "answer"),
    [
        ([element(4, 7, "b")], "o carro <b>vermelho</b>"),
        ([element(8, 11, "b")], "o <b>carro</b> vermelho"),
        ([element(4, 11, "b")], "o <b>carro vermelho</b>"),
        ([element(0, 11, "b")], "<b>o carro vermelho</b>"),
        ([element(0, 11, "a"), element(4, 7, "b")], "<a>o carro <b>vermelho</b></a>"),
        ([element(4, 11, "a"), element(4, 11, "b")], "o <a><b>carro vermelho</b></a>"),
        ([element(4, 7, "a"), element(8, 11, "b")], "o <b>carro</b> <a>vermelho</a>"),
    ],
)
def test_markup_goes_where_its_words_went(elements: list[Element], answer: str) -> None:
    assert placed(elements, "the red car", "o carro vermelho", [0, 2, 1]) == answer


def test_a_sign_beside_the_word_is_not_all_that_markup_holds() -> None:
    source, translation = "the tab", "die \u201eKarte\u201c"
    attention = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.3], [0.7, 0.3]]
    tokens = {"source_tokens": tokens_of(source), "target_tokens": ["\u2581die", "\u2581\u201e", "Karte", "\u201c"]}
    assert place([element(4, 7, "b")], source, translation, **tokens, attention=attention) == (
        "die \u201e<b>Karte</b>\u201c"
    )


def test_a_sign_that_joins_two_words_is_outside() -> None:
    attention = [[1.0, 0.0], [0.7, 0.3], [0.0, 1.0]]
    tokens = {"source_tokens": tokens_of("tab: page"), "target_tokens": ["\u2581Karten", "-", "Seite"]}
    answer = place([element(0, 4, "b")], "tab: page", "Karten-Seite", **tokens, attention=attention)
    assert answer == "<b>Karten</b>-Seite"
    attention = [[0.0, 1.0], [0.3, 0.7], [1.0, 0.0]]
    tokens = {"source_tokens": tokens_of("tab '90s'"), "target_tokens": ["\u2581neunziger", "-", "Karte"]}
    answer = place([element(4, 9, "b")], "tab '90s'", "neunziger-Karte", **tokens, attention=attention)
    assert answer == "<b>neunziger</b>-Karte"


def test_two_elements_share_no_word() -> None:
    both = [element(0, 1, "a"), element(2, 3, "b")]
    assert placed(both, "x y", "z w", [1, 0]) == "<b>z</b> <a>w</a>"
    assert placed(both, "x y", "z w", [0, 0]) is None  # the first took both
    assert placed(both, "x y", "z", [0]) is None


@given(st.data())
def test_whatever_the_model_looks_at_markup_is_well_nested(data: st.DataObject) -> None:
    source, translation = "aa bb cc dd", "ee ff gg hh ii"
    attention = data.draw(
        st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=5, max_size=5), label="attention"
    )
    elements = [element(0, 8, "a"), element(3, 5, "b"), element(6, 8, "c"), element(9, 11, "d")]
    tokens = {"source_tokens": tokens_of(source), "target_tokens": tokens_of(translation)}
    answer = place(elements, source, translation, **tokens, attention=attention)
    if answer is not None:
        root = ElementTree.fromstring(f"<r>{answer}</r>")
        assert "".join(root.itertext()) == translation
        assert sorted(re.findall(r"<(\w)>", answer)) == ["a", "b", "c", "d"]
        assert [[child.tag for child in node] for node in root.iter("a")] in ([["b", "c"]], [["c", "b"]])


def test_offsets_are_exact_or_those_of_words() -> None:
    assert token_offsets(["\u2581un", "do", "\u2581it"], "undo it") == [(0, 2), (2, 4), (5, 7)]
    assert token_offsets(["\u2581wait", "...", "\u2581now"], "wait\u2026 now") == [(0, 5), (0, 5), (6, 9)]
    assert token_offsets(["\u2581a", "\u2581b"], "a\u2026") is None
    assert token_offsets(["\u2581a"], "a\u2026 b") is None


def test_characters_of_scripts_without_spaces_are_words() -> None:
    attention = [[1.0, 0.0], [0.0, 1.0]]
    tokens = ["\u2581", "\u4e2d", "\u6587"]
    answer = place(
        [element(2, 3, "b")], "a b", "\u4e2d\u6587", source_tokens=["\u2581a", "\u2581b"], target_tokens=tokens,
        attention=[[0.0, 0.0], *attention],
    )  # fmt: skip
    assert answer == "\u4e2d<b>\u6587</b>"


@pytest.mark.parametrize(
    ("translation", "answer"),
    [
        ("फ़ाइल खोलें", "फ़ाइल <b>खोलें</b>"),
        ("ফাইলটি খুলুন।", "ফাইলটি <b>খুলুন</b>।"),
        ("கோப்பைத் திறக்கவும்.", "கோப்பைத் <b>திறக்கவும்</b>."),
        ("फ़ाइल क्\u200dष", "फ़ाइल <b>क्\u200dष</b>"),
        ("fichier re\u0301e", "fichier <b>re\u0301e</b>"),
    ],
)
def test_vowel_signs_and_accents_are_part_of_their_word(translation: str, answer: str) -> None:
    source, (file, verb) = "Open it", tokens_of(translation)
    attention = [[0.0, 1.0], [1.0, 0.0], *[[0.4, 0.6]] * (len(verb) - 2)]
    tokens = {"source_tokens": tokens_of(source), "target_tokens": [file, verb[:2], *verb[2:]]}
    assert place([element(0, 4, "b")], source, translation, **tokens, attention=attention) == answer


def test_a_word_that_ends_in_a_vowel_sign_takes_no_full_stop_with_it() -> None:
    tokens = {"source_tokens": tokens_of("फ़ाइल खोलो"), "target_tokens": ["\u2581Open", "\u2581it", "."]}
    attention = [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
    answer = place([element(6, 10, "b")], "फ़ाइल खोलो", "Open it.", **tokens, attention=attention)
    assert answer == "<b>Open it</b>."


def test_a_long_line_of_marks_takes_little_time() -> None:
    began = time.process_time()
    for text in ("\u093e" * 20_000, "a\u0301" * 10_000, "\u0e01\u0301" * 10_000, "a" * 20_000):
        place([], text, text, source_tokens=[text], target_tokens=[text], attention=[[1.0]])
    assert time.process_time() - began < 5


def test_tags_and_end_are_cut_off() -> None:
    assert attention_on_source([[9, 1, 2, 8]], 1).tolist() == [[1, 2]]
