"""Packages through a made-up apt, and what is in them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.corpus.apt import SourceUnavailableError
from nmt_distill.corpus.deb_packages import DebArchive, DebConfig, fetch_deb
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import sha256_of
from tests.debian_packages import write_deb


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What apt was asked, which has one version of every package."""
    questions: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        questions.append(command[4:])
        if command[4] == "download":
            write_deb(options["cwd"] / f"{command[5]}_2_all.deb", {"usr/a": "new"})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(subprocess, "run", run)
    return questions


def test_a_package_is_downloaded_once(tmp_path: Path, asked: list[list[str]]) -> None:
    pinned = DebConfig(package="help-de", sha256=sha256_of(write_deb(tmp_path / "help-de_2_all.deb", {"usr/a": "new"})))
    first = fetch_deb(pinned, cache=tmp_path)
    assert fetch_deb(pinned, cache=tmp_path) == first
    assert first == tmp_path / "debian" / "packages" / "help-de_2_all.deb"
    assert asked == [["update"], ["download", "help-de"]]
    assert DebArchive(first).read("usr/a") == b"new"


def test_a_pinned_file_that_was_put_there_is_taken(tmp_path: Path, asked: list[list[str]]) -> None:
    folder = tmp_path / "debian" / "packages"
    old = write_deb(folder / "help-de_1_all.deb", {"usr/a": "old"})
    write_deb(folder / "help-de-at_1_all.deb", {"usr/a": "another package"})
    assert fetch_deb(DebConfig(package="help-de", sha256=sha256_of(old)), cache=tmp_path) == old
    assert asked == []


def test_another_version_than_the_pinned_one_is_refused(tmp_path: Path, asked: list[list[str]]) -> None:
    message = (
        r"another version of help-de than the pinned one of SHA-256 0{64}: help-de_2_all\.deb of SHA-256 [0-9a-f]{64}\."
    )
    with pytest.raises(NmtDistillError, match=message):
        fetch_deb(DebConfig(package="help-de", sha256="0" * 64), cache=tmp_path)


def test_no_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SourceUnavailableError, match="need apt, which this machine does not have"):
        fetch_deb(DebConfig(package="help-de", sha256="0" * 64), cache=tmp_path)


def test_files_are_read_by_their_paths(tmp_path: Path) -> None:
    files = {"usr/share/a.html": "<p>odd</p>", "usr/share/b.html": "ä"}
    archive = DebArchive(write_deb(tmp_path / "x_1_all.deb", files))
    assert {name: archive.read(name).decode() for name in archive.names()} == files


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"no archive"), r"x_1_all\.deb is no package of Debian; delete it"),
        (lambda path: write_deb(path, {}, data="other.tar.xz"), r"it holds no data\.tar"),
        (lambda path: write_deb(path, {}, data="data.tar.zst"), "packed by zstd, which is not read here"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), r"is damaged \(.*\); delete it and fetch it again"),
    ],
)
def test_what_is_no_package_is_told(tmp_path: Path, damage: Any, message: str) -> None:
    path = write_deb(tmp_path / "x_1_all.deb", {"usr/a": "text" * 500})
    damage(path)
    with pytest.raises(NmtDistillError, match=message):
        DebArchive(path).names()
