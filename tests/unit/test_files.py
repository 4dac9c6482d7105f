from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import (
    atomic_file,
    atomic_folder,
    fingerprint,
    read_json,
    read_lines,
    read_sentences,
    remove_partials,
    sha256_of,
    size_of,
    write_json,
    write_lines,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_file(path) as stream:
        stream.write("é\n")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == "é\n".encode()
    assert names(path.parent) == ["a.txt"]


def test_file_that_fails_leaves_the_old_one_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path, "wb") as stream:
        stream.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_new_file_and_folder_have_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "file"):
            pass
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    with atomic_file(tmp_path / "file") as stream:
        stream.write("new")
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_whoever_may_read_a_new_file_may_read_what_a_new_folder_holds(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new") as partial:
        (partial / "in").mkdir()
        for path in (partial / "own", partial / "in" / "own"):
            path.touch(mode=0o600)
    (tmp_path / "plain").touch()
    wanted = (tmp_path / "plain").stat().st_mode
    assert [(tmp_path / "new" / name).stat().st_mode for name in ("own", "in/own")] == [wanted, wanted]


def test_a_link_to_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("folder")
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "link") as partial:
            (partial / "text").write_text(text)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "text").read_text() == "new"
    assert names(tmp_path) == ["folder", "link"]


def test_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with atomic_folder(path) as partial:
        (partial / "new.txt").write_text("new")
        assert names(path) == ["old.txt"]
    assert names(path) == ["new.txt"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("name", [".", "..", "folder/.."])
def test_folder_is_not_replaced_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    told = rf"^{name} cannot be replaced from within; go elsewhere"
    with pytest.raises(NmtDistillError, match=told), atomic_folder(Path(name)):
        raise AssertionError
    assert names(tmp_path) == ["folder"]


def test_folder_that_fails_leaves_the_old_one_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(ValueError, match="no"), atomic_folder(path) as partial:
        (partial / "new.txt").write_text("new")
        raise ValueError("no")
    assert names(path) == ["old.txt"]
    assert names(tmp_path) == ["model"]


def test_what_a_killed_run_left_goes_away(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from nmt_distill.files import atomic_folder, atomic_file\n"
        "with atomic_folder(Path(sys.argv[1])) as partial, atomic_file(Path(sys.argv[1])) as stream:\n"
        "    (partial / 'x').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "model"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert len(names(tmp_path)) == 3
    assert not path.exists()
    remove_partials(path)
    assert names(tmp_path) == []


def test_folder_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write = (
        "import pathlib, sys; from nmt_distill.files import atomic_folder\n"
        f"with atomic_folder(pathlib.Path({str(path)!r})) as partial:\n"
        "    (partial / 'x').touch(); print(flush=True); sys.stdin.readline(); assert (partial / 'x').exists()\n"
    )
    with subprocess.Popen([sys.executable, "-c", write], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with (
            pytest.raises(NmtDistillError, match=r"another nmt-distill writes .*model; wait for it, or name another"),
            atomic_folder(path),
        ):
            raise AssertionError
        writer.communicate(b"\n")
    assert writer.returncode == 0
    assert names(path) == ["x"]
    assert names(tmp_path) == ["model"]


def test_partials_of_other_names_stay(tmp_path: Path) -> None:
    (tmp_path / ".models.abc.partial").write_text("")
    remove_partials(tmp_path / "model")
    assert names(tmp_path) == [".models.abc.partial"]


def test_json_is_written_sorted_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = {"b": [1, 2.5, None], "a": "é"}
    write_json(path, content)
    assert path.read_text(encoding="utf-8").startswith('{\n "a": "é",\n "b"')
    assert read_json(path) == content


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(
        NmtDistillError, match=r"a\.json is not valid JSON \(.+\); delete it and run the stage again\.$"
    ):
        read_json(path)


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"a\.json does not exist\.$"):
        read_json(tmp_path / "a.json")


def test_fingerprint_is_the_start_of_the_sha256_of_canonical_json() -> None:
    content = {"b": 1, "a": ["é", True]}
    canonical = '{"a":["é",true],"b":1}'.encode()
    assert fingerprint(content) == hashlib.sha256(canonical).hexdigest()[:16]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=6
)


@given(content=st.dictionaries(st.text(), json_values, min_size=2), other=json_values)
def test_fingerprint_heeds_content_and_not_order(content: dict[str, Any], other: Any) -> None:
    assert fingerprint(dict(reversed(content.items()))) == fingerprint(content)
    is_same = json.dumps(content, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(content) == fingerprint(other)) == is_same


def test_sha256_and_size(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "sub" / "b").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "sub" / "b").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert size_of(tmp_path / "a") == 1_280_000
    assert size_of(tmp_path) == 1_280_003


def test_only_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("a\r\nb\x85c\u2028d\x0ce\n\nlast".encode())
    assert list(read_lines(path)) == ["a\r", "b\x85c\u2028d\x0ce", "", "last"]


@given(lines=st.lists(st.text().filter(lambda text: "\n" not in text)))
def test_written_lines_read_back(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    assert write_lines(path, lines) == len(lines)
    assert list(read_lines(path)) == lines


def test_invalid_utf8_is_told_with_its_line_after_the_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\nb\xe9d\n")
    lines = read_lines(path)
    assert next(lines) == "good"
    with pytest.raises(
        NmtDistillError, match=r"a\.txt, line 2: not valid UTF-8 \(byte 2 of the line is 0xe9\); convert"
    ):
        next(lines)


def test_only_a_byte_order_mark_at_the_head_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\ufeffa\n\ufeffb\n", encoding="utf-8")
    assert read_sentences(tmp_path / "text") == ["a", "\ufeffb"]
    assert list(read_lines(tmp_path / "text")) == ["\ufeffa", "\ufeffb"]


def test_missing_file_and_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"a\.txt does not exist\.$"):
        list(read_lines(tmp_path / "a.txt"))
    with pytest.raises(NmtDistillError, match=r"is a folder, but must be a text file\.$"):
        list(read_lines(tmp_path))


def test_line_break_inside_an_item_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(NmtDistillError, match=r"a\.txt, line 2: the text holds a line break: 'b\\nc'\.$"):
        write_lines(path, ["a", "b\nc"])
    assert names(tmp_path) == []
