from __future__ import annotations

import pytest

from nmt_distill.commands.line_reader import LineReader


class Dribble:
    """A stream that hands out what it is told to, a bit at a time."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks

    def read1(self, size: int, /) -> bytes:
        return self.blocks.pop(0) if self.blocks else b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_blocks(size: int) -> None:
    content = "one\n\ntw\u00f6\r\n\n\u4e2d\u6587 and more\nend".encode()
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    windows = list(LineReader().windows(Dribble(blocks), "here"))
    assert [line for window in windows for line in window] == content.decode().split("\n")


def test_bad_lines_are_counted_across_blocks() -> None:
    reader = LineReader()
    list(reader.windows(Dribble([b"a\nb\n", b"c\n\xff", b"\n\xff"]), "here"))
    assert (reader.num_invalid, reader.first_invalid) == (2, "here, line 4")
