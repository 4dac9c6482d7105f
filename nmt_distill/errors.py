"""The one family of errors that a person is meant to read."""

from __future__ import annotations

import errno
from collections.abc import Sequence

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""what the messages of a processor's allocator, CUDA and its libraries hold"""


class NmtDistillError(Exception):
    """What is wrong, where (file, line, key) and what to do about it, in one line.

    The command line prints it to standard error and exits with :attr:`exit_status`; ``--debug`` adds the trace.
    """

    exit_status = 2


class RecipeError(NmtDistillError):
    """Every fault of a recipe at once.

    :param where: the file or override that holds the recipe
    :param faults: one sentence each, which begins with the dotted path of its key
    """

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        if len(self.faults) == 1:
            message = f"{where} has 1 fault: {self.faults[0]}"
        else:
            numbered = (f"({number}) {fault}" for number, fault in enumerate(self.faults, start=1))
            message = f"{where} has {len(self.faults)} faults: {'; '.join(numbered)}"
        super().__init__(message)


class QualityBoundError(NmtDistillError):
    """Everything ran, but a promised quality (parity, an int8 drop, ``--strict``) was missed."""

    exit_status = 3


def system_problem(error: BaseException, *, has_out: bool) -> str | None:
    """Say what the system could not do, and what to do about it; None where it is no matter of disk, path or memory.

    :param has_out: whether the command has ``--out``, whose folder keeps what is done so far
    """
    if path := _path_problem(error):
        return f"{path}; name another place."
    if disk := _disk_problem(error):
        remedy = "name another folder with --out. Nothing is lost." if has_out else "name another place."
        return f"{disk}; make room or {remedy}"
    if is_out_of_memory(error):
        return (
            "memory ran out; end other programs, or choose a smaller model, a lower precision or another device. "
            "What was finished is kept."
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch, numpy or CTranslate2 found no memory, on the processor or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def _path_problem(error: BaseException) -> str | None:
    """Say of a path what the system says of it, where a file or a folder stands in the way of the other."""
    if not isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError | PermissionError):
        return None
    path = error.filename2 or error.filename
    return f"{path} cannot be used: {error.strerror}" if path else None


def _disk_problem(error: BaseException | None) -> str | None:
    """Say what disk or permission stands behind an error, which libraries wrap in errors of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EFBIG,
            errno.EACCES,
            errno.EROFS,
        ):
            return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
        if "No space left on device" in str(error):
            return "No space left on device"
        error = error.__cause__ or error.__context__
    return None
