from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.masking import Masked, mask, restore
from nmt_distill.translation.protection import kept, protected_spans
from tests.marked_up import MARKED_UP


def with_elements(masked: Masked) -> str:
    """Put each element where it was."""
    marks = [(element.start, 1, number, element.opening) for number, element in enumerate(masked.elements)]
    marks += [(element.end, 0, -number, element.closing) for number, element in enumerate(masked.elements)]
    text = masked.text
    for place, _, _, mark in sorted(marks, reverse=True):
        text = text[:place] + mark + text[place:]
    return text


@given(MARKED_UP, st.booleans())
def test_what_was_taken_out_comes_back(text: str, markdown: bool) -> None:
    masked = mask(text, protected_spans(text, markdown=markdown))
    restored = restore(masked, with_elements(masked))
    assert restored is not None
    assert masked.before + restored + masked.after == text


@pytest.mark.parametrize(
    ("text", "seen", "elements"),
    [
        ("Use **all _these_** at [the site](http://x.y)", "Use all these at the site", ["**", "_", "["]),
        ('![A cat on the roof](c.png "Cat")', "A cat on the roof", ["!["]),
        ("[![a badge](b.svg)](u)", "X1", []),
        ("![a cat](c.png) and [^1] \\* 2 * 3", "X1 and X2 X3 2 X4 3", []),
        ("so $x^2 + y$ is, for $5 and $6", "so X1 is, for $5 and $6", []),
        ("snake_case and __bold__", "snake_case and bold", ["__"]),
        ("**open only", "X1 open only", []),
    ],
)
def test_markdown_as_the_model_sees_it(text: str, seen: str, elements: list[str]) -> None:
    masked = mask(text, protected_spans(text, markdown=True))
    assert (masked.text, [element.opening for element in masked.elements]) == (seen, elements)


def test_a_text_as_the_model_sees_it() -> None:
    text = "<p>Open <b>the {kind} file</b> in <i>{0}{1}</i> now</b>.<br/>"
    masked = mask(text, protected_spans(text))
    assert masked.text == "Open the X1 file in X2 now X3."
    assert masked.stand_ins == ("{kind}", "<i>{0}{1}</i>", "</b>")
    assert (masked.before, masked.after) == ("<p>", "<br/>")
    ((start, end),) = [(element.start, element.end) for element in masked.elements]
    assert masked.text[start:end] == "the X1 file"


def test_digits_behind_a_stand_in_belong_to_it() -> None:
    text = "{count}0 of {total}2 files"
    masked = mask(text, protected_spans(text))
    assert (masked.text, masked.stand_ins) == ("X1 of X2 files", ("{count}0", "{total}2"))
    assert restore(masked, "X2 ficheiros, X1") == "{total}2 ficheiros, {count}0"


def test_a_stand_in_is_a_word_of_its_own() -> None:
    text = "dog&nbsp;house, {n}MB, file{s}, \u4e2d{x}"
    masked = mask(text, protected_spans(text))
    assert masked.text == "dog X1 house, X2 MB, file X3, \u4e2dX4"
    assert restore(masked, "casa X1 c\u00e3o, X2 MB de X3, X4") == "casa&nbsp;c\u00e3o, {n}MB de{s}, {x}"


@pytest.mark.parametrize(
    "text", ["has {% if n %}files of mine{% endif %}", "has {{#n}}files of mine{{/n}}", "has <1>files of mine</1>"]
)
def test_blocks_of_templates_are_paired(text: str) -> None:
    masked = mask(text, protected_spans(text))
    assert (masked.text, len(masked.elements)) == ("has files of mine", 1)


def test_escaped_tags_are_paired() -> None:
    text = "press &lt;b&gt;OK or so&lt;/b&gt; now"
    masked = mask(text, protected_spans(text))
    assert (masked.text, [element.closing for element in masked.elements]) == ("press OK or so now", ["&lt;/b&gt;"])


def test_stand_ins_are_no_text_of_the_line() -> None:
    masked = mask("X1 and z 2: {a}", protected_spans("X1 and z 2: {a}"))
    assert masked.text == "X1 and z 2: Q1"


@pytest.mark.parametrize("answer", ["none", "X1", "X1 X2 X2", "X1 X2 X3", "X12"])
def test_a_stand_in_that_is_lost_or_doubled_is_noticed(answer: str) -> None:
    masked = mask("{a} to {b}", protected_spans("{a} to {b}"))
    assert restore(masked, answer) is None


@pytest.mark.parametrize("answer", ["X2 de X1", "x2 de X 1"])
def test_stand_ins_may_change_places_and_case(answer: str) -> None:
    masked = mask("{a} to {b}", protected_spans("{a} to {b}"))
    assert restore(masked, answer) == "{b} de {a}"


def test_what_is_invented_is_noticed() -> None:
    assert kept("{a} b", "b {a}")
    assert not kept("{a} b", "b {a} {a}")
    assert not kept("a", "a %s")
    assert not kept("{a}", "{A}")


def test_only_letters_outside_are_something_to_translate() -> None:
    assert not mask("{a}: <b>{b}</b>", protected_spans("{a}: <b>{b}</b>")).has_letters
    assert mask("{a}: c", protected_spans("{a}: c")).has_letters
