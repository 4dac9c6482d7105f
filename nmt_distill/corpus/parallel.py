"""Text files as sources: line-aligned pairs, tab-separated pairs, and one sentence per line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines
from nmt_distill.languages import Direction
from nmt_distill.translation.sentences import sentences_of


def read_line_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Yield line N of one file with line N of the other.

    :raises NmtDistillError: if the files have unequal numbers of lines, or are empty
    """
    number = 0
    for number, (left, right) in enumerate(zip_longest(read_lines(source), read_lines(target)), start=1):
        if left is None or right is None:
            shorter, longer = (source, target) if left is None else (target, source)
            raise NmtDistillError(
                f"{shorter} has {counted(number - 1, 'line')}, but {longer} has more; line N of one must translate "
                "line N of the other: find where they part."
            )
        yield left, right
    if not number:
        raise NmtDistillError(f"{source} and {target} are empty.")


def read_tsv(path: Path, *, source_column: int = 1, target_column: int = 2) -> Iterator[tuple[str, str]]:
    """Yield two columns of a tab-separated file.

    :param source_column: counted from 1
    :param target_column: counted from 1
    :raises NmtDistillError: if a line has too few columns, or the file is empty
    """
    needed = max(source_column, target_column)
    number = 0
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) < needed:
            raise NmtDistillError(
                f"{path}, line {number}: has {counted(len(columns), 'column')} between tabs, but must have {needed} or "
                "more."
            )
        yield columns[source_column - 1], columns[target_column - 1]
    if not number:
        raise NmtDistillError(f"{path} is empty.")


def read_text(path: Path) -> Iterator[str]:
    """Yield the lines of a text file.

    :raises NmtDistillError: if the file is empty
    """
    is_empty = True
    for line in read_lines(path):
        is_empty = False
        yield line
    if is_empty:
        raise NmtDistillError(f"{path} is empty.")


def sentence_pairs(pairs: Iterable[tuple[str, str | None]], direction: Direction) -> Iterator[tuple[str, str | None]]:
    """Cut pairs of paragraphs into pairs of sentences where both sides have as many; others stay whole."""
    for source, target in pairs:
        if target is None:
            yield source, None
            continue
        sources = [sentence.strip() for sentence in sentences_of(source, direction.source)]
        targets = [sentence.strip() for sentence in sentences_of(target, direction.target)]
        if len(sources) == len(targets):
            yield from zip(sources, targets, strict=True)
        else:
            yield source, target


def without_accelerators(pairs: Iterable[tuple[str, str | None]], marks: str) -> Iterator[tuple[str, str | None]]:
    """Take the mark before the letter under which a menu can be reached out of texts that have one such mark."""
    mark = re.compile(rf"([{re.escape(marks)}])(?=[^\W\d_])")

    def plain(text: str) -> str:
        return mark.sub("", text) if len(mark.findall(text)) == 1 else text

    for source, target in pairs:
        yield plain(source), None if target is None else plain(target)
