"""What is to be labelled, and how it is cut into shards."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines

Pair = tuple[str, str | None]
"""a source and its human translation, if any"""


@dataclass(frozen=True)
class SourceText:
    """What is to be labelled."""

    sources: Path
    """one sentence a line"""
    references: Path | None
    """human translations, line by line, or None"""


def read_sources(texts: Sequence[SourceText]) -> Iterator[Pair]:
    """Yield (source, human translation or None) of all texts.

    :raises NmtDistillError: if a source and its translations have not the same number of lines
    """
    for text in texts:
        references = iter(read_lines(text.references)) if text.references else None
        number = 0
        for number, source in enumerate(read_lines(text.sources), start=1):
            if references is None:
                yield source, None
                continue
            reference = next(references, None)
            if reference is None:
                raise NmtDistillError(
                    f"{text.references} ends after line {number - 1}, but {text.sources} goes on; "
                    "they must have as many lines: run `prepare-data` again."
                )
            yield source, reference
        if references is not None and next(references, None) is not None:
            raise NmtDistillError(
                f"{text.references} goes on after line {number}, the last of {text.sources}; "
                "they must have as many lines: run `prepare-data` again."
            )


@dataclass(frozen=True)
class Share:
    """What falls to one of several processes that label one corpus: every ``num_shards``-th shard of the store."""

    num_shards: int = 1
    """how many processes there are"""
    shard_idx: int = 0
    """which of them this is, from 0"""

    def place(self, index: int) -> int:
        """Return the number, in the store, of the share's shard with this number."""
        return self.shard_idx + index * self.num_shards


def shard_texts(texts: Sequence[SourceText], shard_sentences: int, share: Share | None = None) -> Iterator[list[Pair]]:
    """Yield what stands in each shard of a store, or of a share of it.

    :param shard_sentences: sentences of one shard
    """
    share = share or Share()
    lines = read_sources(texts)
    parts = iter(lambda: list(islice(lines, shard_sentences)), [])
    return islice(parts, share.shard_idx, None, share.num_shards)


def count_words(text: str) -> int:
    """Count words, and each wide character as one, since Chinese and Japanese put no spaces between words."""
    num_wide = sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)
    return len(text.split()) + num_wide
