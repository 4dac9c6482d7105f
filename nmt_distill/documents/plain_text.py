"""Plain text, a segment a line, and one column of a table whose cells are separated by tabs."""

from __future__ import annotations

from pathlib import Path

from nmt_distill.documents.document import DocumentError, Slot, SlottedDocument, decode


def read_text(content: bytes, path: Path) -> SlottedDocument:
    """Read lines; only LF ends one."""
    source = decode(content, path)
    slots = []
    position = 0
    for line in source.text.split("\n"):
        slots.append(Slot(start=position, end=position + len(line), segment=line))
        position += len(line) + 1
    return SlottedDocument(source=source, slots=slots)


def read_table(content: bytes, path: Path, column: str) -> SlottedDocument:
    """Read one column of a table.

    :param column: its number from 1, or its name in the first line, which is then no data
    :raises DocumentError: if a line has no such column
    """
    source = decode(content, path)
    lines = source.text.split("\n")
    if column.isdecimal():
        index, first = int(column) - 1, 0
    else:
        names = lines[0].removesuffix("\r").split("\t")
        if column not in names:
            raise DocumentError(path, 1, f"`{column}` must be a column, but there are {', '.join(names)}")
        index, first = names.index(column), 1
    slots = []
    position = 0
    for number, line in enumerate(lines):
        cells = line.removesuffix("\r").split("\t")
        if number >= first and line.strip("\r"):
            if not 0 <= index < len(cells):
                raise DocumentError(path, number + 1, f"there is no column {column}: it has {len(cells)}")
            start = position + sum(len(cell) + 1 for cell in cells[:index])
            slots.append(Slot(start=start, end=start + len(cells[index]), segment=cells[index]))
        position += len(line) + 1
    return SlottedDocument(source=source, slots=slots)
