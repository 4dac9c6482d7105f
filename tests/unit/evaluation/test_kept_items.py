"""What is found in a text that its translation must hold too."""

from __future__ import annotations

from collections import Counter

import pytest

from nmt_distill.evaluation.kept_items import kept_items, kept_spans, loses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {name}, {{count}} of %(total)s", ["{name}", "{{count}}", "%(total)s"]),
        ("%s is %1$s, %d%% of %.1f, ${HOME} or $HOME", ["%s", "%1$s", "%d", "%.1f", "${HOME}", "$HOME"]),
        ("<b>Run</b> `make test` now", ["<b>", "</b>", "`make test`"]),
        ("100% sure for $5, {a b} or 50 %discount", []),
    ],
)
def test_placeholders(text: str, expected: list[str]) -> None:
    assert kept_items(text).placeholders == Counter(expected)


def test_addresses_end_before_marks_and_hide_what_they_hold() -> None:
    items = kept_items("See https://a.org/v2?x={y}, www.b.org. Or ask me@c-d.co.uk!")
    assert items.urls == Counter(["https://a.org/v2?x=", "www.b.org", "me@c-d.co.uk"])
    assert kept_items("At http://a.org/10%s").numbers == Counter()


@pytest.mark.parametrize(
    ("one", "other"),
    [("1,000.5", "1.000,5"), ("12 000", "12.000"), ("1'000", "1,000"), ("٣٤", "34"), ("PM10 and L1", "L1, PM10")],
)
def test_numbers_are_equal_however_they_are_written(one: str, other: str) -> None:
    assert kept_items(one).numbers == kept_items(other).numbers != Counter()


def test_numbers_by_hand() -> None:
    assert kept_items("In 2024, 3 of 3 had {0} or <a2>").numbers == Counter({"2024": 1, "3": 2})


def test_loss_counts_how_often_something_stands_there() -> None:
    assert loses(Counter("aab"), Counter("ab"))
    assert not loses(Counter("ab"), Counter("aabc"))
    assert not loses(Counter(), Counter("a"))


def test_spans_do_not_overlap() -> None:
    text = "x https://a.org/{y} {z} <b>"
    assert [text[start:end] for start, end in kept_spans(text)] == ["https://a.org/", "{y}", "{z}", "<b>"]
