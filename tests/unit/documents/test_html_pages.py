"""Pages as browsers read them: what holds no markup, and where an element ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.documents.html_page import read_html_page
from tests.rendered import shouted

HERE = Path("page")


@pytest.mark.parametrize("name", ["textarea", "xmp", "iframe", "noembed", "noframes", "script", "style"])
@pytest.mark.parametrize("inside", ["<p>no tag</p>", "a &amp; b", "<script>", "<!--", "</b>", "<p title='no'>"])
def test_what_holds_no_markup_ends_where_its_name_does(name: str, inside: str) -> None:
    page = f"<p>one <{name}>{inside}</{name}> two<p>three"
    written = shouted(read_html_page(page.encode(), HERE))
    assert written == page.replace("one", "ONE").replace("two", "TWO").replace(">three", ">THREE")


def test_a_title_is_text_whatever_stands_in_it() -> None:
    document = read_html_page(b"<title>a <b> &amp; <!-- c</title><p>d", HERE)
    assert list(document.segments) == ["a <b> & <!-- c", "d"]
    assert document.render(["<b> x", "D"]) == b"<title>&lt;b&gt; x</title><p>D"


def test_nothing_ends_plain_text() -> None:
    assert read_html_page(b"<p>a</p><plaintext><p>b</p>", HERE).segments == ["a"]


@pytest.mark.parametrize(
    "page",
    [
        "<ul><li{no}>no<li>yes</ul><p>yes",
        "<ul><li>yes<li{no}>no<ul><li>no</ul> no</ul><p>yes",
        "<ul><li{no}><p>no <b>no</b><p>no<li>yes</ul>yes",
        "<p{no}>no <i>no</i> no<p>yes<p{no}>no<h1>yes</h1>",
        "<div><p{no}>no</div>yes",
        "<table><tr{no}><td>no<td>no<tr><td>yes<td{no}>no<th>yes</table>yes",
        "<dl><dt{no}>no<dd>yes</dl><select><option{no}>no<option>yes</select>",
        "<div{no}><p>no<p>no <div>no</div> no</div>yes",
        "<p{no}>no <b>no</p>yes",
    ],
)
def test_what_stays_ends_where_browsers_end_it(page: str) -> None:
    page = page.format(no=" translate=no")
    assert shouted(read_html_page(page.encode(), HERE)) == page.replace("yes", "YES")
