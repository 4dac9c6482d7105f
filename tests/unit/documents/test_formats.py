"""Which reader a file gets, and what each needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.documents.formats import SUFFIXES, files_below, format_of, read_document
from nmt_distill.errors import NmtDistillError
from tests.rendered import shouted


def test_the_suffix_tells_the_format(tmp_path: Path) -> None:
    for name in ("b.PO", "a.json", "sub/c.md", ".git/d.json", "e.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)] == ["a.json", "b.PO", "sub/c.md"]
    assert (format_of(Path("b.PO")), format_of(Path("e.bin"))) == ("po", "text")


@pytest.mark.parametrize("name", SUFFIXES)
def test_every_format_has_a_reader(name: str, tmp_path: Path) -> None:
    content = b"<xliff version='1.2'/>" if name == "xliff" else b"{}" if name in {"json", "arb"} else b""
    (tmp_path / "file").write_bytes(content)
    document = read_document(tmp_path / "file", name, column="1")
    assert document.render(document.segments) == content


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "javaproperties", None)
    (tmp_path / "a.properties").touch()
    with pytest.raises(NmtDistillError, match=r"needs the package javaproperties; install it with `pip install java"):
        read_document(tmp_path / "a.properties", "properties")


def test_a_table_needs_a_column_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"id\ttext\r\n1\thello\tz\r\n\r\n2\tbye\r\n")
    with pytest.raises(NmtDistillError, match=r"a\.tsv is a table; name the column to translate with --column"):
        read_document(path, "tsv")
    with pytest.raises(NmtDistillError, match=r"line 1: `name` must be a column, but there are id, text"):
        read_document(path, "tsv", column="name")
    with pytest.raises(NmtDistillError, match=r"line 1: there is no column 3: it has 2"):
        read_document(path, "tsv", column="3")
    assert list(read_document(path, "tsv", column="text").segments) == ["hello", "bye"]
    assert shouted(read_document(path, "tsv", column="2")) == "id\tTEXT\r\n1\tHELLO\tz\r\n\r\n2\tBYE\r\n"
