"""What all formats share: a text, the slots in it that hold what is to be translated, and the bytes they came from.

A slot that comes back as it was is not touched, so a translator that changes nothing gives back the same bytes.
"""

from __future__ import annotations

import codecs
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nmt_distill.errors import NmtDistillError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class DocumentError(NmtDistillError):
    """A file that is not of its format.

    :param line: where, from 1; 0 where nobody knows
    """

    def __init__(self, path: Path, line: int, problem: str) -> None:
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: {problem}; the file is left as it is.")


class Document(Protocol):
    """A file of some format."""

    markdown: bool
    """whether the segments are marked up as in Markdown"""

    @property
    def segments(self) -> Sequence[str]:
        """What is to be translated, in order."""

    def line_of(self, number: int) -> int:
        """Return the line, from 1, in which a segment begins, by its place among all."""

    def render(self, translations: Sequence[str]) -> bytes:
        """Return the file with one translation for each segment."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Text, and how it stood in its file."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""
    """the byte order mark in front of it"""
    errors: str = "strict"
    """what becomes of characters that the encoding lacks, as Python names it"""

    def encode(self, text: str) -> bytes:
        """Return another text as the file would hold it."""
        return self.mark + text.encode(self.encoding, self.errors)


def decode(content: bytes, path: Path) -> Encoded:
    """Read bytes as UTF-8, or as UTF-16 where their mark says so.

    :raises DocumentError: if that they are not
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        return Encoded(text=content[len(mark) :].decode(encoding), encoding=encoding, mark=mark)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            path, line, f"not valid {encoding.upper()}; convert the file, for example with iconv"
        ) from None


Stretch = Callable[[int, int], str]
"""what has become of a text between two of its places"""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A stretch of a text that holds something to translate."""

    start: int
    end: int
    segment: str
    """what is to be translated: no quotes, no escapes"""
    write: Callable[[str], str] = str
    """turns a translation into what stands in the text"""
    write_around: Callable[[str, Stretch], str] | None = None
    """the same where the slot holds others: also given what a stretch of the text has become"""
    always: bool = False
    """whether it is written even if the translation is what was to be translated: the place of a missing one"""


@dataclass(kw_only=True)
class SlottedDocument:
    """A text with slots; one may hold others, which then keep their place in it."""

    source: Encoded
    slots: list[Slot]
    markdown: bool = False

    @property
    def segments(self) -> Sequence[str]:
        """What is to be translated, in order."""
        return [slot.segment for slot in self.slots]

    def line_of(self, number: int) -> int:
        """Return the line, from 1, in which the slot of a segment begins."""
        return self.source.text.count("\n", 0, self.slots[number].start) + 1

    def render(self, translations: Sequence[str]) -> bytes:
        """Return the file with one translation for each segment."""
        numbers = sorted(range(len(self.slots)), key=lambda number: (self.slots[number].start, -self.slots[number].end))
        starts = [self.slots[number].start for number in numbers]

        def stretch(start: int, end: int, outer: int | None = None) -> str:
            parts: list[str] = []
            position = start
            for place in range(bisect_left(starts, start), bisect_left(starts, end + 1)):
                slot = self.slots[numbers[place]]
                if position <= slot.start and slot.end <= end and numbers[place] != outer:
                    parts += [self.source.text[position : slot.start], written(numbers[place])]
                    position = slot.end
            return "".join([*parts, self.source.text[position:end]])

        def written(number: int) -> str:
            slot = self.slots[number]
            if translations[number] == slot.segment and not slot.always:
                return stretch(slot.start, slot.end, number)
            if slot.write_around is not None:
                return slot.write_around(translations[number], stretch)
            return slot.write(translations[number])

        return self.source.encode(stretch(0, len(self.source.text)))


def constant(text: str) -> Callable[[str], str]:
    """Make a slot's ``write`` that writes the same whatever comes."""
    return lambda _: text
