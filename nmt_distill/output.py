"""What a command writes: a file, a device or a folder, and whether that can come to stand there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, remove_partials, text_options
from nmt_distill.lock import sole_writer


@contextlib.contextmanager
def output_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open where a command's output goes: a device or a pipe is written into, and all else is an :func:`atomic_file`.

    A link stays, and what it names is written. A file that standard output goes to, as ``/dev/stdout`` may name it, is
    written on where that stands. What a killed command left of the same output goes away.

    :param mode: as that of :func:`atomic_file`
    :raises NmtDistillError: if another process writes it
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open(mode, **text_options(mode)) as stream:
            yield stream
    elif _is_standard_output(path):
        with os.fdopen(os.dup(1), mode, **text_options(mode)) as stream:
            yield stream
    else:
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with sole_writer(path):
            remove_partials(path)
            with atomic_file(path, mode) as stream:
                yield stream


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:  # one of them is not there
        return False


def flush_output() -> None:
    """Write out what standard output still holds.

    :raises OSError: if that cannot be; Python does not try again, and complain, at its end
    """
    if sys.stdout is None:  # closed by who started us
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Tell before the work whether a file can come to stand somewhere.

    :param inputs: files that are read, in whose place it must not come
    :raises NmtDistillError: if it is one of them, or a folder, or lies below a file
    """
    if path.is_file() and any(file.exists() and path.samefile(file) for file in inputs):
        raise NmtDistillError(f"{path} would be written over while it is read; name another file for the output.")
    if path.is_dir():
        raise NmtDistillError(f"{path} is a folder, but must be a file, or a name that is not there yet.")
    _check_above(path)


def check_output_folder(path: Path) -> None:
    """Tell before the work whether a folder can come to stand somewhere.

    :raises NmtDistillError: if it is a file, or lies below one, or in a folder that nothing may be written into
    """
    if path.exists() and not path.is_dir():
        raise NmtDistillError(f"{path} is a file, but must be a folder, or a name that is not there yet.")
    _check_above(path)
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path())
    if not os.access(there, os.W_OK):
        raise NmtDistillError(f"{path} cannot be written, because {there} is read-only; name another place.")


def check_replaceable(folder: Path, is_own: Callable[[str], bool]) -> None:
    """Tell before the work whether a folder may be replaced.

    :param is_own: whether a file of that name is what was written there before
    :raises NmtDistillError: if something else lies in it, which would be lost
    """
    if strangers := sorted(path.name for path in folder.iterdir() if not is_own(path.name)):
        raise NmtDistillError(
            f"{folder} holds {strangers[0]} too, which would be lost; move it, or name another folder."
        )


def _check_above(path: Path) -> None:
    above = next((folder for folder in path.parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise NmtDistillError(f"{path} cannot be written, because {above} is a file; name another place.")
