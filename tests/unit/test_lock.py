from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.lock import locked, remove_writer, sole_writer


def test_lock_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as first, locked(path) as second, locked(path, shared=True) as third:
        assert (first, second, third) == (True, False, False)
    with locked(path, shared=True) as first, locked(path, shared=True) as second, locked(path) as third:
        assert (first, second, third) == (True, True, False)
    with locked(path, wait=True) as first:
        assert first


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    hold = (
        "import pathlib, sys; from nmt_distill.lock import locked\n"
        f"with locked(pathlib.Path({str(path)!r})): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with locked(path) as is_ours:
            assert not is_ours
        holder.kill()
        holder.wait()
        with locked(path) as is_ours:
            assert is_ours


def test_a_path_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with sole_writer(path), sole_writer(tmp_path / "other"):
        with pytest.raises(NmtDistillError, match=r"another nmt-distill writes \S*index; wait"), sole_writer(path):
            raise AssertionError
        remove_writer(path)
        assert len(list(tmp_path.iterdir())) == 2, "a lock that is held stays"
    with sole_writer(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_its_holder_removes_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opened it before would hold a lock of which the next one knows nothing."""
    path, flock = tmp_path / "lock", fcntl.flock

    def remove_first(stream: IO[str], operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        flock(stream, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with locked(path) as first, locked(path) as second:
        assert (first, second) == (True, False)
