"""An index of sentences: their text, their vectors, and whose nearest are found exactly or nearly so.

A folder with ``lines.txt``, a store of :mod:`.vectors`, where it is wanted ``approximate.usearch``, and checksums.
Whatever a search reads is compared with these first, once for each :class:`SentenceIndex`: usearch ends the whole
process over a damaged graph, and damaged vectors answer wrongly without a word. To hash vectors takes a fifth of the
time in which one query is compared with them; a search through the graph leaves them alone.
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
from nmt_distill.embedding.vectors import HEADER_NAME, Vectors, VectorStore, shard_path, write_vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, read_lines, sha256_of, write_lines
from nmt_distill.progress import job
from nmt_distill.translation.model_folder import verify_checksums, write_checksums

LINES_NAME = "lines.txt"
APPROXIMATE_NAME = "approximate.usearch"
SHARD_SENTENCES = 65_536
ROWS_AT_ONCE = 16_384
"""vectors that are in memory at once as float32"""
ROWS_AT_ONCE_IN_GRAPH = 1024
"""vectors that usearch adds in one call, without a word on its progress"""
QUERIES_AT_ONCE = 128
"""queries whose cosines to these are in memory at once"""


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
    if folder.exists() and not _is_index(folder):
        raise NmtDistillError(f"{folder} exists, but is no index; name another folder.")
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
        self._verify(LINES_NAME, HEADER_NAME)
        self._store = VectorStore(folder)
        remedy = "make the index again with this model, or search with the model that made it"
        self._store.require(remedy, dim=encoder.dim, teacher=encoder.fingerprint)

    def _verify(self, *names: str, remedy: str = "make the index again") -> None:
        verify_checksums(self.folder, names, remedy=remedy)

    def __len__(self) -> int:
        return len(self._store)

    @property
    def is_approximate(self) -> bool:
        """Whether it has a graph."""
        return (self.folder / APPROXIMATE_NAME).is_file()

    def search(self, queries: Sequence[str], *, num_hits: int = 10, exact: bool = False) -> list[list[Hit]]:
        """Find the nearest sentences of each query, best first.

        :param exact: look at all vectors even where there is a graph
        :raises NmtDistillError: if the vectors, or the graph, were changed
        """
        vectors = scaled_to_one(self._encoder.embed(queries))
        count = min(num_hits, len(self))
        near = self._by_graph if self.is_approximate and not exact else self._by_brute_force
        places, cosines = near(vectors, count)
        texts = self._texts({place for row in places for place in row})
        return [
            [Hit(place + 1, cosine, texts[place]) for place, cosine in zip(*row, strict=True)]
            for row in zip(places, cosines, strict=True)
        ]

    def _texts(self, places: set[int]) -> dict[int, str]:
        """Read the lines that were found, so that not all of them have to be in memory."""
        return {place: line for place, line in enumerate(read_lines(self.folder / LINES_NAME)) if place in places}

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
        self._verify(*(shard_path(self.folder, place).name for place in range(len(self._store.shards))))
        return self._store.shards

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
