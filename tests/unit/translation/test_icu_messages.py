from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.translation.icu_messages import message_parts

SIGNS = [
    "{n, plural, ",
    "one {",
    "other {",
    "=0 {",
    "}",
    "{",
    "'",
    "#",
    "{x}",
    " ",
    "word",
    "{g, select,",
    "male {",
    "\n",
]


@given(st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=3)), max_size=20).map("".join))
def test_parts_joined_are_the_message(text: str) -> None:
    assert "".join(part for part, _ in message_parts(text)) == text


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        ("Hello {name}", ["Hello {name}"]),
        ("{n, plural, one {# file} other {# files}}", ["# file", "# files"]),
        ("You have {n, plural, =0 {none} other {{n} of them}}.", ["You have ", "none", "{n} of them", "."]),
        (
            "{g, select, male {his {n, plural, one {car} other {cars}}} other {theirs}}",
            ["his ", "car", "cars", "theirs"],
        ),
        ("{n,plural,offset:1 one{a}other{b}}", ["a", "b"]),
        ("{n, selectordinal, two {#nd} other {#th}}", ["#nd", "#th"]),
        ("{n, plural, other {it's '{'quoted'}'}}", ["it's '{'quoted'}'"]),
        ("{n, plural, one {broken", ["{n, plural, one {broken"]),
        ("{n, plural, one {a} other {b}", ["{n, plural, one {a} other {b}"]),
        ("a } b {n, plural, other {c}}", ["a } b {n, plural, other {c}}"]),
        ("{n, plural, other " + "{a, plural, other " * 30, ["{n, plural, other " + "{a, plural, other " * 30]),
    ],
)
def test_texts_of_a_message(message: str, texts: list[str]) -> None:
    assert [part for part, is_text in message_parts(message) if is_text and part] == texts


def test_a_long_line_of_braces_takes_little_time() -> None:
    for sign in ("{", "}", "{n, plural, one {", "'{", "{n, plural, one {a}"):
        assert "".join(part for part, _ in message_parts(sign * 20_000)) == sign * 20_000
