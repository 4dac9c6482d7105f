"""PO: what lacks is filled and marked, and all else stays."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.documents.gettext_catalog import read_gettext_catalog
from tests.rendered import shouted, unchanged

HERE = Path("strings")
PRINTABLE = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"), max_size=20
)


PO = """\
# a header
msgid ""
msgstr ""
"Plural-Forms: nplurals=2; plural=(n>1);\\n"

#. for whom
#: main.c:1
#, c-format
msgid "Open %s"
msgstr ""

#| msgid "older"
msgctxt "menu"
msgid ""
"Close "
"it\\n"
msgstr ""

msgid "done"
msgstr "feito"

msgid "one file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#~ msgid "gone"
#~ msgstr ""
"""


def test_only_what_lacks_in_po_is_filled_and_marked() -> None:
    document = read_gettext_catalog(PO.encode(), HERE)
    assert [segment for segment in document.segments if segment] == ["Open %s", "Close it\n", "one file", "%d files"]
    expected = PO.replace(
        '#, c-format\nmsgid "Open %s"\nmsgstr ""', '#, fuzzy, c-format\nmsgid "Open %s"\nmsgstr "OPEN %S"'
    )
    expected = expected.replace('msgctxt "menu"', '#, fuzzy\nmsgctxt "menu"')
    expected = expected.replace('it\\n"\nmsgstr ""', 'it\\n"\nmsgstr "CLOSE IT\\n"')
    expected = expected.replace('msgid "one', '#, fuzzy\nmsgid "one')
    expected = expected.replace('msgstr[0] ""\nmsgstr[1] ""', 'msgstr[0] "ONE FILE"\nmsgstr[1] "%D FILES"')
    assert shouted(document) == expected
    assert unchanged(read_gettext_catalog(expected.encode(), HERE)) == expected.encode()


def test_an_entry_is_marked_fuzzy_once() -> None:
    text = '#, c-format, fuzzy\nmsgid "a"\nmsgstr ""\n\n#, fuzzy\n#, c-format\nmsgid "b"\nmsgstr ""\n\n'
    more = 'msgid "c"\nmsgstr ""\n'
    expected = text.replace('"a"\nmsgstr ""', '"a"\nmsgstr "A"').replace('"b"\nmsgstr ""', '"b"\nmsgstr "B"')
    marked = '#, fuzzy\nmsgid "c"\nmsgstr "C"\n'
    assert shouted(read_gettext_catalog((text + more).encode(), HERE)) == expected + marked


def test_flags_need_no_space() -> None:
    text = '#,fuzzy\nmsgid "a"\nmsgstr ""\n\n#,c-format\nmsgid "b"\nmsgstr ""\n\n#,fuzzy\nmsgid "c"\nmsgstr "d"\n'
    document = read_gettext_catalog(text.encode(), HERE)
    expected = text.replace('"a"\nmsgstr ""', '"a"\nmsgstr "A"').replace('"b"\nmsgstr ""', '"b"\nmsgstr "B"')
    assert shouted(document) == expected.replace("#,c-format", "#,fuzzy, c-format")


@pytest.mark.parametrize("charset", ["ISO-8859-1", "CP1252", "ISO-8859-15"])
def test_po_keeps_the_encoding_that_its_header_names(charset: str) -> None:
    head = f'msgid ""\nmsgstr "Content-Type: text/plain; charset={charset}\\n"\n\n# caf\u00e9\n'
    text = head + 'msgid "d\u00e9j\u00e0"\nmsgstr ""\n'
    document = read_gettext_catalog(text.encode(charset), HERE)
    assert "d\u00e9j\u00e0" in document.segments
    told = [segment and "\u00e9t\u00e9" for segment in document.segments]
    assert document.render(told).decode(charset).startswith(head)
    cyrillic = [segment and "\u0434\u0430" for segment in document.segments]
    assert document.render(cyrillic).decode().startswith(head.replace(charset, "UTF-8")), "all in one encoding still"


@pytest.mark.parametrize("charset", ["CHARSET", "base64", "hex"])
def test_po_whose_charset_is_none_of_text_is_utf_8(charset: str) -> None:
    text = f'msgid ""\nmsgstr "Content-Type: text/plain; charset={charset}\\n"\n\nmsgid "\u00e9"\nmsgstr ""\n'
    assert "\u00e9" in read_gettext_catalog(text.encode(), HERE).segments


@settings(max_examples=40)
@given(st.dictionaries(PRINTABLE.filter(bool), PRINTABLE.filter(bool), min_size=1, max_size=4))
def test_polib_reads_what_was_written_to_po(content: dict[str, str]) -> None:
    catalog = polib.POFile(wrapwidth=30)
    catalog.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for source in content:
        catalog.append(polib.POEntry(msgid=source))
    document = read_gettext_catalog(str(catalog).encode(), HERE)
    translations = [content.get(segment, "") for segment in document.segments]
    written = polib.pofile(document.render(translations).decode())
    assert {entry.msgid: entry.msgstr for entry in written} == content
    assert all("fuzzy" in entry.flags for entry in written)


def test_every_line_keeps_its_line_end() -> None:
    written = shouted(read_gettext_catalog(PO.replace("\n", "\r\n").encode(), HERE))
    assert written.count("\n") == written.count("\r\n") == shouted(read_gettext_catalog(PO.encode(), HERE)).count("\n")


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("n%10==1 && n%100!=11 ? 0 : 1", "%d files"),
        ("(n > 1)", "one file"),
        ("n != 1", "one file"),
        ("n % 0", "one file"),
        ("one", "one file"),
    ],
)
def test_a_form_of_many_numbers_has_the_number(rule: str, first: str) -> None:
    text = PO.replace("(n>1)", rule)
    expected = ["Open %s", "Close it\n", first, "%d files"]
    assert [segment for segment in read_gettext_catalog(text.encode(), HERE).segments if segment] == expected
    text = text.replace("one file", "%d file")
    assert "%d file" in read_gettext_catalog(text.encode(), HERE).segments, "a number in the singular agrees with it"
