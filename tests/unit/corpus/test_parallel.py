"""Text files as sources, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.corpus.parallel import read_line_pairs, read_text, read_tsv, sentence_pairs, without_accelerators
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_line_answers_line(tmp_path: Path) -> None:
    source = write(tmp_path / "a", "x\u2028y\n\nz".encode())
    target = write(tmp_path / "b", b"1\n2\n3\n")
    assert list(read_line_pairs(source, target)) == [("x\u2028y", "1"), ("", "2"), ("z", "3")]


def test_unequal_line_counts_name_both_files(tmp_path: Path) -> None:
    long, short = write(tmp_path / "long", b"1\n2\n"), write(tmp_path / "short", b"1\n")
    for pair in [(long, short), (short, long)]:
        with pytest.raises(NmtDistillError, match=r"short has 1 line, but .*long has more"):
            list(read_line_pairs(*pair))


def test_columns_of_a_tsv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b"a\tb\tc\nd\te\tf\n")
    assert list(read_tsv(path)) == [("a", "b"), ("d", "e")]
    assert list(read_tsv(path, source_column=3, target_column=1)) == [("c", "a"), ("f", "d")]
    with pytest.raises(NmtDistillError, match=r"a\.tsv, line 1: has 3 columns between tabs, but must have 4"):
        list(read_tsv(path, target_column=4))


def test_empty_files(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty", b"")
    with pytest.raises(NmtDistillError, match="are empty"):
        list(read_line_pairs(empty, empty))
    with pytest.raises(NmtDistillError, match="is empty"):
        list(read_tsv(empty))
    with pytest.raises(NmtDistillError, match="is empty"):
        list(read_text(empty))
    assert list(read_text(write(tmp_path / "a", b"\nx\n"))) == ["", "x"]


def test_paragraphs_are_cut_where_both_sides_have_as_many_sentences() -> None:
    pairs = [("One. Two.", "Eins. Zwei."), ("One. Two.", "Eins und zwei."), ("One. Two.", None)]
    assert list(sentence_pairs(pairs, Direction(source="en", target="de"))) == [
        ("One.", "Eins."),
        ("Two.", "Zwei."),
        ("One. Two.", "Eins und zwei."),
        ("One. Two.", None),
    ]


def test_the_one_mark_of_a_menu_is_taken_out() -> None:
    pairs = [("_Open", "Ö_ffnen"), ("a_b and c_d", "x_y and z_w"), ("~Close", None), ("50 _ 2", "~100")]
    assert list(without_accelerators(pairs, "_~")) == [
        ("Open", "Öffnen"),
        ("a_b and c_d", "x_y and z_w"),
        ("Close", None),
        ("50 _ 2", "~100"),
    ]
