"""Locks between processes, which the system releases when a process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nmt_distill.errors import NmtDistillError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

WRITER_SUFFIX = ".writer"


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Hold a lock file while the block runs.

    :param shared: several may hold it at once, if all of them say so
    :param wait: wait for it
    :returns: False where another process holds it; always True on systems without such locks
    """
    while True:
        with path.open("a", encoding="utf-8") as stream:
            is_ours = _lock(stream, shared=shared, wait=wait)
            if is_ours and os.fstat(stream.fileno()).st_nlink == 0:
                continue  # a sole writer removed it after it was opened here: the next one would open a new file
            yield is_ours
            return


def _lock(stream: IO[str], *, shared: bool, wait: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        pass
    return True


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Keep other processes from writing what shall stand at ``path`` while the block runs.

    The lock file beside it goes away at the end. One that a killed process leaves keeps nobody out, and goes with the
    next writer.

    :raises NmtDistillError: if another process writes it
    """
    lock = _lock_file(path)
    with locked(lock) as is_ours:
        if not is_ours:
            raise NmtDistillError(f"another nmt-distill writes {path}; wait for it, or name another place.")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def remove_writer(path: Path) -> None:
    """Remove what a killed :func:`sole_writer` of ``path`` left; that of a living one stays."""
    lock = _lock_file(path)
    if lock.exists():
        with locked(lock) as is_ours:
            if is_ours:
                lock.unlink(missing_ok=True)


def _lock_file(path: Path) -> Path:
    return path.parent / f".{path.name}{WRITER_SUFFIX}"
