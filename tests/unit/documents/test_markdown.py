"""Markdown: links, code and blocks are what they were, whatever the translation is."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from nmt_distill.documents.markdown_text import read_markdown_text

HERE = Path("page.md")
DEFINITIONS = "\n\n[guide]: http://a.b\n[`x`]: http://c.d\n[^1]: http://e.f\n"


def read(text: str) -> list[str]:
    return list(read_markdown_text(text.encode(), HERE).segments)


def translated(text: str, *translations: str) -> str:
    return read_markdown_text(text.encode(), HERE).render(translations).decode()


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("The [guide] and [Guide][].", "The [guide][guide] and [Guide][Guide]."),
        ("# The [guide]", "# The [guide][guide]"),
        ("![guide] and [![guide]](u)", "![guide][guide] and [![guide][guide]](u)"),
        ("see [the [guide]](u)", "see [the [guide][guide]](u)"),
        ("`x` is [`x`]", "`x` is [`x`][`x`]"),
        ("one\n[guide\n][] more", "one [guide ][guide ] more"),
        ("the [text][guide] `[guide]` \\[guide] [guide](u)", None),
        ("[other] and [other][] and [guide][other]", None),
        ("a note[^1] <a title='[guide]'>b</a>", None),
    ],
)
def test_links_get_the_label_that_they_mean(text: str, segment: str | None) -> None:
    segments = read(text + DEFINITIONS)
    assert segments == [(text if segment is None else segment).removeprefix("# ")]


def test_translated_links_keep_their_definition() -> None:
    text = "The [guide] and [guide][]." + DEFINITIONS
    written = translated(text, "O [guia][guide] e [guide][guide].")
    assert written == "O [guia][guide] e [guide]." + DEFINITIONS
    assert MarkdownIt("commonmark").render(written).count('href="http://a.b"') == 2


def test_what_stands_behind_a_link_does_not_change_it() -> None:
    written = translated("The [guide]." + DEFINITIONS, "[guide][guide]: one [guide][guide](two)")
    assert written == "[guide][guide]: one [guide][guide](two)" + DEFINITIONS
