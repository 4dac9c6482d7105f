from __future__ import annotations

import pytest

from nmt_distill.corpus.html_blocks import texts_of_blocks


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ('<h1 id="a">A &amp; B</h1><p id="b">one\n  two</p>', {"a": "A & B", "b": "one two"}),
        ('<p id="a">Choose <span class="menu">File – <b>Open</b></span>.</p>', {"a": "Choose File – Open."}),
        ('<p id="a">one<br>two <img src="x"></p>', {"a": "one two"}),
        ("<p>no identifier</p><div id='x'>no block</div>", {}),
        ('<p id="a"> </p>', {}),
        (
            '<p id="a">On <i hidden="true">a Mac</i><i hidden>others</i></p><p id="b">next</p>',
            {"b": "next"},
        ),
        ('<li id="a">first <p id="b">inner</p></li><p id="c">next</p>', {"c": "next"}),
        ('<p id="a">a <i>b</p><p id="c">next</p>', {"a": "a b", "c": "next"}),
        ('<p id="a">one\u00a0two</p>', {"a": "one\u00a0two"}),
        ('<p id="a">never closed', {}),
        ('<![<p id="a">no paragraph</p><p id="b">next</p>', {"b": "next"}),
        ('<p id="a">a<![endif]>b</p>', {"a": "ab"}),
    ],
)
def test_blocks_by_identifier(page: str, texts: dict[str, str]) -> None:
    assert texts_of_blocks(page) == texts
