"""Attributes that people read are translated however they are quoted; the page names the language that it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.documents.html_page import read_html_page

HERE = Path("page")


@pytest.mark.parametrize(
    ("page", "segment", "written"),
    [
        ("<img alt=House>", "House", '<img alt="the &quot;new&quot; <>">'),
        ("<img src=a/ alt=House/>", "House", '<img src=a/ alt="the &quot;new&quot; <>"/>'),
        ("<img alt=R&amp;D src=x?alt=no>", "R&D", '<img alt="the &quot;new&quot; <>" src=x?alt=no>'),
        ("<select><option label=One value=no>", "One", '<select><option label="the &quot;new&quot; <>" value=no>'),
        ("<optgroup label='One'>", "One", "<optgroup label='the \"new\" <>'>"),
    ],
)
def test_attributes_need_no_quotes(page: str, segment: str, written: str) -> None:
    document = read_html_page(page.encode(), HERE)
    assert document.segments == [segment]
    assert document.render([segment]).decode() == page
    assert document.render(['the "new" <>']).decode().replace("&lt;", "<").replace("&gt;", ">") == written


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ('<html lang="en">', '<html lang="pt-BR">'),
        ("<HTML class=a LANG=en-US>", '<HTML class=a LANG="pt-BR">'),
        ("<html xml:lang='en' lang='en'>", "<html xml:lang='pt-BR' lang='pt-BR'>"),
        ("<html lang=pt>", "<html lang=pt>"),
        ('<html lang="">', '<html lang="">'),
        ("<html>", "<html>"),
    ],
)
def test_a_page_names_the_language_that_it_becomes(tag: str, written: str) -> None:
    document = read_html_page(f"{tag}<p lang=en>a</p>".encode(), HERE, "pt-BR")
    assert document.render([segment.upper() for segment in document.segments]).decode() == f"{written}<p lang=en>A</p>"


def test_a_page_without_text_stays() -> None:
    assert read_html_page(b"<html lang=en>", HERE, "de").render([]) == b"<html lang=en>"
