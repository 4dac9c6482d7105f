from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from nmt_distill import memory
from nmt_distill.memory import OPT_OUT, keep_freed_memory


class Library:
    """Stands for glibc; notes what it is told."""

    def __init__(self, answer: int = 1) -> None:
        self.told: dict[int, int] = {}
        self.answer = answer

    def mallopt(self, parameter: int, value: int) -> int:
        self.told[parameter] = value
        return self.answer


@pytest.fixture
def glibc(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.delenv(OPT_OUT, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    return library


def test_glibc_is_told_to_keep_what_is_freed(glibc: Library) -> None:
    assert keep_freed_memory()
    # malloc.h: M_TRIM_THRESHOLD -1, M_TOP_PAD -2, M_MMAP_MAX -4
    assert glibc.told == {-1: 2**31 - 1, -2: 64 * 2**20, -4: 0}


def test_refusal_is_told(glibc: Library) -> None:
    glibc.answer = 0
    assert not keep_freed_memory()


def test_environment_can_opt_out(glibc: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPT_OUT, "1")
    assert not keep_freed_memory()
    assert glibc.told == {}


@pytest.mark.parametrize(("system", "libc"), [("darwin", "glibc"), ("win32", ""), ("linux", "musl"), ("linux", "")])
def test_other_systems_are_left_alone(glibc: Library, monkeypatch: pytest.MonkeyPatch, system: str, libc: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    assert not keep_freed_memory()
    assert glibc.told == {}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system has no glibc")
def test_large_blocks_are_no_longer_given_back() -> None:
    """Take and free 64 MiB ten times and count page faults: with the setting the same pages serve each time."""
    program = (
        "import ctypes, resource, sys\n"
        f"from {memory.__name__} import keep_freed_memory\n"
        "keep_freed_memory()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(10):\n"
        "    block = libc.malloc(64 << 20)\n"
        "    ctypes.memset(block, 1, 64 << 20)\n"
        "    libc.free(block)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    faults = {
        opt_out: int(
            subprocess.run(
                [sys.executable, "-c", program],
                env=os.environ | {OPT_OUT: opt_out, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for opt_out in ("", "1")
    }
    assert 3 * faults[""] < faults["1"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system has no glibc")
def test_gaps_between_blocks_are_given_back() -> None:
    """Take 200 blocks of 1 MiB and free every second: the kernel gets those 100 MiB."""
    program = (
        "import ctypes, re\n"
        f"from {memory.__name__} import give_back_freed_memory, keep_freed_memory\n"
        "keep_freed_memory()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]\n"
        "held = lambda: int(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024\n"
        "blocks = [libc.malloc(1 << 20) for _ in range(200)]\n"
        "for block in blocks: ctypes.memset(block, 1, 1 << 20)\n"
        "for block in blocks[::2]: libc.free(block)\n"
        "before = held()\n"
        "print(give_back_freed_memory(), before - held())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != OPT_OUT}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    given, megabytes = done.stdout.split()
    assert given == "True"
    assert 80 < int(megabytes) < 120
