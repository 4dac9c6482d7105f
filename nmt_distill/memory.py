"""What glibc does with freed memory, and what to say where memory runs out.

By default glibc maps each block above 32 MiB at the most anew and unmaps it when it is freed, so every step of a
training on CPU faults its pages in again. With mapping off and a high trim threshold freed blocks stay with the
process. ``benchmarks/allocator.py`` measures what that is worth.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from collections.abc import Iterator

from nmt_distill.errors import NmtDistillError, is_out_of_memory

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc, malloc.h
OPT_OUT = "NMT_DISTILL_DEFAULT_MALLOC"


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks; call it before the first tensor is made.

    Setting the environment variable ``NMT_DISTILL_DEFAULT_MALLOC=1`` leaves the allocator as it is.

    :returns: whether something was changed (only on Linux with glibc)
    """
    if not _is_ours():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1) and mallopt(_TOP_PAD, 64 * 2**20))


def give_back_freed_memory() -> bool:
    """Give the kernel what is freed by now, which takes some hundredths of a second.

    Batches of ever other shapes leave gaps that no later block fits into, so what is kept grows with a training: a
    student of 8.9 million parameters held 8.4 GB after an hour. Every some updates this keeps it near what one needs.

    :returns: whether anything was given back
    """
    return _is_ours() and bool(ctypes.CDLL(None).malloc_trim(0))


@contextlib.contextmanager
def told_where_memory_ends(told: str) -> Iterator[None]:
    """Say what to do where a block runs out of memory.

    :param told: where it ran out and what to set, to follow "memory ran out"
    :raises NmtDistillError: in the place of the error that torch, numpy or CTranslate2 raises
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise NmtDistillError(f"memory ran out {told}") from None


def _is_ours() -> bool:
    is_glibc = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
    return is_glibc and not os.environ.get(OPT_OUT)
