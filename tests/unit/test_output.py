from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.output import check_output, check_output_folder, check_replaceable, output_file
from tests.pipes import read_pipe


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["a\nb\u0085\n", b"\x00\r\n"])
def test_output_goes_through_links_and_into_pipes(content: str | bytes, tmp_path: Path) -> None:
    mode = "w" if isinstance(content, str) else "wb"
    written = content.encode() if isinstance(content, str) else content
    (tmp_path / "link").symlink_to("text")
    for name in ("text", "link"):
        with output_file(tmp_path / name, mode) as stream:
            stream.write(content)
        assert (tmp_path / "text").read_bytes() == written
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "to pipe").symlink_to("pipe")
    with read_pipe(tmp_path / "pipe") as found, output_file(tmp_path / "to pipe", mode) as stream:
        stream.write(content)
    assert found == [written]
    assert (tmp_path / "pipe").is_fifo()


def test_output_to_the_file_of_standard_output_is_appended(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from nmt_distill.output import output_file
print("one", flush=True)
with output_file(Path(sys.argv[1])) as stream:
    stream.write("two\\n")
print("three")
"""
    with (tmp_path / "out").open("wb") as stream:
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], stdout=stream, check=True)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_text() == "one\ntwo\nthree\n"


def test_output_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("old")
    with pytest.raises(ValueError, match="stop"), output_file(tmp_path / "text") as stream:
        stream.write("new")
        raise ValueError("stop")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"text": "old"}


def test_output_of_a_killed_command_goes_away_with_the_next(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from nmt_distill.output import output_file\n"
        "with output_file(Path(sys.argv[1])) as stream:\n"
        "    stream.write('x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "text"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert len(names(tmp_path)) == 2
    with output_file(path) as stream:
        stream.write("whole")
        with pytest.raises(NmtDistillError, match=r"another nmt-distill writes \S*text; wait"), output_file(path):
            raise AssertionError
    assert names(tmp_path) == ["text"]
    assert path.read_text() == "whole"


def test_folder_that_nothing_may_be_written_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_output_folder(tmp_path / "new" / "report")
    check_output_folder(Path("report"))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or path != tmp_path)  # root may all
    for path in (tmp_path, tmp_path / "new" / "report"):
        with pytest.raises(NmtDistillError, match=f"{path} cannot be written, because {tmp_path} is read-only; name"):
            check_output_folder(path)


def test_output_in_the_place_of_what_is_read_is_refused(tmp_path: Path) -> None:
    for name in ("text", "other"):
        (tmp_path / name).write_text("one")
    (tmp_path / "link").symlink_to("text")
    check_output(tmp_path / "other", inputs=[tmp_path / "text", tmp_path / "missing"])
    check_output(tmp_path / "new", inputs=[tmp_path / "text"])
    for path in (tmp_path / "text", tmp_path / "link"):
        with pytest.raises(NmtDistillError, match=f"{path} would be written over while it is read; name another file"):
            check_output(path, inputs=[tmp_path / "other", tmp_path / "text"])


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path: Path) -> None:
    for name in ("own", "notes"):
        (tmp_path / name).touch()
    check_replaceable(tmp_path, lambda name: name in ("own", "notes"))
    with pytest.raises(NmtDistillError, match=f"{tmp_path} holds notes too, which would be lost; move it, or name"):
        check_replaceable(tmp_path, lambda name: name == "own")
