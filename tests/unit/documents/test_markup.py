"""HTML, XLIFF and Markdown: only text changes."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nmt_distill.documents.document import Document, DocumentError
from nmt_distill.documents.html_page import read_html_page
from nmt_distill.documents.markdown_text import read_markdown_text
from nmt_distill.documents.plain_text import read_text
from nmt_distill.documents.xliff import read_xliff

HERE = Path("page")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def pieces_of(*pieces: str) -> st.SearchStrategy[str]:
    """Text made of signs of a format and of whatever else."""
    return st.lists(
        st.one_of(st.sampled_from(pieces), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
    ).map("".join)


def shouted(document: Document) -> str:
    """The document with all its text in capitals, but for tags, entities, code and addresses."""
    kept = re.compile(r"<[^<>]*>|&#?\w+;|`[^`]*`|\]\([^()]*\)|([^<&`\]]+|.)", re.DOTALL)
    return document.render([
        kept.sub(lambda match: match[1].upper() if match[1] else match[0], segment) for segment in document.segments
    ]).decode()


HTML = pieces_of(
    "<p>", "</p>", "<b>", "</b>", "<a href='x>y'>", "</a>", "<br/>", "<img alt='a cat'>", "<script>", "</script>",
    "<!--", "-->", "&amp;", "&lt;", "&#65;", "&", "<", ">", " ", "\n", "word", "<code>", "</code>", '<i title="b">',
    "<p translate=no>", "<![CDATA[", "<![", "<![if x]>", "<?x", "</", "<!", "<xmp>", "</xmp>", "<title>",
)  # fmt: skip


@given(HTML)
def test_untouched_html_is_the_same_bytes(text: str) -> None:
    assert read_html_page(text.encode(), HERE).render(read_html_page(text.encode(), HERE).segments) == text.encode()


@given(HTML)
def test_html_changes_in_its_slots_alone(text: str) -> None:
    document = read_html_page(text.encode(), HERE)
    again = read_html_page(document.render([f"{segment} more" for segment in document.segments]), HERE)
    assert len(again.segments) == len(document.segments)


def test_html_by_hand() -> None:
    page = """<!DOCTYPE html><html lang="en"><head><title>My page &amp; more</title>
<meta name="description" content="A 'nice' page"><meta name="viewport" content="width">
<script>if (a<b) {"x"}</script></head><body class="big">
<p>Click <b>here <i>now</i></b>, see <a href="x>y"
 title='the "link"'>this page</a> &lt;b&gt; R&amp;D <img src=x alt="a cat">.<br>
 Two   words <code>ls -l</code> done</p><pre>code</pre><ul><li>One<li>Two</ul>
<p translate="no">Brand</p> <span class="notranslate">Foo</span> bar <!-- c -->
<input type=submit value="Send it"><input type=text value="as typed"> 12 </body></html>"""
    document = read_html_page(page.encode(), HERE)
    expected = page
    for text in (
        "My page", "more", "A 'nice' page", "Click", "here", "now", ", see", 'the "link"', "this page", ">b<", "a cat",
        "done", ">One", ">Two", " bar ", "Send it",
    ):  # fmt: skip
        assert text in page or text == ">b<"
        expected = (
            expected.replace(text, text.upper(), 1) if text != ">b<" else expected.replace("&lt;b&gt;", "&lt;B&gt;")
        )
    expected = expected.replace("Two   words", "TWO WORDS")
    assert shouted(document) == expected


def test_text_that_reads_like_a_tag_stays_text() -> None:
    document = read_html_page(b"<p>a &lt;b&gt; c &amp;lt; d & e</p>", HERE)
    assert list(document.segments) == ["a &lt;b&gt; c &amp;lt; d & e"]
    assert document.render(["<x> & &lt;b&gt; &amp;lt;"]) == b"<p>&lt;x&gt; &amp; &lt;b&gt; &amp;lt;</p>"


def test_translated_markup_may_change_places() -> None:
    document = read_html_page(b'<p><b class="x">red</b> <i>car</i></p>', HERE)
    assert list(document.segments) == ["<g1>red</g1> <g3>car</g3>"]
    assert document.render(["<g3>carro</g3> <g1>vermelho</g1>"]) == b'<p><i>carro</i> <b class="x">vermelho</b></p>'


XLIFF = """<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en" original="a"><body>
  <trans-unit id="1">
    <source>H\u00e9llo <g id="1">big <x id="2"/> world</g> &amp; all</source>
  </trans-unit>
  <trans-unit id="2"><source>Save</source><target/></trans-unit>
  <trans-unit id="3"><source>Done</source><target>Feito</target></trans-unit>
  <trans-unit id="4" translate="no"><source>No</source></trans-unit>
  <group translate="no"><trans-unit id="5"><source>No</source></trans-unit></group>
  <trans-unit id="6"><source>Ph <ph id="1">&lt;br/></ph> x</source><target state="new"></target></trans-unit>
  <trans-unit id="7"><source>42</source></trans-unit>
