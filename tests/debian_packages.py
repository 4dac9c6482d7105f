"""Packages of Debian that tests write: an ar archive of a version, of what concerns the installer, and of the files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_deb(path: Path, files: Mapping[str, str | bytes], *, data: str = "data.tar.xz") -> Path:
    """Write a package that holds files at paths without a first slash; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _tar({"control": f"Package: {path.name.partition('_')[0]}\n"}),
        data: _tar(files),
    }
    with path.open("wb") as stream:
        stream.write(b"!<arch>\n")
        for name, content in members.items():
            stream.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            stream.write(content + b"\n" * (len(content) % 2))
    return path


def _tar(files: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        folder = tarfile.TarInfo("./usr")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
