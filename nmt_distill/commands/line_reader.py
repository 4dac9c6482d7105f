"""Lines out of a stream as they come; bytes that are not UTF-8 are replaced and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from nmt_distill.progress import Job

BLOCK_BYTES = 1 << 19
"""most that is read before what came is answered: some thousand lines"""


class SupportsRead1(Protocol):
    """A stream that hands out what is there without waiting for more."""

    def read1(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, and none at the end."""


class LineReader:
    """Decodes lines; bytes that are not UTF-8 are replaced and counted."""

    def __init__(self) -> None:
        self.num_invalid = 0
        """lines so far that were not valid UTF-8"""
        self.first_invalid = ""
        """where the first of them stands"""

    def decode(self, lines: list[bytes], where: str, start: int) -> list[str]:
        """Return lines as text.

        :param where: what the lines come from
        :param start: number of the first line
        """
        texts = []
        for number, line in enumerate(lines, start=start):
            try:
                texts.append(line.decode())
            except UnicodeDecodeError:
                texts.append(line.decode(errors="replace"))
                self.num_invalid += 1
                self.first_invalid = self.first_invalid or f"{where}, line {number}"
        return texts

    def windows(self, stream: SupportsRead1, where: str, running: Job | None = None) -> Iterator[list[str]]:
        """Yield the lines of a stream in windows: all whole lines that are there.

        :param where: what the lines come from
        :param running: is told how many kB came
        """
        start = 1
        pending: list[bytes] = []
        while block := stream.read1(BLOCK_BYTES):
            complete, line_end, rest = block.rpartition(b"\n")
            if line_end:
                lines = b"".join([*pending, complete]).split(b"\n")
                yield self.decode(lines, where, start)
                start += len(lines)
                pending = []
            pending.append(rest)
            if running is not None:
                running.advance(len(block) / 1000)
        if last := b"".join(pending):
            yield self.decode([last], where, start)