</body></file></xliff>"""


def test_xliff_fills_what_lacks() -> None:
    expected = XLIFF.replace('original="a"', 'original="a" target-language="pt-BR"')
    expected = expected.replace(
        "all</source>",
        'all</source>\n    <target state="needs-review-translation">H\u00c9LLO <g id="1">BIG <x id="2"/> WORLD</g> '
        "&amp; ALL</target>",
    )
    expected = expected.replace("<target/>", '<target state="needs-review-translation">SAVE</target>')
    expected = expected.replace('"new"></target>', '"needs-review-translation">PH <ph id="1">&lt;br/></ph> X</target>')
    assert shouted(read_xliff(XLIFF.encode(), HERE, "pt-BR")) == expected
    finished = read_xliff(expected.encode(), HERE, "pt-BR")
    assert finished.render(finished.segments) == expected.encode()


def test_what_a_translation_memory_offers_is_no_target() -> None:
    text = "<xliff version='1.2'><file target-language='de'><trans-unit><source>Hi</source>{}<alt-trans><source>Ho"
    text += "</source><target>Na</target></alt-trans></trans-unit></file></xliff>"
    written = shouted(read_xliff(text.format("").encode(), HERE, "de"))
    assert written == text.format('<target state="needs-review-translation">HI</target>')


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("<![CDATA[a <b>b</b> & c]]>", "<![CDATA[A <b>B</b> & C]]>"),
        ("a <![CDATA[b & <]]> c", "A B &amp; &lt; C"),
    ],
)
def test_xliff_whose_text_is_no_markup_is_filled(source: str, target: str) -> None:
    text = f"<xliff version='1.2'><file target-language='de'><trans-unit><source>{source}</source></trans-unit></file>"
    written = shouted(read_xliff(f"{text}</xliff>".encode(), HERE, "de"))
    assert f'<target state="needs-review-translation">{target}</target>' in written
    ElementTree.fromstring(written)


def test_a_translation_cannot_end_its_section() -> None:
    text = b"<xliff version='1.2'><file><trans-unit><source><![CDATA[a]]></source></trans-unit></file></xliff>"
    root = ElementTree.fromstring(read_xliff(text, HERE, None).render(["x ]]> y"]))
    assert [target.text for target in root.iter("target")] == ["x ]]> y"]


def test_xliff_2_is_filled() -> None:
    text = (
        '<xliff version="2.0" srcLang="en"><file id="f"><unit id="1"><segment><source>Hi <pc id="1">you</pc></source>'
    )
    end = "</segment></unit></file></xliff>"
    expected = text.replace('"en"', '"en" trgLang="de"') + '<target>HI <pc id="1">YOU</pc></target>' + end
    assert shouted(read_xliff((text + end).encode(), HERE, "de")) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_xliff_keeps_its_encoding(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?><xliff version="1.2"><file target-language="de"><body>'
    text += "<trans-unit><source>caf\u00e9</source>{}</trans-unit></body></file></xliff>"
    written = read_xliff(text.format("").encode(encoding), HERE, "de").render(["Caf\u00e9"])
    assert written == text.format('<target state="needs-review-translation">Caf\u00e9</target>').encode(encoding)


def test_xliff_names_characters_that_its_encoding_lacks() -> None:
    text = '<?xml version="1.0" encoding="iso-8859-1"?><xliff version="1.2"><trans-unit><source>a</source></trans-unit>'
    written = read_xliff(f"{text}</xliff>".encode("latin-1"), HERE, None).render(["\u20ac"])
    assert [target.text for target in ElementTree.fromstring(written).iter("target")] == ["\u20ac"]


def test_xliff_keeps_space_where_its_source_says_so() -> None:
    text = b"<xliff version='1.2'><trans-unit><source xml:space='preserve'> a\n b</source></trans-unit></xliff>"
    assert read_xliff(text, HERE, None).segments == [" a\n b"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1), min_size=1))
def test_xml_reads_what_was_written_to_xliff(translations: list[str]) -> None:
    units = "".join("<trans-unit><source>word</source></trans-unit>" for _ in translations)
    document = read_xliff(f'<xliff version="1.2"><file>{units}</file></xliff>'.encode(), HERE, None)
    # what reads like a short tag of the segment, or an entity, is markup
    translations = [text.replace("&", "+").replace("<", "+") for text in translations]
    root = ElementTree.fromstring(document.render(translations))
    assert [target.text for target in root.iter("target")] == translations


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"<xliff version='1.2'>\n<a></xliff>",
            r"page, line 2: not valid XML \(mismatched tag\); the file is left as it is",
        ),
        (b"<html/>", r"page, line 1: not an XLIFF file \(its root is no `xliff`\)"),
        (b"<xliff version='1.2'>\n\xff</xliff>", r"page, line 2: not valid UTF-8"),
        (b"<?xml version='1.0' encoding='klingon'?><xliff/>", r"page, line 1: not valid klingon, which it says it is"),
        (b"", r"page, line 1: not valid XML \(no element found\)"),
    ],
)
def test_broken_xliff_is_told_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_xliff(content, HERE, None)


MARKDOWN = """\
---
title: Keep
---
# Hello *world* #

