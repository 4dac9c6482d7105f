"""The forms of a plural that vue-i18n and Polyglot write in one string; and bars that separate none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.documents.formats import read_document
from nmt_distill.documents.plural_branches import branches
from tests.rendered import shouted, unchanged

SIGNS = ["|", " | ", "||||", "||", "(", ")", "{x}", "{", "`a|b`", "<b>", "word", " ", "\n"]


@given(st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=3)), max_size=15).map("".join))
def test_forms_and_their_frame_are_the_string(text: str) -> None:
    parts = branches(text)
    assert "".join(parts) == text
    assert {part.strip() for part in parts[1::2]} <= {"|", "||||"}
    assert len(parts) == 1 or all(map(str.strip, parts[::2]))


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("no apples | one apple | {count} apples", ["no apples", "one apple", "{count} apples"]),
        ("One post|{count} posts", ["One post", "{count} posts"]),
        ("%{smart_count} car |||| %{smart_count} cars", ["%{smart_count} car", "%{smart_count} cars"]),
        ("{n} (one) | {n} [more] |  @:many\n", ["{n} (one)", "{n} [more]", "@:many\n"]),
        ("<b>one</b> | {'|'} and `a | b`", ["<b>one</b>", "{'|'} and `a | b`"]),
        ("1) one | 2) two", ["1) one", "2) two"]),
        ("no apples|one apple|{n} apples", ["no apples", "one apple", "{n} apples"]),
        ("car|cars", ["car", "cars"]),
        ("%{n} car|||| %{n} of the cars", ["%{n} car", "%{n} of the cars"]),
    ],
)
def test_forms_of_a_plural(text: str, forms: list[str]) -> None:
    assert branches(text)[::2] == forms


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |",
        "a | b |",
        "| a",
        "a | | b",
        "name | size\n--- | ---",
        "Choose (yes|no) or [on | off]",
        "if a || b then",
        "one | two |||| three",
        "{{ value | round(1) }} of {% if x | int %}y{% endif %}",
        "Run `cat a | grep b`, ${a | b}",
        "the norm |x| of x",
        "the norm|x|of {x}",
        "Press Ctrl+| or Cmd",
        "A :| face and more",
        "one| two|{n}",
        "Use yes|no here",
        "Set true|false for {name} alone",
        "|",
        "",
    ],
)
def test_bars_that_separate_no_forms(text: str) -> None:
    assert branches(text) == [text]


@pytest.mark.parametrize("name", ["json", "yaml"])
def test_each_form_in_a_catalogue_is_a_segment(name: str, tmp_path: Path) -> None:
    content = '{"a": "one \\"day\\" |  {n} days", "b": "x", "c": ["|", "m|n"]}'
    (tmp_path / "file").write_text(content)
    document = read_document(tmp_path / "file", name)
    assert list(document.segments) == ['one "day"', "{n} days", "x", "|", "m", "n"]
    assert unchanged(document) == content.encode()
    assert shouted(document) == '{"a": "ONE \\"DAY\\" |  {N} DAYS", "b": "X", "c": ["|", "M|N"]}'


@pytest.mark.parametrize("name", ["arb", "text"])
def test_elsewhere_a_bar_is_text(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": "one | many"}')
    assert any("one | many" in segment for segment in read_document(tmp_path / "file", name).segments)
