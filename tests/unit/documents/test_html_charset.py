"""A page keeps the encoding that it declares, and says the same to whoever reads by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.documents.document import DocumentError
from nmt_distill.documents.html_page import read_html_page

HERE = Path("page")
META = '<meta charset="{}">'
HTTP_EQUIV = "<META http-equiv='Content-Type' content='text/html; charset={}'>"
XML = '<?xml version="1.0" encoding="{}"?>'


@pytest.mark.parametrize("declaration", [META, HTTP_EQUIV, XML, "<!-- <meta charset=utf-8> --><meta charset={} />"])
@pytest.mark.parametrize("charset", ["iso-8859-1", "ISO-8859-15", "windows-1252", "us-ascii"])
@pytest.mark.parametrize("word", ["cafe", "caf\u00e9"])
def test_a_page_is_written_as_it_declares(declaration: str, charset: str, word: str) -> None:
    page = f"{declaration.format(charset)}<p title='a'>{word}</p>"
    document = read_html_page(page.encode("latin-1"), HERE)
    assert document.segments == ["a", word]
    assert document.render(document.segments) == page.encode("latin-1")
    written = document.render(["\u00e9", "\u20ac \u4e2d"])
    browsers = written.decode("cp1252" if "15" not in charset else charset)
    assert browsers.replace("&#8364;", "\u20ac").replace("&#233;", "\u00e9") == page.replace(
        f"'a'>{word}", "'\u00e9'>\u20ac &#20013;"
    )


def test_quotes_of_windows_are_read_as_browsers_read_them() -> None:
    document = read_html_page(b"<meta charset=latin1><p>\x93Hi\x94</p>", HERE)
    assert document.segments == ["\u201cHi\u201d"]
    assert document.render(["\u201cHo\u201d"]) == b"<meta charset=latin1><p>\x93Ho\x94</p>"


@pytest.mark.parametrize(
    ("charset", "word"), [("gb2312", "\u4e2d\u570b"), ("Shift_JIS", "\u9ad9"), ("koi8-r", "\u0434")]
)
def test_other_encodings_are_read_as_browsers_read_them(charset: str, word: str) -> None:
    encoding = {"gb2312": "gbk", "Shift_JIS": "cp932"}.get(charset, charset)
    content = f"<meta charset={charset}><p>{word}</p>".encode(encoding)
    document = read_html_page(content, HERE)
    assert document.segments == [word]
    assert document.render([word + "\u00e6"]) in {content.replace(b"</p>", b"&#230;</p>")}


@pytest.mark.parametrize("charset", ["utf-8", "klingon", "base64", "utf-16", "utf-7", "hex"])
def test_a_page_that_declares_nothing_of_use_is_utf_8(charset: str) -> None:
    page = f"<meta charset={charset}><p>\u0434</p>"
    assert read_html_page(page.encode(), HERE).render(["\u4e2d"]) == page.replace("\u0434", "\u4e2d").encode()


def test_a_mark_says_more_than_a_declaration() -> None:
    page = "<meta charset=iso-8859-1><p>\u0434</p>".encode("utf-8-sig")
    assert read_html_page(page, HERE).segments == ["\u0434"]


def test_xhtml_is_read_by_its_xml_declaration() -> None:
    page = (XML.format("iso-8859-1") + META.format("utf-8")).encode() + b"<p>\xe9</p>"
    assert read_html_page(page, Path("a.xhtml")).segments == ["\u00e9"]
    with pytest.raises(DocumentError, match=r"a\.html, line 1: not valid UTF-8"):
        read_html_page(page, Path("a.html"))


def test_a_page_that_is_not_what_it_declares_is_told() -> None:
    with pytest.raises(DocumentError, match=r"page, line 2: not valid gbk, which it declares; correct its declaration"):
        read_html_page(b"<meta charset=gb2312>\n<p>\xff</p>", HERE)
