"""MDX: JSX, expressions and modules come through as they are; what stands between them is translated."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.documents.document import Document
from nmt_distill.documents.markdown_text import read_markdown_text
from tests.rendered import unchanged

CODE = [
    "import A from 'a'\nexport const b = {\n\n  c: '}'}",
    "{/* no\n   text { */}",
    "<Tabs\n  values={[\n    {label: 'no > ', value: `}`},\n\n  ]}>",
    "</Tabs>",
    "<><Icon /> {x}</>",
    "<!-- no -->",
    "<Foo render={() => <p>it's {no}</p>} />",
    "```jsx\n<Foo>\n{\n```",
]
INLINE = ["<a href={x > 1} title='a > b'>", "</a>", "{x ?? `}`}", "<Icon name={'x'}/>", "{a.b({c:\n1})}", "<br/>"]
SIGNS = ["{", "}", "<", ">", "</", "<a", "'", '"', "`", "/*", "\n", "\n\n", "import ", "export ", "word", "\\", "\r\n"]


def read(text: str) -> Document:
    return read_markdown_text(text.encode(), Path("page.MDX"))


@pytest.mark.parametrize("code", CODE)
def test_code_between_paragraphs_is_no_text(code: str) -> None:
    assert list(read(f"one\n\n{code}\n\n    two\n").segments) == ["one", "two"]


@pytest.mark.parametrize("code", CODE[2:7])
def test_a_line_of_tags_ends_a_paragraph(code: str) -> None:
    assert list(read(f"> one\n> {code}\n> two\n").segments) == ["one", "two"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("code", INLINE)
def test_code_within_a_text_comes_through(code: str, line_end: str) -> None:
    text = f"---\na: b\n---\n# One {code} two | {code}\n".replace("\n", line_end)
    document = read(text)
    (segment,) = document.segments
    assert document.render([segment.replace("One", "Um").replace("two", "dois")]) == (
        text.replace("One", "Um").replace("two", "dois").encode()
    )
    assert not set("'\"`\r\n") & set(segment), "translators see nothing of the code"


def test_cells_hold_code() -> None:
    document = read("| a | b |\n|---|---|\n| {x | y} one | <A b={'|'}>two</A> |\n")
    assert document.render([segment.upper() for segment in document.segments[:3]] + [document.segments[3]]) == (
        b"| A | B |\n|---|---|\n| {x | y} ONE | <A b={'|'}>two</A> |\n"
    )


def test_blocks_far_to_the_right_are_blocks() -> None:
    table = "    | f | g |\n    |---|---|\n    | h | i |\n"
    text = f"<Tab>\n    a\n    - b\n    - c\n        - d\n    # e\n{table}</Tab>\n\n- j\n      > k\n"
    assert list(read(text).segments) == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
    assert list(read_markdown_text(b"a\n    - b\n", Path("page.md")).segments) == ["a - b"]


@pytest.mark.parametrize(
    "text", ["a { b", "a <b c", "`{` and `<A>`", "a \\{ \\<", "<https://a.b> <a@b.c>", "do\nimport a"]
)
def test_what_is_no_code_is_text(text: str) -> None:
    assert list(read(text).segments) == [text.replace("\n", " ")]


@given(st.lists(st.sampled_from([*SIGNS, *CODE, *INLINE])).map("".join))
def test_untouched_mdx_is_the_same_bytes(text: str) -> None:
    assert unchanged(read(text)) == text.encode()


@pytest.mark.parametrize("sign", [*SIGNS, "<a {", "{'", "{`", "<a '", "\n\nimport {", "{/*", "`a", "<!--", "```\n"])
def test_a_long_text_of_signs_takes_little_time(sign: str) -> None:
    began = time.process_time()
    read(sign * (5_000 // len(sign)))
    assert time.process_time() - began < 5
