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


@pytest.mark.parametrize(
    ("translation", "written"),
    [
        ("<https://a.b> is it", "<https://a.b> is it"),
        ("<kbd>K</kbd> and <b>more</b>", "<kbd>K</kbd> and <b>more</b>"),
        ("</b> <tablet> <pretty> <sourced>", "</b> <tablet> <pretty> <sourced>"),
        *((f"{tag} more", f"\\{tag} more") for tag in ("<div>", "</TABLE>", "<p/>", "<h1 a='b'>", "<pre>", "<style>")),
        *((f"{tag} more", f"\\{tag} more") for tag in ("<!-- a -->", "<?php ?>", "<!X>", "<![CDATA[a]]>")),
        ("1. one", "1\\. one"),
        ("12) one", "12\\) one"),
        ("- one", "\\- one"),
        ("# one", "\\# one"),
        (">one", "\\>one"),
        ("1.5 one", "1.5 one"),
        ("#\u00a0one", "#\u00a0one"),
        ("-one", "-one"),
    ],
)
def test_a_translation_begins_no_other_block(translation: str, written: str) -> None:
    assert translated("text\n", translation) == f"{written}\n"
    assert [token.type for token in MarkdownIt("commonmark").parse(written)] == [
        *("paragraph_open", "inline", "paragraph_close")
    ]


@pytest.mark.parametrize("sign", ["<div>", "-", "1.", "#", ">", "<!-- a -->", "</p>", "|", ":"])
def test_no_line_of_a_translation_begins_with_what_begins_a_block(sign: str) -> None:
    for length in range(10):
        translation = f"{'a ' * length}{sign} {'b ' * 7}c"
        written = translated("one\ntwo\n", f"x {translation}")
        assert written.replace("\n", " ").rstrip() == f"x {translation}"
        assert not written.split("\n")[1].startswith(sign)


def test_a_tag_does_not_stand_alone_in_front() -> None:
    written = translated("one\ntwo\n", "<b> abcdefgh </b> abc")
    assert MarkdownIt("commonmark").render(written).startswith("<p><b>")


@pytest.mark.parametrize(
    "solid",
    [
        "`some code here`",
        "``a `b` c``",
        '[x](http://a.b "some title here")',
        "[x][some label here]",
        "![some alt text](u)",
        "<a href='u' title='some title'>x</a>",
        "$a + b + c$",
    ],
)
def test_lines_are_not_broken_inside_what_stays(solid: str) -> None:
    for length in range(12):
        translation = f"{'a ' * length}{solid} and more words"
        lines = translated("one\ntwo\nthree\n", translation).rstrip().split("\n")
        assert " ".join(lines) == translation
        assert sum(solid in line for line in lines) == 1


def test_what_only_looks_like_a_heading_does_not_become_one() -> None:
    assert translated("###\u00a0Added\n", "### Novo") == "\\### Novo\n"


def test_definitions_stay_apart_from_their_terms() -> None:
    text = "Term\n:   what it is\n    and more\n: or this\n\n> One\n> : two\n\nOther\n\n: thing\n"
    assert read(text) == ["Term", "what it is and more", "or this", "One", "two", "Other", "thing"]
    expected = text.replace("Term", "X").replace("what it is\n    and more", "a\n    b").replace("thing", "1. y")
    assert translated(text, "X", "a b", "or this", "One", "two", "Other", "1. y") == expected.replace("1.", "1\\.")


@pytest.mark.parametrize("gap", ["", "\n", "> \n"])
def test_each_term_of_a_definition_is_a_text_of_its_own(gap: str) -> None:
    quote = "> " if ">" in gap else ""
    text = f"{quote}One\n{quote}Two\n{gap}{quote}: what both\n{quote}  are\n"
    assert read(text) == ["One", "Two", "what both are"]
    assert translated(text, "the first", "2", "what both are") == text.replace("One", "the first").replace("Two", "2")


def test_notes_keep_their_label() -> None:
    text = "Text[^1]\n\n[^1]: The note\n    goes on\n[^b]: more\n\n*[HTML]: a language\n"
    assert read(text) == ["Text[^1]", "The note goes on", "more", "a language"]
    assert translated(text, "Texto[^1]", "O a", "mais", "x") == text.replace("Text[", "Texto[").replace(
        "The note\n    goes on", "O\n    a"
    ).replace("more", "mais").replace("a language", "x")


def test_the_box_of_a_task_is_no_text() -> None:
    text = "- [ ] one\n- [x]  two\n  [ ] more\n"
    assert read(text) == ["one", "two [ ] more"]
    assert translated(text, "um", "dois mais") == "- [ ] um\n- [x]  dois\n  mais\n"
