"""JSON, ARB, YAML and .properties: what is written is what their own readers read; what is broken is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import javaproperties
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.documents.document import Document, DocumentError
from nmt_distill.documents.gettext_catalog import read_gettext_catalog
from nmt_distill.documents.json_catalog import read_json_catalog
from nmt_distill.documents.properties import read_properties
from nmt_distill.documents.yaml_catalog import read_yaml_catalog
from tests.rendered import shouted, unchanged

HERE = Path("strings")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PRINTABLE = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"), max_size=20
)
"""what YAML's and XML's readers take"""

Read = Callable[[bytes, Path], Document]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=60)
@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_untouched_json_is_the_same_bytes(content: object, only_ascii: bool, indent: int | str | None) -> None:
    text = json.dumps(content, ensure_ascii=only_ascii, indent=indent)
    try:
        written = text.encode()
    except UnicodeEncodeError:
        written = json.dumps(content, indent=indent).encode()
    assert unchanged(read_json_catalog(written, HERE)) == written


@settings(max_examples=40)
@given(st.dictionaries(st.text(), TEXT, min_size=1, max_size=4), st.data(), st.booleans())
def test_json_reads_what_was_written(content: dict[str, str], data: st.DataObject, only_ascii: bool) -> None:
    document = read_json_catalog(json.dumps(content, ensure_ascii=True).encode(), HERE)
    assert list(document.segments) == list(content.values())
    texts = TEXT.map(lambda text: text.replace("'{", "{"))
    translations = data.draw(st.lists(texts, min_size=len(content), max_size=len(content)))
    assert json.loads(document.render(translations)) == dict(zip(content, translations, strict=True))


def test_json_keeps_keys_numbers_layout_and_style() -> None:
    content = b'{ "one": "a \\u00e9",\n\t"two":{"three":[ "b", 1.50, true ]} , "four": "x\\/y" }\n'
    document = read_json_catalog(content, HERE)
    assert list(document.segments) == ["a \u00e9", "b", "x/y"]
    expected = '{ "one": "A \\u00c9",\n\t"two":{"three":[ "B", 1.50, true ]} , "four": "X\\/Y" }\n'
    assert shouted(document) == expected


def test_a_translation_quotes_no_placeholder_of_icu() -> None:
    document = read_json_catalog(b'{"a": "of {b}", "c": "\'{d}\'"}', HERE)
    assert document.render(["d'{b} l'a", "'{d}'"]).decode() == '{"a": "d\u2019{b} l\'a", "c": "\'{d}\'"}'


def test_a_lone_surrogate_in_json_comes_through() -> None:
    content = b'{"a": "x \\ud800 y"}'
    document = read_json_catalog(content, HERE)
    assert list(document.segments) == ["x \ufffd y"]
    assert unchanged(document) == content
    assert document.render(["\ufffd z"]) == b'{"a": "\\ud800 z"}'
    assert document.render(["z"]) == b'{"a": "z"}'


def test_a_lone_surrogate_is_escaped_among_characters_that_are_not() -> None:
    document = read_json_catalog('{"a": "\u00e9 \\udfff, \ufffd"}'.encode(), HERE)
    assert document.render(["\ufffd \u00e4, \ufffd"]).decode() == '{"a": "\\udfff \u00e4, \ufffd"}'


def test_what_arb_says_about_its_text_is_no_text() -> None:
    content = (
        b'{"@@locale": "en", "hi": "Hi {name}", "@hi": {"description": "no", "placeholders": {"name": {"a": "no"}}}}'
    )
    document = read_json_catalog(content, HERE, is_arb=True, language="pt-BR")
    assert [segment for segment in document.segments if segment] == ["Hi {name}"]
    told = json.loads(shouted(document))
    assert (told["@@locale"], told["hi"], told["@hi"]["description"]) == ("pt_BR", "HI {NAME}", "no")


YAML = """\
en: # the language
  plain: Hello there   # why
  single: 'it''s'
  double: "tab\\there"
  literal: |
    One
      two

  folded: >-
    folded
    text
  flow: [a b, c]
  anchored: &x yes it is
  alias: *x
  number: 12
  truth: true
  over: two
    lines
