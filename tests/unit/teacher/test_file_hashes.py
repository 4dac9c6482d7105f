from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from nmt_distill.teacher import file_hashes
from nmt_distill.teacher.file_hashes import CACHE_NAME, MIN_BYTES, known_sha256

CONTENT = bytes(range(256)) * (MIN_BYTES // 256)
LONG_AGO = 1_000_000_000


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_hashes, "SETTLED_SECONDS", -1.0)
    return tmp_path / "cache" / CACHE_NAME


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read in whole."""
    names: list[str] = []

    def note(path: Path) -> str:
        names.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(file_hashes, "sha256_of", note)
    return names


def write(path: Path, content: bytes = CONTENT) -> str:
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return hashlib.sha256(content).hexdigest()


def test_file_is_read_once(tmp_path: Path, cache: Path, read: list[str]) -> None:
    digest = write(tmp_path / "model")
    assert [known_sha256(tmp_path / "model") for _ in range(3)] == [digest] * 3
    assert read == ["model"]
    assert list(json.loads(cache.read_text())) == [str(tmp_path / "model")]
    (tmp_path / "link").symlink_to(tmp_path / "model")
    assert known_sha256(tmp_path / "link") == digest
    assert read == ["model"]


def test_changed_file_is_read_again(tmp_path: Path, cache: Path, read: list[str]) -> None:
    path = tmp_path / "model"
    write(path)
    known_sha256(path)
    for content in (CONTENT + b"!", CONTENT[:-1] + b"?", CONTENT[::-1]):  # the last keeps size and time of change
        time.sleep(0.05)  # the clock of the disk ticks slowly
        assert known_sha256(path) != write(path, content) == known_sha256(path)
    assert len(read) == 4
    os.utime(path, (LONG_AGO, LONG_AGO + 1))
    known_sha256(path)
    assert len(read) == 5, "another time, the same content"


def test_another_file_in_its_place_is_read(tmp_path: Path, cache: Path, read: list[str]) -> None:
    write(tmp_path / "model")
    known_sha256(tmp_path / "model")
    digest = write(tmp_path / "new", CONTENT[::-1])
    (tmp_path / "new").replace(tmp_path / "model")
    assert known_sha256(tmp_path / "model") == digest


def test_small_files_are_not_kept(tmp_path: Path, cache: Path, read: list[str]) -> None:
    digest = write(tmp_path / "config.json", CONTENT[:-1])
    assert known_sha256(tmp_path / "config.json") == known_sha256(tmp_path / "config.json") == digest
    assert len(read) == 2
    assert not cache.exists()


def test_file_that_has_just_changed_is_not_kept(
    tmp_path: Path, cache: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "SETTLED_SECONDS", 2.0)
    write(tmp_path / "model")
    known_sha256(tmp_path / "model")
    assert not cache.exists()
    later = time.time() + 10
    monkeypatch.setattr(time, "time", lambda: later)
    known_sha256(tmp_path / "model")
    known_sha256(tmp_path / "model")
    assert len(read) == 2


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"PATH": 1}', '{"PATH": []}', '{"PATH": [1, 2, 3, 4, "0"]}', "\x00"]
)
def test_damaged_cache_is_made_again(tmp_path: Path, cache: Path, read: list[str], damage: str) -> None:
    digest = write(tmp_path / "model")
    cache.parent.mkdir()
    cache.write_text(damage.replace("PATH", str(tmp_path / "model")))
    assert [known_sha256(tmp_path / "model") for _ in range(2)] == [digest] * 2
    assert read == ["model"]


def test_cache_that_cannot_be_written(tmp_path: Path, cache: Path, read: list[str]) -> None:
    digest = write(tmp_path / "model")
    cache.parent.write_text("a file where the folder should be")
    assert [known_sha256(tmp_path / "model") for _ in range(2)] == [digest] * 2
    assert read == ["model", "model"]


def test_files_that_are_gone_are_forgotten(tmp_path: Path, cache: Path, read: list[str]) -> None:
    for name in ("one", "two"):
        write(tmp_path / name)
        known_sha256(tmp_path / name)
    (tmp_path / "one").unlink()
    write(tmp_path / "three")
    known_sha256(tmp_path / "three")
    assert sorted(Path(path).name for path in json.loads(cache.read_text())) == ["three", "two"]


def test_side_by_side_nothing_is_lost(tmp_path: Path, cache: Path) -> None:
    digests = {name: write(tmp_path / name, CONTENT + name.encode()) for name in "abcdefgh"}
    threads = [threading.Thread(target=known_sha256, args=(tmp_path / name,)) for name in digests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {Path(path).name: entry[-1] for path, entry in json.loads(cache.read_text()).items()}
    assert kept == digests
