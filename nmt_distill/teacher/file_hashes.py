"""Hashes of large files, kept so that a file is read once and not by every command that looks at its run."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from nmt_distill.corpus.wheels import wheel_cache
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json, sha256_of, write_json
from nmt_distill.lock import locked

CACHE_NAME = "hashes.json"
"""file beside the wheels: the path of a file to its size, times, inode and SHA-256"""
MIN_BYTES = 1 << 20
"""smaller files are hashed every time"""
SETTLED_SECONDS = 2.0
"""a file that was changed more lately may change again within the clock of its disk, and is not kept"""


def decides(path: Path) -> bool:
    """Whether a file in a model's folder decides about its answers; its card, its licence and hidden files do not."""
    return path.is_file() and path.suffix.lower() != ".md" and not path.name.startswith((".", "LICENSE"))


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, reading it only if it is not known.

    What is known holds as long as the file has its size, inode and both its times to the nanosecond. Processes may do
    this side by side; where the cache cannot be written files are hashed every time.
    """
    stamp = _stamp(path.stat())
    if stamp[0] < MIN_BYTES:
        return sha256_of(path)
    cache, key = wheel_cache() / CACHE_NAME, str(path.resolve())
    known = _read(cache).get(key)
    if isinstance(known, list) and known[:-1] == stamp:
        return str(known[-1])
    digest = sha256_of(path)
    status = path.stat()
    if _stamp(status) == stamp and time.time() - max(status.st_mtime, status.st_ctime) > SETTLED_SECONDS:
        _keep(cache, key, [*stamp, digest])
    return digest


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(cache: Path) -> dict[str, Any]:
    try:
        content = read_json(cache)
    except (NmtDistillError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(cache: Path, key: str, entry: list[Any]) -> None:
    """Keep a hash, and forget those of files that are gone."""
    with contextlib.suppress(OSError):  # a cache that cannot be written
        cache.parent.mkdir(parents=True, exist_ok=True)
        with locked(cache.with_suffix(".lock"), wait=True):
            known = {path: kept for path, kept in _read(cache).items() if Path(path).is_file()}
            write_json(cache, known | {key: entry})