First line of text with `code` and
second line with [a link](http://x.org "t").

Last\\
one
> quoted text
> goes on here
- item one
  more of it
  1. deep

| Head one | Head two |
|----------|:--------:|
| cell a   | x \\| y |

```py
code = 1
```
    indented code

<div class="x">Some <b>html</b></div>

Setext
======
[ref]: http://example.org
"""


def test_markdown_by_hand() -> None:
    document = read_markdown_text(MARKDOWN.encode(), HERE)
    assert document.markdown
    expected = MARKDOWN
    for text in (
        *("Hello *world*", "Last", "one\n>", "quoted text", "goes on here", "item one", "more of it", "deep"),
        *("Head one", "Head two", "cell a", "x \\| y", "Some", "html<", "Setext"),
    ):
        assert text in MARKDOWN
        expected = expected.replace(text, text.upper(), 1)
    expected = expected.replace(
        'First line of text with `code` and\nsecond line with [a link](http://x.org "t").',
        'FIRST LINE OF TEXT WITH `code` AND SECOND\nLINE WITH [A LINK](http://x.org "t").',
    )
    assert shouted(document) == expected


def test_lines_of_other_dialects_stay() -> None:
    text = ":::note\nsome text\nof two lines\n:::\n\n> [!NOTE]\n> more\n\n[TOC]\n\nend\n{: .big }\n"
    document = read_markdown_text(text.encode(), HERE)
    assert list(document.segments) == ["some text of two lines", "more", "end"]
    assert document.render(document.segments) == text.encode()


LINES = pieces_of(
    ":::", "[!NOTE]",
    "# ", "- ", "> ", "1. ", "    ", "\n", "\n\n", "```\n", "word", " ", "`x`", "**b**", "[l](u)", "|", "|-|-|\n",
    "<b>", "</b>", "<div>\n", "\\", "  \n", "\r\n", "---\n", "===\n", "*", "_", "~~", "![i](u)", "&amp;", "\t",
)  # fmt: skip


@given(LINES)
def test_untouched_markdown_is_the_same_bytes(text: str) -> None:
    document = read_markdown_text(text.encode(), HERE)
    assert document.render(document.segments) == text.encode()


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(["# one two", "- one two", "> one two", "one two\nthree", "1. one", "```\ncode\n```"]),
        max_size=5,
    )
)
def test_translated_markdown_has_the_same_blocks(blocks: list[str]) -> None:
    text = "\n\n".join(blocks)
    document = read_markdown_text(text.encode(), HERE)
    hostile = ["# - 1. > " + segment + " - more # of it" for segment in document.segments]
    written = document.render(hostile).decode()
    parser = MarkdownIt("commonmark")
    assert [token.type for token in parser.parse(written)] == [token.type for token in parser.parse(text)]


@given(TEXT)
def test_untouched_text_is_the_same_bytes(text: str) -> None:
    document = read_text(text.encode(), HERE)
    assert document.render(document.segments) == text.encode()
    assert len(document.segments) == text.count("\n") + 1
