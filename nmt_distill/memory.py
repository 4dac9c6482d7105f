"""Keep glibc from giving every large tensor back to the kernel.

By default glibc maps each block above 32 MiB at the most anew and unmaps it when it is freed, so every step of a
training on CPU faults its pages in again. With mapping off and a high trim threshold freed blocks stay with the
process. ``benchmarks/allocator.py`` measures what that is worth.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc, malloc.h
OPT_OUT = "NMT_DISTILL_DEFAULT_MALLOC"


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks; call it before the first tensor is made.

    Setting the environment variable ``NMT_DISTILL_DEFAULT_MALLOC=1`` leaves the allocator as it is.

    :returns: whether something was changed (only on Linux with glibc)
    """
    if os.environ.get(OPT_OUT) or not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1) and mallopt(_TOP_PAD, 64 * 2**20))