"""


def test_yaml_keeps_comments_quotes_anchors_and_blocks() -> None:
    document = read_yaml_catalog(YAML.encode(), HERE)
    assert unchanged(document) == YAML.encode()
    written = document.render([segment.replace("t", "T") for segment in document.segments]).decode()
    expected = YAML
    for line in ("Hello there", "it''s", "\\there", "two\n\n", "text", "it is", "two\n    lines"):
        assert line in expected
    for text in ("Hello There   # why", "'iT''s'", "    One\n      Two\n\n  folded", "  folded: >-\n    folded TexT\n"):
        assert text in written
    assert "&x yes iT is" in written
    assert "alias: *x" in written
    before = yaml.safe_load(YAML)["en"]
    assert yaml.safe_load(written)["en"] == {
        key: value.replace("t", "T") if isinstance(value, str) else value for key, value in before.items()
    }


@pytest.mark.parametrize("text", ["a\nb", "a\n\nb\nc", "a\n  b\n\n  c\nd\n\ne", "{% if\n  x %}\n  y\n{% end %}"])
@pytest.mark.parametrize("style", ["|", ">"])
def test_yaml_blocks_hold_lines_that_are_indented_further(text: str, style: str) -> None:
    document = read_yaml_catalog(f"a: {style}-\n  x\n\n# why\nb: y\n".encode(), HERE)
    written = document.render([text, "y"]).decode()
    assert written.startswith(f"a: {style}-\n  {text[0]}")
    assert written.endswith("\n\n# why\nb: y\n")
    assert yaml.safe_load(written) == {"a": text, "b": "y"}


@pytest.mark.parametrize("text", ["Hi {name}, all", "a, b", "a [b]", "of %{count} it}", "a]"])
def test_yaml_quotes_brackets_and_commas_in_flow_alone(text: str) -> None:
    content = "en:\n  a: x # why\n  b:\n  - x\n  - c: x\n  f: [x, {g: x}]\n"
    written = read_yaml_catalog(content.encode(), HERE).render([text] * 5).decode()
    expected = content.replace("[x, {g: x}]", f'["{text}", {{g: "{text}"}}]').replace(" x", f" {text}")
    assert written == expected
    assert yaml.safe_load(written)["en"]["f"] == [text, {"g": text}]


@pytest.mark.parametrize("translation", ["", "x", "\xa0"])
def test_yaml_block_of_a_space_that_is_none_to_yaml(translation: str) -> None:
    written = read_yaml_catalog("? ''\n: |-\n  \xa0\nb: y\n".encode(), HERE).render([translation, "y"]).decode()
    assert yaml.safe_load(written) == {"": translation, "b": "y"}


@settings(max_examples=40)
@given(
    st.dictionaries(PRINTABLE, PRINTABLE, min_size=1, max_size=4),
    st.data(),
    st.sampled_from([None, '"', "'", "|", ">"]),
)
def test_yaml_reads_what_was_written(content: dict[str, str], data: st.DataObject, style: str | None) -> None:
    text = yaml.safe_dump(content, default_style=style, allow_unicode=True, sort_keys=False)
    document = read_yaml_catalog(text.encode(), HERE)
    assert unchanged(document) == text.encode()
    translations = data.draw(st.lists(PRINTABLE, min_size=len(content), max_size=len(content)))
    if len(document.segments) == len(content):  # an empty plain scalar has no place
        translated = dict(zip(content, translations, strict=True))
        assert yaml.safe_load(document.render(translations).decode()) == translated


def test_properties_keep_comments_keys_and_continuations() -> None:
    content = b"# note\r\na = Hello \\\r\n   world\r\n\r\nb:x: y\r\nc\r\n! more\r\nd \\u00e9 z\r\n"
    document = read_properties(content, HERE)
    assert list(document.segments) == ["Hello world", "x: y", "\u00e9 z"]
    assert unchanged(document) == content
    assert shouted(document) == "# note\r\na = HELLO WORLD\r\n\r\nb:X: Y\r\nc\r\n! more\r\nd \\u00c9 Z\r\n"


@settings(max_examples=40)
@given(st.dictionaries(TEXT, TEXT, min_size=1, max_size=4), st.data())
def test_properties_read_what_was_written(content: dict[str, str], data: st.DataObject) -> None:
    text = javaproperties.dumps(content, timestamp=False, ensure_ascii=False)
    document = read_properties(text.encode(), HERE)
    assert unchanged(document) == text.encode()
    shown = [value for value in content.values() if value]
    assert list(document.segments) == shown
    translations = data.draw(st.lists(TEXT, min_size=len(shown), max_size=len(shown)))
    written = javaproperties.loads(document.render(translations).decode())
    assert [written[key] for key, value in content.items() if value] == translations


@pytest.mark.parametrize(
    ("value", "segment", "translation", "written"),
    [
        ("Can''t open {0}", "Can't open {0}", "N'ouvre pas {0}", "N''ouvre pas {0}"),
        ("Open {0, date}", "Open {0, date}", "L'ouvrir {0, date}", "L''ouvrir {0, date}"),
        ("Don't open {name}", "Don't open {name}", "N'ouvre pas {name}", "N'ouvre pas {name}"),
        ("'{0}' of {1}", "'{0}' of {1}", "l'un {1}", "l'un {1}"),  # what is quoted is known to those who wrote it
    ],
)
def test_apostrophes_of_message_format(value: str, segment: str, translation: str, written: str) -> None:
    document = read_properties(f"a={value}\n".encode(), HERE)
    assert document.segments == [segment]
    assert document.render([translation]).decode() == f"a={written}\n"
    assert document.render([segment]).decode() == f"a={value}\n"


def test_properties_that_are_no_utf8_are_latin_1() -> None:
    document = read_properties("a=caf\u00e9".encode("latin-1"), HERE)
    assert document.render(["\u4e2d caf\u00e9s"]) == b"a=\\u4e2d caf\\u00e9s"


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("a=house", "ascii", b"a=caf\\u00e9 \\ud83d\\ude00"),  # as Java's own reader takes it
        ("a=house", "utf-8-sig", "a=caf\u00e9 \U0001f600".encode("utf-8-sig")),
        ("# \u00e9\na=house", "utf-8", "# \u00e9\na=caf\u00e9 \U0001f600".encode()),
    ],
)
def test_properties_get_escapes_where_nothing_shows_utf_8(text: str, encoding: str, written: bytes) -> None:
    document = read_properties(text.encode(encoding), HERE)
    assert document.render(["caf\u00e9 \U0001f600"]) == written


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (
            read_json_catalog,
            b'{\n"a": x}',
            r"strings, line 2: not valid JSON \(Expecting value\); the file is left as it is",
        ),
        (read_json_catalog, b"[" * 100_000, r"strings: nested too deep|strings, line 1: not valid JSON"),
        (read_json_catalog, b'["a",\n"\xff"]', r"strings, line 2: not valid UTF-8; convert the file"),
        (read_json_catalog, b"\xff\xfe[\x00\x00\xd8", r"strings, line 1: not valid UTF-16-LE"),
        (read_yaml_catalog, b'a: [\nb: "', r"strings, line 2: not valid YAML \(found unexpected end of stream\)"),
        (read_yaml_catalog, b"a: b\nc: \x01", r"strings, line 2: not valid YAML \(U\+0001 is not allowed\)"),
        (read_yaml_catalog, b"[" * 600, r"strings: nested too deep|strings, line 1: not valid YAML"),
        (read_gettext_catalog, b'msgid "a"\nmsgstr b\n', r"strings, line 2: not a valid PO file \(neither a keyword"),
        (
            read_gettext_catalog,
            b'msgid ""\nmsgstr "Content-Type: text/plain; charset=EUC-JP\\n"\n\n# \xff',
            r"strings, line 4: not valid euc_jp, which its header names; the file is left",
        ),
        (read_gettext_catalog, b'msgid "a\n', r"strings, line 1: not a valid PO file"),
        (read_gettext_catalog, b'msgid "a"\nmsgid_plural "b"\nmsgstr[x] ""\n', r"strings, line 3: not a valid PO file"),
        (read_properties, b"a=b\nc=\\u12", r"strings, line 2: not valid \.properties \(broken escape \\u12\)"),
    ],
)
def test_what_is_broken_is_told_with_its_line(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read(content, HERE)
