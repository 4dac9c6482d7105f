from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nmt_distill.document_translation import plan, translate_documents
from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.sentence import Candidate
from nmt_distill.translation.tally import ALL_WELL, UNTRANSLATED
from tests.pipes import read_pipe


class Shouter:
    """Stands in for a translator."""

    def __init__(self) -> None:
        self.folder = SimpleNamespace(choose=lambda source, target: SimpleNamespace(target="pt-BR"))
        self.windows: list[int] = []
        self.summary: list[str] = []

    def candidates(self, lines: Sequence[str], *, markdown: bool, **settings: Any) -> list[list[Candidate]]:
        self.windows.append(len(lines))
        return [[Candidate(text=line.upper(), tally=UNTRANSLATED if "!" in line else ALL_WELL)] for line in lines]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Some documents, one of them in a folder."""
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.json").write_bytes(b'{"a": "one"}')
    (folder / "inner/b.srt").write_bytes(b"1\n00:01,0 --> 00:02,0\ntwo\n")
    (folder / "notes.bin").write_bytes(b"three")
    return folder


def translate(paths: list[Path], **choices: Any) -> Shouter:
    settings: dict[str, Any] = {"output": None, "in_place": False, "format_name": None} | choices
    shouter: Any = Shouter()
    found = translate_documents(plan(paths, **settings), shouter, target=None, source=None, column=None)
    shouter.summary = [*found.sentences()]
    return shouter  # type: ignore[no-any-return]


def test_a_folder_becomes_a_folder(files: Path, tmp_path: Path) -> None:
    translate([files], output=str(tmp_path / "out"))
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {"a.json", "inner/b.srt"}
    assert (tmp_path / "out/a.json").read_bytes() == b'{"a": "ONE"}'
    assert (tmp_path / "out/inner/b.srt").read_bytes().endswith(b"\nTWO\n")
    assert (files / "a.json").read_bytes() == b'{"a": "one"}'


def test_files_change_in_their_place(files: Path) -> None:
    (files / "link.json").symlink_to("a.json")
    translate([files / "link.json", files / "notes.bin"], in_place=True)
    assert (files / "link.json").is_symlink()
    assert (files / "a.json").read_bytes() == b'{"a": "ONE"}'
    assert (files / "notes.bin").read_bytes() == b"THREE"


def test_one_document_goes_to_a_file_or_to_standard_output(
    files: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    translate([files / "a.json"], output=str(tmp_path / "b.json"))
    translate([files / "notes.bin"], format_name="markdown")
    assert (tmp_path / "b.json").read_bytes() == b'{"a": "ONE"}'
    assert capfdbinary.readouterr().out == b"THREE"


def test_a_pipe_is_written_into_and_stays_one(files: Path, tmp_path: Path) -> None:
    with read_pipe(tmp_path / "pipe") as content:
        translate([files / "a.json"], output=str(tmp_path / "pipe"))
    assert content == [b'{"a": "ONE"}']
    assert (tmp_path / "pipe").is_fifo()


def test_nothing_is_written_where_one_file_is_broken(files: Path) -> None:
    (files / "z.po").write_bytes(b"msgid\n")
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    with pytest.raises(NmtDistillError, match=r"z\.po, line 1: not a valid PO file .*; the file is left as it is\."):
        translate([files], in_place=True)
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


def test_long_documents_are_translated_in_windows(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("\n\n".join(f"line {number}" for number in range(2500)))
    assert translate([tmp_path / "a.md"], in_place=True).windows == [1024, 1024, 452]


def test_what_was_left_is_found_by_file_line_and_text(tmp_path: Path) -> None:
    contents = {
        "a.json": '{"a": "one",\n "b": "two!"}',
        "b.po": 'msgid ""\nmsgstr ""\n\nmsgid "three!"\nmsgstr ""\n',
        "c.md": "four\n\nfive!\nsix\n",
        "d.srt": "1\n00:01,0 --> 00:02,0\nseven!\n",
        "e.html": "<p>eight</p>\n<p>nine!</p>",
        "f.properties": "ten=ten!",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (told,) = translate([tmp_path], in_place=True).summary
    assert told == (
        "6 segments were left untranslated: "
        f'{tmp_path}/a.json, line 2 ("two!"); {tmp_path}/b.po, line 5 ("three!"); '
        f'{tmp_path}/c.md, line 3 ("five! six"); {tmp_path}/d.srt, line 3 ("seven!"); '
        f'{tmp_path}/e.html, line 2 ("nine!"); and 1 more.'
    )


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"in_place": True, "output": "x"}, r"translate takes --in-place or --output, but was given both"),
        ({}, r"2 documents need a folder, but --output is not given; name one that exists or ends with `/`"),
    ],
)
def test_where_documents_go_must_be_plain(files: Path, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        translate([files], **choices)


def test_a_file_and_a_link_to_it_are_translated_once(files: Path) -> None:
    (files / "c.json").symlink_to("a.json")
    assert translate([files, files / "a.json"], in_place=True).windows == [1, 1]
    assert (files / "c.json").is_symlink()


def test_what_was_written_into_a_folder_is_not_translated_again(files: Path) -> None:
    translate([files], output=str(files / "pt"))
    before = sorted(files.rglob("*"))
    translate([files], output=str(files / "pt"))
    assert sorted(files.rglob("*")) == before


def test_a_folder_is_not_written_into_a_file(files: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"notes\.bin is a file, but --output must be a folder here"):
        translate([files], output=str(files / "notes.bin"))


def test_two_files_never_become_one(files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    with pytest.raises(NmtDistillError, match=r"several of the files would become .*a\.json; translate them one at a"):
        translate([files / "a.json", tmp_path / "a.json"], output=f"{tmp_path}/out/")


def test_what_cannot_be_read_or_written_is_told(files: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"none\.json cannot be read: No such file or directory\."):
        translate([files / "none.json"], in_place=True)
    with pytest.raises(NmtDistillError, match=r"notes\.bin/x cannot be written, because .*notes\.bin is a file; name"):
        plan([files / "a.json"], output=str(files / "notes.bin/x"), in_place=False, format_name=None)
