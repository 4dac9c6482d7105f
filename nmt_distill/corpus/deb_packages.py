"""Debian's packages as archives of data: fetched through apt, checked, read member by member, never installed."""

from __future__ import annotations

import fcntl
import io
import lzma
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from nmt_distill.configuration.constraints import Matches
from nmt_distill.corpus.apt import run_apt
from nmt_distill.corpus.wheels import wheel_cache
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import sha256_of
from nmt_distill.progress import say

SETTINGS = 'Acquire::Languages "none";\n'
"""apt fetches the lists of packages, and no descriptions"""
MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
"""of a member of an ar archive"""


@dataclass(frozen=True, kw_only=True)
class DebConfig:
    """One package of Debian, pinned by its hash."""

    package: Annotated[str, Matches(r"[a-z0-9][a-z0-9+.-]+", "the name of a package")]
    """its name"""
    sha256: Annotated[str, Matches(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
    """SHA-256 of the file in hexadecimal; if it differs from that of the mirror's version, a message says so"""

    def __str__(self) -> str:
        return self.package


def fetch_deb(config: DebConfig, *, cache: Path | None = None) -> Path:
    """Return the path of a package, which is downloaded if the cache does not hold it yet.

    A file that is put into ``debian/packages`` of the cache by hand is as good.

    :param cache: the folder that keeps wheels and packages, by default :func:`wheel_cache`
    :raises SourceUnavailableError: if there is no apt, or it cannot download
    :raises NmtDistillError: if the mirror has another file than the pinned one
    """
    folder = (wheel_cache() if cache is None else cache).absolute() / "debian"
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    with (folder / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (found := _found(config, packages)) is not None:
            return found
        say(f"Downloading the package {config} through apt ...")
        index = folder / "index"
        run_apt("update", folder=index, settings=SETTINGS, what="Lists of packages")
        partial = packages / ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        run_apt("download", config.package, folder=index, settings=SETTINGS, what=f"Files of {config}", at=partial)
        for path in partial.glob("*.deb"):
            path.replace(packages / path.name)
        shutil.rmtree(partial)
        if (found := _found(config, packages)) is None:
            raise NmtDistillError(
                f"The mirror has another version of {config} than the pinned one of SHA-256 {config.sha256}: "
                f"{_newest(config, packages)}. Debian's packages change with its releases: put the pinned file into "
                f"{packages}, or give the new SHA-256, whose text may differ."
            )
        return found


def _files_of(config: DebConfig, folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{config.package}_*.deb"), key=lambda path: path.stat().st_mtime, reverse=True)


def _found(config: DebConfig, folder: Path) -> Path | None:
    return next((path for path in _files_of(config, folder) if sha256_of(path) == config.sha256), None)


def _newest(config: DebConfig, folder: Path) -> str:
    files = _files_of(config, folder)
    return f"{files[0].name} of SHA-256 {sha256_of(files[0])}" if files else "none"


class DebArchive:
    """The files of a package, read into memory where they are asked for."""

    def __init__(self, path: Path) -> None:
        """Name the package; nothing is read yet."""
        self.path = path

    @cached_property
    def _members(self) -> dict[str, bytes]:
        try:
            with tarfile.open(fileobj=io.BytesIO(_data_of(self.path))) as archive:
                found = {}
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        found[member.name.removeprefix("./")] = stream.read()
                return found
        except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise NmtDistillError(f"{self.path} is damaged ({error}); delete it and fetch it again.") from None

    def names(self) -> list[str]:
        """Return the paths of all files in it, as they would be installed, without the first slash."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        return self._members[name]


def _data_of(path: Path) -> bytes:
    for name, content in _members_of(path):
        if name.startswith("data.tar"):
            if name.endswith(".zst"):
                raise NmtDistillError(
                    f"{path} is packed by zstd, which is not read here; take the package of Debian, which packs by xz."
                )
            return content
    raise NmtDistillError(f"{path} is no package of Debian: it holds no data.tar; delete it and fetch it again.")


def _members_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the members of an ar archive: after the magic a header of 60 bytes each, then its bytes, evenly padded."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise NmtDistillError(f"{path} is no package of Debian; delete it and fetch it again.")
        while len(header := stream.read(HEADER_BYTES)) == HEADER_BYTES:
            size = int(header[48:58])
            content = stream.read(size)
            if len(content) < size:
                raise EOFError("its end is missing")
            yield header[:16].decode("ascii", "replace").strip().rstrip("/"), content
            stream.seek(size % 2, io.SEEK_CUR)
