"""Files that ``translate`` reads and writes: lines of several into one, documents each as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_distill.commands.translate import run
from nmt_distill.errors import NmtDistillError
from tests.pipes import read_pipe
from tests.translate_arguments import PROGRAM, parse

Captured = pytest.CaptureFixture[bytes]


def test_files_are_translated_in_order_into_a_file(mute_export: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_bytes(f"{name} 1\n{name} 2".encode())
    output = tmp_path / "out"
    files = [str(tmp_path / "b"), str(tmp_path / "a")]
    assert run(parse("--model", str(mute_export), "--output", str(output), "--file", *files)) == 0
    assert output.read_bytes() == b"b 1\nb 2\na 1\na 2\n"
    told = f"4 segments were left untranslated: {files[0]}, lines 1 and 2; {files[1]}, lines 1 and 2.\n"
    assert capfdbinary.readouterr() == (b"", told.encode())


def test_lines_of_an_unknown_format_are_told(
    mute_export: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.rst", "a.txt", "README"):
        (tmp_path / name).write_bytes(b"1\n")
    files = [str(tmp_path / name) for name in ("a.rst", "a.txt", "README")]
    assert run(parse("--model", str(mute_export), "--file", *files)) == 0
    notice = f"{files[0]}: `.rst` is the suffix of no known format, so every line is translated as plain text.\n"
    assert capfd.readouterr() == ("1\n1\n1\n", notice)
    assert run(parse("--model", str(mute_export), "--format", "text", "--file", *files)) == 0
    assert capfd.readouterr().err == ""


def test_texts_go_into_a_folder_one_by_one(mute_export: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n")
    (tmp_path / "b").write_bytes(b"2")
    files = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert run(parse("--model", str(mute_export), "--output", f"{tmp_path}/out/", "--file", *files)) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())] == [b"1\n", b"2"]


def test_an_output_that_is_a_link_stays_one(mute_export: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("text")
    assert run(parse("--model", str(mute_export), "--output", str(tmp_path / "link"), "1")) == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "text").read_bytes() == b"1\n"


def test_what_is_no_text_is_refused(mute_export: Path, tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    for where in (f"{tmp_path}/out", f"{tmp_path}/out/"):
        with pytest.raises(NmtDistillError, match=r"a\.docx is no text, and of no format that is known; extract its"):
            run(parse("--model", str(mute_export), "--output", where, "--file", str(tmp_path / "a.docx")))
    assert [path.name for path in tmp_path.iterdir()] == ["a.docx"]


def test_nul_bytes_are_content_of_what_is_said_to_be_text(
    mute_export: Path, tmp_path: Path, capfdbinary: Captured
) -> None:
    for name, options in (("a.txt", []), ("a", ["--format", "text"])):
        (tmp_path / name).write_bytes(b"1\x00\n")
        assert run(parse("--model", str(mute_export), *options, "--file", str(tmp_path / name))) == 0
        assert capfdbinary.readouterr().out == b"1\x00\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_refused_by_lines_and_read_into_a_folder(mute_export: Path, tmp_path: Path, encoding: str) -> None:
    content = "\ufeff1\n2\n".encode(encoding)
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(NmtDistillError, match=r"a\.txt is UTF-16, but lines are read as UTF-8; convert it, .*a folder"):
        run(parse("--model", str(mute_export), "--file", str(tmp_path / "a.txt")))
    assert (
        run(parse("--model", str(mute_export), "--output", f"{tmp_path}/out/", "--file", str(tmp_path / "a.txt"))) == 0
    )
    assert (tmp_path / "out/a.txt").read_bytes() == content


def test_an_output_that_is_no_file_is_written_through(mute_export: Path, tmp_path: Path) -> None:
    with read_pipe(tmp_path / "pipe") as content:
        assert run(parse("--model", str(mute_export), "--output", str(tmp_path / "pipe"), "Stop")) == 0
    assert content == [b"Stop\n"]
    assert (tmp_path / "pipe").is_fifo()


def test_an_empty_file_has_no_answers(mute_export: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    (tmp_path / "empty").touch()
    assert run(parse("--model", str(mute_export), "--file", str(tmp_path / "empty"))) == 0
    assert capfdbinary.readouterr() == (b"", b"")


@pytest.mark.parametrize("watched", [True, False])
def test_files_show_progress_to_who_watches(mute_export: Path, tmp_path: Path, watched: bool) -> None:
    pty = pytest.importorskip("pty")
    (tmp_path / "text").write_bytes(b"42\n" * 1000)
    command = [sys.executable, "-c", PROGRAM, "--model", str(mute_export), "--file", str(tmp_path / "text")]
    ours, theirs = pty.openpty()
    try:
        stderr = theirs if watched else subprocess.PIPE
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=True)
        talk = os.read(ours, 10_000) if watched else done.stderr
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == b"42\n" * 1000
    assert (b"translate: 3/3 kB" in talk) == watched
    assert bool(talk) == watched


def test_a_document_is_translated_in_its_place(mute_export: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    path = tmp_path / "strings.json"
    path.write_bytes(b'{"a": "Stop {x}"}')
    path.chmod(0o600)
    assert run(parse("--model", str(mute_export), "--in-place", "--file", str(path))) == 0
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b'{"a": "Stop {x}"}', 0o600)
    told = f'1 segment was left untranslated: {path}, line 1 ("Stop {{x}}").\n'
    assert capfdbinary.readouterr().err == told.encode()
    assert run(parse("--model", str(mute_export), "--file", str(path))) == 0
    assert capfdbinary.readouterr().out == b'{"a": "Stop {x}"}'
