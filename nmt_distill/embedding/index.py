"""An index of sentences: their text, their vectors, and whose nearest are found exactly or nearly so.

A folder with ``lines.txt``, a store of :mod:`.vectors`, where it is wanted ``approximate.usearch``, and checksums.
Whatever a search reads is compared with these first, once for each :class:`SentenceIndex`: usearch ends the whole
process over a damaged graph, and damaged vectors answer wrongly without a word. To hash vectors takes a fifth of the
time in which one query is compared with them; a search through the graph leaves them alone. An index that is made anew
while one is open is told by the same sums; the text is mapped at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.embedding.encoder import SentenceEncoder, check_full
from nmt_distill.embedding.student_vectors import scaled_to_one
from nmt_distill.embedding.vectors import HEADER_NAME, Vectors, VectorStore, read_header, shard_path, write_vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, map_file, read_lines, sha256_of, write_lines
from nmt_distill.output import check_output_folder, check_replaceable
from nmt_distill.progress import job
from nmt_distill.translation.model_folder import (
    CHECKSUMS_FILE,
    read_checksums,
    verify_checksums,
    write_checksums,
)

LINES_NAME = "lines.txt"
APPROXIMATE_NAME = "approximate.usearch"
SHARD_SENTENCES = 65_536
ROWS_AT_ONCE = 16_384
"""vectors that are in memory at once as float32"""
ROWS_AT_ONCE_IN_GRAPH = 1024
"""vectors that usearch adds in one call, without a word on its progress"""
QUERIES_AT_ONCE = 128
"""queries whose cosines to these are in memory at once"""
TEXT_AT_ONCE = 1 << 24
"""bytes of the text that are searched for line ends at once"""
LF = ord("\n")
REMEDY = "make the index again"


@dataclass(frozen=True)
class Hit:
    """A sentence that was found."""

    line: int
    """its number, from 1"""
    score: float
    """its cosine with the query"""
    text: str


def make_index(folder: Path, lines: Iterable[str], encoder: SentenceEncoder, *, approximate: bool = False) -> int:
    """Embed lines and write their index, which appears whole or not at all; return how many lines it has.

    :param approximate: build a graph too, through which a search looks at some vectors only
    :raises NmtDistillError: if something stands there that is no index, a line is empty or holds an LF, usearch is
        missing, or there is no room for its graph
    """
    check_index_folder(folder)
    if approximate:
        load_usearch()
    with atomic_folder(folder) as partial:
        count = write_lines(partial / LINES_NAME, _full_lines(lines))
        if count == 0:
            raise NmtDistillError(f"{folder} would be empty: there is no line to embed.")
        with job("embed", total=count) as running:
            header = write_vectors(
                partial,
                read_lines(partial / LINES_NAME),
                lambda part: scaled_to_one(encoder.embed(part)),
                teacher=encoder.fingerprint,
                corpus=sha256_of(partial / LINES_NAME),
                shard_sentences=SHARD_SENTENCES,
                advance=running.advance,
            )
        if approximate:
            _write_graph(partial, header.dim, threads=encoder.threads)
        write_checksums(partial)
    return header.num_vectors


def check_index_folder(folder: Path) -> None:
    """Tell before the work whether an index can come to stand somewhere.

    :raises NmtDistillError: if something stands there that is no index, or is no part of one
    """
    check_output_folder(folder)
    if not folder.exists():
        return
    if not _is_index(folder):
        raise NmtDistillError(f"{folder} exists, but is no index; name another folder.")
    parts = (LINES_NAME, HEADER_NAME, APPROXIMATE_NAME, CHECKSUMS_FILE)
    check_replaceable(folder, lambda name: name in parts or name.startswith("vectors-"))


def _full_lines(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        check_full(line, number)
        yield line


def _is_index(folder: Path) -> bool:
    """Tell whether a folder holds an index; text that somebody calls ``lines.txt`` alone makes none."""
    return all((folder / name).is_file() for name in (LINES_NAME, HEADER_NAME))


def _write_graph(folder: Path, dim: int, *, threads: int) -> None:
    graph, store = load_usearch()(ndim=dim, metric="cos", dtype="f16"), VectorStore(folder)
    with job("graph", total=len(store)) as running:
        for shard in store.shards:
            for start in range(0, len(shard), ROWS_AT_ONCE_IN_GRAPH):
                rows = np.ascontiguousarray(shard[start : start + ROWS_AT_ONCE_IN_GRAPH])
                try:
                    graph.add(np.arange(len(graph), len(graph) + len(rows)), rows, threads=threads)
                except RuntimeError as error:
                    if "terminated" in str(error):  # all that usearch says of Ctrl-C
                        raise KeyboardInterrupt from None
                    raise
                running.advance(len(rows))
    path = folder / APPROXIMATE_NAME
    try:  # of a full disk usearch says little, or nothing
        graph.save(str(path))
        is_whole = path.stat().st_size == graph.serialized_length
    except RuntimeError:
        is_whole = False
    if not is_whole:
        raise NmtDistillError(f"{path} cannot be written whole; make room, or leave --approximate out.")


def _bytes(text: bytes) -> Vectors:
    return np.frombuffer(text, dtype=np.uint8)


def load_usearch() -> Any:
    """Return usearch's class of an index.

    :raises NmtDistillError: if the library is not installed
    """
    try:
        from usearch.index import Index
    except ImportError:
        raise NmtDistillError(
            "an approximate index needs usearch; install nmt-distill[embed], or leave --approximate out."
        ) from None
    return Index


class SentenceIndex:
    """An index that is read where it lies."""

    def __init__(self, folder: Path, encoder: SentenceEncoder) -> None:
        """Open an index.

        :param encoder: the one that made it, which embeds the queries
        :raises NmtDistillError: if the folder is no whole index, its text was changed, or another encoder made it
        """
        if not _is_index(folder):
            raise NmtDistillError(f"{folder} is no index; make one with `nmt-distill embed --index {folder}`.")
        self.folder, self._encoder = folder, encoder
        self._sums = read_checksums(folder, remedy=REMEDY)
        self._header = read_header(folder, remedy=REMEDY)
        if (self._header.dim, self._header.teacher) != (encoder.dim, encoder.fingerprint):
            raise NmtDistillError(
                f"{folder} was made by another model, or by the same in another precision; make the index again with "
                f"{encoder.folder.path.parent}, or search with the model that made it."
            )
        self._text = map_file(folder / LINES_NAME)
        self._verify(LINES_NAME, HEADER_NAME)

    def _verify(self, *names: str, remedy: str = REMEDY) -> None:
        verify_checksums(self.folder, names, expected=self._sums, remedy=remedy)

    def __len__(self) -> int:
        return self._header.num_vectors

    @property
    def is_approximate(self) -> bool:
        """Whether it has a graph."""
        return (self.folder / APPROXIMATE_NAME).is_file()

    def search(self, queries: Sequence[str], *, num_hits: int = 10, exact: bool = False) -> list[list[Hit]]:
        """Find the nearest sentences of each query, best first.

        :param exact: look at all vectors even where there is a graph
        :raises NmtDistillError: if the vectors, or the graph, were changed since the index was opened
        :raises ValueError: if `num_hits` is below 1
        """
        if num_hits < 1:
            raise ValueError(f"`num_hits` must be at least 1, but is {num_hits} instead.")
        vectors = scaled_to_one(self._encoder.embed(queries))
        count = min(num_hits, len(self))
        near = self._by_graph if self.is_approximate and not exact else self._by_brute_force
        places, cosines = near(vectors, count)
        return [
            [Hit(place + 1, cosine, self._line(place)) for place, cosine in zip(*row, strict=True)]
            for row in zip(places, cosines, strict=True)
        ]

    def _line(self, place: int) -> str:
        """Read a line where it lies, so that not all of them have to be in memory."""
        return self._text[self._starts[place] : self._starts[place + 1] - 1].decode()

    @cached_property
    def _starts(self) -> Vectors:
        """Where each line begins, and the end of the last."""
        parts = range(0, len(self._text), TEXT_AT_ONCE)
        ends = [np.flatnonzero(_bytes(self._text[first : first + TEXT_AT_ONCE]) == LF) + first + 1 for first in parts]
        return np.concatenate([np.zeros(1, dtype=np.int64), *ends])

    def _by_brute_force(self, queries: Vectors, count: int) -> tuple[list[list[int]], list[list[float]]]:
        places, cosines = [], []
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            found, best = self._nearest(queries[start : start + QUERIES_AT_ONCE], count)
            places += found.tolist()
            cosines += best.tolist()
        return places, cosines

    def _nearest(self, queries: Vectors, count: int) -> tuple[Vectors, Vectors]:
        """Return places and cosines (Q, count) of the nearest of all vectors to Q queries; of equals the first."""
        best = np.full((len(queries), count), -np.inf, dtype=np.float32)
        places = np.zeros((len(queries), count), dtype=np.int64)
        first = 0
        for shard in self._shards:
            for start in range(0, len(shard), ROWS_AT_ONCE):
                rows = scaled_to_one(shard[start : start + ROWS_AT_ONCE].astype(np.float32))  # float16 has moved them
                found = np.concatenate([best, queries @ rows.T], axis=1)
                numbers = np.broadcast_to(first + start + np.arange(len(rows)), (len(queries), len(rows)))
                order = np.argsort(-found, axis=1, kind="stable")[:, :count]
                places = np.take_along_axis(np.concatenate([places, numbers], axis=1), order, axis=1)
                best = np.take_along_axis(found, order, axis=1)
            first += len(shard)
        return places, best

    @cached_property
    def _shards(self) -> list[Vectors]:
        """Vectors, mapped before they are compared with their sums: what replaces them later is not read."""
        shards = VectorStore(self.folder, remedy=REMEDY).shards
        self._verify(*(shard_path(self.folder, place).name for place in range(len(shards))))
        return shards

    @cached_property
    def _graph(self) -> Any:
        remedy = "search with --exact, or make the index again"
        self._verify(APPROXIMATE_NAME, remedy=remedy)
        path = self.folder / APPROXIMATE_NAME
        try:
            graph = load_usearch().restore(str(path), view=True)
        except (RuntimeError, ValueError):
            graph = None
        if graph is None:
            raise NmtDistillError(f"{path} is of another usearch than the one installed here; {remedy}.")
        return graph

    def _by_graph(self, queries: Vectors, count: int) -> tuple[list[list[int]], list[list[float]]]:
        places, cosines = [], []
        for query in queries:
            matches = self._graph.search(query.astype(np.float16), count)
            places.append([int(key) for key in matches.keys])
            cosines.append([1 - float(distance) for distance in matches.distances])
        return places, cosines
