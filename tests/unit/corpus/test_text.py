"""One line, paired lines, the key of the split, hashes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.corpus.text import hash_of, one_line, paired_lines, split_key


@settings(deadline=None)
@given(st.text())
def test_one_line_is_one_line_and_stays_so(text: str) -> None:
    line = one_line(text)
    assert not set(line) & set("\t\n\r\f\v")
    assert one_line(line) == line


def test_only_ascii_whitespace_and_nfc_change() -> None:
    assert one_line(" a\t\r\n b\u2028c\u0085d\u00a0 ") == "a b\u2028c\u0085d\u00a0"
    assert one_line("e\u0301") == "\u00e9"


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        ("a\n\nb", "x\ny", [("a", "x"), ("b", "y")]),
        ("a\nb", "x", [("a b", "x")]),
        ("a", "x\ny", [("a", "x y")]),
        ("a\nb", None, [("a", None), ("b", None)]),
        ("", None, [("", None)]),
        ("\n", "x", [("", "x")]),
    ],
)
def test_line_breaks_split_where_both_sides_agree(
    source: str, target: str | None, pairs: list[tuple[str, str | None]]
) -> None:
    assert paired_lines(source, target) == pairs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Button_1", "button 23."),
        ("Set {name} to %s", "Set {value}  to {x}!"),
        ("Open <b>it</b>", "open <i>it</i>"),
        ("“Stop”", "STOP"),
        ("ﬁne Ⅷ", "fine viii"),
        ("See https://a.b/c now", "see http://d.e now"),
    ],
)
def test_what_shares_a_key(one: str, other: str) -> None:
    assert split_key(one) == split_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("Turn on", "Turn off"), ("100 % sure", "100 sure"), ("a b", "ab"), ("Größe", "Grösze")]
)
def test_what_does_not(one: str, other: str) -> None:
    assert split_key(one) != split_key(other)


def test_a_key_without_words_is_empty() -> None:
    assert split_key(" ... ") == split_key("{name}") == split_key("") == ""


def test_hashes_depend_on_text_and_seed_alone() -> None:
    assert hash_of("a") == hash_of("a") != hash_of("a", 1)
    assert hash_of("a") != hash_of("b")
    hash_of("\ud800", -5)
    code = "from nmt_distill.corpus.text import hash_of; print(hash_of('é', 3))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == hash_of("é", 3)
