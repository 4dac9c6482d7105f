"""Sentence vectors on disk: memory-mapped shards that know whose they are and of which text.

A store is a folder of ``vectors-00000.npy``, ... float16 (n, D), and ``vectors.json``, their header, which makes it
complete. Vector N belongs to line N of the text.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import tokenize
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_distill.counting import counted
from nmt_distill.embedding.config import VECTORS_FORMAT
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file, map_file, read_json, write_json

HEADER_NAME = "vectors.json"
BEGUN_NAME = "vectors.begun.json"
EMBED_SENTENCES = 4096
"""sentences that are embedded before progress is told"""
UNIT_TOLERANCE = 1e-2
"""how far from 1 the length of a vector may be for it to count as 1; float16 moves it by less"""

REMEDY = "delete the folder and run the command again, which embeds the text"
"""what to do where a file of a store is missing or damaged"""

_NPY_HEADER = 1 << 12
"""bytes that hold the header of a table"""

Vectors = npt.NDArray[Any]
Embed = Callable[[Sequence[str]], Vectors]
"""sentences to their vectors (N, D)"""


@dataclass(frozen=True, kw_only=True)
class VectorsHeader:
    """What the vectors of a store mean."""

    teacher: str
    """fingerprint of the model that made them"""
    corpus: str
    """SHA-256 of the text, a line each"""
    dim: int
    """D"""
    is_normalized: bool
    """whether all have length 1"""
    num_vectors: int
    """lines of the text"""
    shard_sentences: int
    """vectors of each file but the last"""

    @property
    def num_shards(self) -> int:
        """Files of vectors."""
        return -(-self.num_vectors // self.shard_sentences)


def shard_path(folder: Path, index: int) -> Path:
    """Name the file of a shard."""
    return folder / f"vectors-{index:05d}.npy"


def write_vectors(
    folder: Path,
    lines: Iterable[str],
    embed: Embed,
    *,
    teacher: str,
    corpus: str,
    shard_sentences: int,
    advance: Callable[[int], None] = lambda count: None,
) -> VectorsHeader:
    """Embed a text shard by shard; what an earlier call for the same teacher and text left is kept.

    :param embed: is given a part of a shard at a time
    :param teacher: fingerprint of what ``embed`` is
    :param corpus: SHA-256 of the text
    :param advance: told how many lines are done since it was told last
    :raises NmtDistillError: if vectors are not finite, or of several sizes; the message names the line
    """
    _begin(folder, {"teacher": teacher, "corpus": corpus, "shard_sentences": shard_sentences})
    stream, index, total, dim, is_normalized = iter(lines), 0, 0, None, True
    while part := list(islice(stream, shard_sentences)):
        path = shard_path(folder, index)
        shard = _read_shard(path, len(part))
        if shard is None:
            vectors = checked_vectors(_embed_once(part, embed, advance), len(part), first_line=total + 1)
            with np.errstate(over="ignore"):  # which is told with its line
                shard = vectors.astype(np.float16)
            checked_vectors(shard, len(part), first_line=total + 1)
            write_table(path, shard)
        else:
            advance(len(part))
        if dim is not None and shard.shape[1] != dim:
            raise NmtDistillError(
                f"{path} has vectors of {counted(shard.shape[1], 'number')}, but those before have {dim}; the teacher "
                "must give every sentence a vector of the same size."
            )
        dim, index, total = shard.shape[1], index + 1, total + len(part)
        is_normalized = is_normalized and have_unit_length(shard)
    if dim is None:
        raise NmtDistillError(f"{folder}: there is no line to embed.")
    header = VectorsHeader(
        teacher=teacher,
        corpus=corpus,
        dim=dim,
        is_normalized=is_normalized,
        num_vectors=total,
        shard_sentences=shard_sentences,
    )
    write_json(folder / HEADER_NAME, {"format": VECTORS_FORMAT, "header": asdict(header)})
    (folder / BEGUN_NAME).unlink(missing_ok=True)
    return header


def _begin(folder: Path, belongs: dict[str, Any]) -> None:
    """Remove shards of another teacher or text."""
    folder.mkdir(parents=True, exist_ok=True)
    begun, header = folder / BEGUN_NAME, folder / HEADER_NAME
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # a damaged one is none
        content = json.loads(header.read_text(encoding="utf-8"))
        if content["format"] == VECTORS_FORMAT and belongs.items() <= content["header"].items():
            return
    with contextlib.suppress(OSError, ValueError):
        if json.loads(begun.read_text(encoding="utf-8")) == belongs:
            return
    for path in (header, *folder.glob("vectors-*.npy")):
        path.unlink(missing_ok=True)
    write_json(begun, belongs)


def _embed_once(lines: Sequence[str], embed: Embed, advance: Callable[[int], None]) -> Vectors:
    """Embed each distinct line once."""
    numbers: dict[str, int] = {}
    places = np.array([numbers.setdefault(line, len(numbers)) for line in lines])
    distinct, num_done = list(numbers), 0
    parts: list[Vectors] = []
    for start in range(0, len(distinct), EMBED_SENTENCES):
        part = distinct[start : start + EMBED_SENTENCES]
        parts.append(_table(part, embed))
        if parts[-1].shape[1] != parts[0].shape[1]:
            raise NmtDistillError(
                f"some vectors have {counted(parts[0].shape[1], 'number')}, but others {parts[-1].shape[1]}; the "
                "teacher must give every sentence a vector of the same size."
            )
        now_done = int((places < start + len(part)).sum())
        advance(now_done - num_done)
        num_done = now_done
    return np.asarray(np.concatenate(parts)[places])


def _table(sentences: Sequence[str], embed: Embed) -> Vectors:
    vectors = np.asarray(embed(sentences))
    if vectors.ndim != 2 or len(vectors) != len(sentences):
        raise NmtDistillError(
            f"the vectors of {counted(len(sentences), 'sentence')} must be a table with a row for each, but its shape "
            f"is {vectors.shape} instead."
        )
    return vectors


def write_table(path: Path, table: Vectors) -> None:
    """Write a table (n, D) as a file of numpy, which appears whole or not at all.

    :raises OSError: as the system has it, where :func:`numpy.save` keeps to itself that a disk is full
    """
    header = {"descr": table.dtype.str, "fortran_order": False, "shape": table.shape}
    with atomic_file(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(np.ascontiguousarray(table).data)


def _read_shard(path: Path, num_lines: int) -> Vectors | None:
    if not path.is_file():
        return None
    shard = _map(path, REMEDY)
    return shard if len(shard) == num_lines else None


def _map(path: Path, remedy: str) -> Vectors:
    try:
        mapped = map_file(path)
        header = io.BytesIO(mapped[:_NPY_HEADER])
        if np.lib.format.read_magic(header) != (1, 0):
            raise ValueError("it is of another version of numpy's format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(header)
        shard = np.frombuffer(mapped, dtype, math.prod(shape), header.tell()).reshape(shape)
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist; {remedy}.") from None
    except (ValueError, TypeError, OverflowError, OSError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise NmtDistillError(f"{path} is no whole table of vectors ({error}); {remedy}.") from None
    if shard.ndim != 2 or shard.dtype != np.float16:
        raise NmtDistillError(
            f"{path} holds {shard.dtype} of shape {shard.shape}, but must hold float16 (n, D); {remedy}."
        )
    return shard


def checked_vectors(vectors: Vectors, num_lines: int, *, first_line: int = 1) -> Vectors:
    """Return vectors (N, D) as they are, after a look at them.

    :param first_line: number of the line that the first belongs to
    :raises NmtDistillError: if there are not as many as lines, or one has a number that is not finite
    """
    if vectors.ndim != 2 or len(vectors) != num_lines or vectors.shape[1] == 0:
        raise NmtDistillError(
            f"{counted(num_lines, 'line')} must have as many vectors, but their shape is {vectors.shape}."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        line = first_line + int(np.flatnonzero(~finite)[0])
        raise NmtDistillError(
            f"the vector of line {line:,} holds NaN, or a number beyond {np.finfo(np.float16).max:,.0f}; look at what "
            "the model makes of that line, and leave the line out or scale the vectors."
        )
    return vectors


def have_unit_length(vectors: Vectors) -> bool:
    """Tell whether all vectors (N, D) have length 1, as near as float16 comes."""
    return bool(np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1).max() < UNIT_TOLERANCE)


def read_header(folder: Path, *, remedy: str = REMEDY) -> VectorsHeader:
    """Read what a store says of its vectors.

    :param remedy: what to do where it is damaged
    :raises NmtDistillError: if the folder holds no complete store, or one of another format
    """
    content = read_json(folder / HEADER_NAME, remedy=remedy)
    if not isinstance(content, dict) or content.get("format") != VECTORS_FORMAT:
        raise NmtDistillError(f"{folder / HEADER_NAME} is of another format than {VECTORS_FORMAT}; {remedy}.")
    try:
        header = VectorsHeader(**content["header"])
        _ = header.num_shards
    except (KeyError, TypeError, ZeroDivisionError):
        raise NmtDistillError(f"{folder / HEADER_NAME} lacks what describes vectors; {remedy}.") from None
    return header


class VectorStore:
    """Vectors that are read where they lie.

    :raises NmtDistillError: as :func:`read_header` does, and if a shard is missing or damaged
    """

    def __init__(self, folder: Path, *, remedy: str = REMEDY) -> None:
        self.folder, self.header = folder, read_header(folder, remedy=remedy)
        self.shards = [_map(shard_path(folder, index), remedy) for index in range(self.header.num_shards)]
        if sum(map(len, self.shards)) != len(self) or any(shard.shape[1] != self.header.dim for shard in self.shards):
            raise NmtDistillError(
                f"{folder}: its shards do not hold {len(self):,} vectors of {self.header.dim} numbers, as "
                f"{HEADER_NAME} says; {remedy}."
            )

    def __len__(self) -> int:
        return self.header.num_vectors

    def __getitem__(self, index: int) -> Vectors:
        if not 0 <= index < len(self):
            raise IndexError(f"vector {index} of {len(self)}")
        shard, place = divmod(index, self.header.shard_sentences)
        return np.asarray(self.shards[shard][place])

    def require(self, remedy: str = "embed the text again", **expected: Any) -> None:
        """Refuse a store that does not fit.

        :param remedy: what to do then
        :param expected: fields of :class:`VectorsHeader` and the values that they must have
        """
        for name, value in expected.items():
            actual = getattr(self.header, name)
            if actual != value:
                raise NmtDistillError(f"{self.folder}: its {name} is {actual}, but {value} is needed; {remedy}.")
