"""What a command says: its words, and the files that they name."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from nmt_distill.errors import NmtDistillError


def split_command(command: str) -> list[str]:
    """Split a command into program and arguments, as a shell would.

    :raises NmtDistillError: if it cannot be read, or there is no such program
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise NmtDistillError(f"teacher.command `{command}` cannot be read: {error}.") from None
    if not words:
        raise NmtDistillError("teacher.command must be a program and its arguments, but is empty.")
    if shutil.which(words[0]) is None:
        raise NmtDistillError(f"teacher.command: there is no program `{words[0]}`; give its path, or mend PATH.")
    return words


def named_files(words: Sequence[str]) -> list[Path]:
    """Return the files that the words of a command name, as ``x`` or as ``--option=x``."""
    paths = (Path(text) for word in words for text in dict.fromkeys((word, word.partition("=")[2])) if text)
    return [path for path in paths if path.is_file()]


def files_of(command: str) -> list[Path]:
    """Return the files that a command names; of one that cannot be read none, which is told when it is wanted."""
    try:
        return named_files(split_command(command))
    except NmtDistillError:
        return []
