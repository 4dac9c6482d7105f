"""Pipes that never block, last words, and an end for all that was started."""

from __future__ import annotations

import os
import selectors
import time

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.command.child_process import ChildProcess


def move_until_the_end(child: ChildProcess) -> None:
    while not child.has_ended:
        with selectors.PollSelector() as selector:
            child.register(selector)
            for key, _ in selector.select(60):
                key.data()


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    content = b"".join(b"%d\n" % number for number in range(100_000))
    child = ChildProcess(["cat"])
    child.write(content)
    child.end_input()
    move_until_the_end(child)
    assert b"".join(line + b"\n" for line in child.take_lines()) == content
    assert child.reap() == 0


def test_lines_are_given_out_when_they_are_whole() -> None:
    child = ChildProcess(["printf", r"one\ntwo\n\nthree"])
    move_until_the_end(child)
    assert child.take_lines() == [b"one", b"two", b""]
    assert child.take_lines() == []
    assert child.take_lines(with_rest=True) == [b"three"]
    assert child.take_lines(with_rest=True) == []
    assert child.reap() == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo one >&2; echo ' two ' >&2; echo >&2", "two"),
        ("printf 'l\\344st' >&2", "l\ufffdst"),
        ("", ""),
        ("head -c 9000 /dev/zero | tr '\\0' x >&2", "x" * 300),
    ],
)
def test_last_words_are_one_line(script: str, words: str) -> None:
    child = ChildProcess(["sh", "-c", f"{script}\nexit 3"])
    move_until_the_end(child)
    assert child.reap() == 3
    assert child.last_words() == words


def test_a_program_that_reads_nothing_can_be_written_to() -> None:
    child = ChildProcess(["sh", "-c", "exec <&-; echo ready; read line; kill -9 $$"])
    child.write(b"x\n" * 1_000_000)
    move_until_the_end(child)
    child.write(b"more\n")
    assert child.take_lines() == [b"ready"]
    assert child.reap() == -9


def test_what_it_started_ends_with_it() -> None:
    child = ChildProcess(["sh", "-c", "sleep 60 & echo $!; wait"])
    lines: list[bytes] = []
    while not lines:
        with selectors.PollSelector() as selector:
            child.register(selector)
            for key, _ in selector.select(60):
                key.data()
        lines = child.take_lines()
    child.kill()
    child.kill()
    for _ in range(1000):  # nobody but init waits for it: it may be dead and still counted for a moment
        if not is_running(int(lines[0])):
            break
        time.sleep(0.01)
    assert not is_running(int(lines[0]))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            return stream.read().split(")")[-1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_program_that_cannot_be_started_is_told() -> None:
    with pytest.raises(
        NmtDistillError, match=r"^The command `/nowhere` cannot be started: No such file or directory\.$"
    ):
        ChildProcess(["/nowhere"])
