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


@pytest.mark.parametrize(("language", "root"), [(None, "en-GB"), ("de", "de")])
def test_what_says_that_it_is_in_another_language_stays(language: str | None, root: str) -> None:
    page = (
        '<html lang="{}"><nav><a lang="de" href="/de">Deutsch</a> <a lang=en-US>english</a></nav>'
        '<p xml:lang="la">Carpe diem</p><p lang="eng">see <i lang="fr">le monde</i> <span lang="">now</span></p>'
    )
    document = read_html_page(page.format("en-GB").encode(), HERE, language)
    assert list(document.segments) == ["<x1/> <g2>english</g2>", "see <x1/> <g2>now</g2>", ""][: 3 if language else 2]
    shouted = [segment.replace("english", "ENGLISH").replace("see", "SEE") for segment in document.segments]
    assert document.render(shouted).decode() == page.replace("english", "ENGLISH").replace("see", "SEE").format(root)


def test_what_shows_where_scripts_do_not_run_is_translated() -> None:
    document = read_html_page(b"<noscript><p>turn it on</p></noscript><textarea>mine</textarea>", HERE)
    assert list(document.segments) == ["turn it on"]


def test_a_page_without_text_stays() -> None:
    assert read_html_page(b"<html lang=en>", HERE, "de").render([]) == b"<html lang=en>"
