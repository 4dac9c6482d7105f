"""Translations that somebody made already as a teacher: sequence level only.

The file is UTF-8, and its name says which it is:

- ``.tsv``: source, hypothesis and perhaps a score between tabs, one hypothesis a line;
- ``.jsonl``: ``{"source": ..., "hypotheses": [...], "scores": [...]}`` a line, ``scores`` perhaps left out; other keys
  are ignored.

All lines have scores, or none. A source may stand in any number of lines, anywhere in the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeGuard

import numpy as np

from nmt_distill.corpus.text import hash_of, one_line
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.languages import Direction
from nmt_distill.progress import job
from nmt_distill.teacher.base import Hypothesis, Sampling

PROGRESS_LINES = 10_000
"""lines that are read between two signs of progress"""
_NO_IDS = np.zeros(0, dtype=np.int64)


class _Entry(NamedTuple):
    """What one line says."""

    source: str
    hypotheses: list[str]
    scores: list[float] | None


class CandidatesTeacher:
    """A file of translations as a teacher; a source that is not in it has no candidates.

    Texts stay in the file: memory holds 16 bytes a line, some 40 while the file is first read.
    """

    def __init__(self, path: Path, *, direction: Direction, origin: str, licence: str) -> None:
        """Read the file once, to find every fault of it and where each source stands.

        :param path: ends in ``.tsv`` or ``.jsonl``
        :raises NmtDistillError: if the file is missing or empty, or at its first faulty line
        """
        self.direction, self.origin, self.licence = direction, origin, licence
        self.engine = self.batch_rule = "none, translated elsewhere"
        self.num_parameters: int | None = None
        self._path = path
        if path.suffix not in _PARSERS:
            raise NmtDistillError(f"teacher.path must end in .tsv or .jsonl, but is {path} instead.")
        self._parse = _PARSERS[path.suffix]
        with _open(path) as stream:
            self._state = _state(stream)
            digest, hashes, offsets = self._index(stream)
        self.fingerprint = fingerprint([digest, path.suffix])
        unordered = np.frombuffer(hashes, dtype=np.uint64)
        order = np.argsort(unordered, kind="stable")  # lines of one source keep their order
        self._hashes = unordered[order]
        self._offsets = np.frombuffer(offsets, dtype=np.int64)[order]

    def close(self) -> None:
        """Do nothing: the file is opened where it is read."""

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Look candidates up; see :class:`nmt_distill.teacher.base.Teacher`.

        Those of the highest score come first, of equal or no scores those that stand first in the file. Sources are the
        same if they are in NFC with runs of whitespace as one space.
        """
        if beam_size != 1 or sampling is not None:
            raise NmtDistillError(
                "beam_size must be 1 and sampling left out where the teacher is a file of candidates: nothing is "
                "searched or drawn; num_candidates says how many of them are taken."
            )
        with _open(self._path) as stream:
            if _state(stream) != self._state:
                raise NmtDistillError(f"{self._path} has changed since it was first read; run again.")
            return [self._candidates(one_line(sentence), stream)[:num_candidates] for sentence in sentences]

    def _index(self, stream: IO[bytes]) -> tuple[str, array[int], array[int]]:
        """Read the file: its SHA-256, and per line the hash of the source and the offset."""
        digest = hashlib.sha256()
        hashes, offsets = array("Q"), array("q")
        offset = 0
        has_scores: bool | None = None
        with job(f"reading {self._path.name}", unit="lines") as running:
            for number, line in enumerate(stream, start=1):
                entry = self._read(line, number)
                if has_scores is None:
                    has_scores = entry.scores is not None
                elif has_scores != (entry.scores is not None):
                    problem = "scores are missing" if has_scores else "there are scores"
                    raise NmtDistillError(
                        f"{self._path}, line {number}: {problem}, other than in the lines before; all lines must have "
                        "them, or none."
                    )
                digest.update(line)
                hashes.append(hash_of(entry.source))
                offsets.append(offset)
                offset += len(line)
                if number % PROGRESS_LINES == 0:
                    running.advance(PROGRESS_LINES)
            running.advance(len(offsets) % PROGRESS_LINES)
        if has_scores is None:
            raise NmtDistillError(f"{self._path} is empty, but must hold translations.")
        return digest.hexdigest(), hashes, offsets

    def _read(self, line: bytes, number: int) -> _Entry:
        try:
            return self._parse(line.decode("utf-8").removesuffix("\n"))
        except UnicodeDecodeError as error:
            problem = (
                f"not valid UTF-8 (byte {error.start + 1} of the line is 0x{line[error.start]:02x}); convert the file, "
                "for example with iconv"
            )
        except ValueError as error:
            problem = str(error)
        raise NmtDistillError(f"{self._path}, line {number}: {problem}.")

    def _candidates(self, source: str, stream: IO[bytes]) -> list[Hypothesis]:
        wanted = np.uint64(hash_of(source))
        start, end = np.searchsorted(self._hashes, wanted, "left"), np.searchsorted(self._hashes, wanted, "right")
        found: list[Hypothesis] = []
        for offset in self._offsets[start:end].tolist():
            stream.seek(offset)
            entry = self._parse(stream.readline().decode("utf-8").removesuffix("\n"))
            if entry.source == source:  # else its hash is the same by chance
                found += _hypotheses(entry)
        return sorted(found, key=lambda hypothesis: -hypothesis.score)


def _hypotheses(entry: _Entry) -> Iterator[Hypothesis]:
    scores = entry.scores if entry.scores is not None else [0.0] * len(entry.hypotheses)
    for text, score in zip(entry.hypotheses, scores, strict=True):
        yield Hypothesis(text=text, score=score, token_ids=_NO_IDS)


def _parse_tsv(line: str) -> _Entry:
    source, *rest = line.split("\t")
    if len(rest) not in (1, 2):
        raise ValueError(
            f"has {counted(len(rest) + 1, 'column')} between tabs, but must have 2, source and hypothesis, or 3, with "
            "a score"
        )
    return _Entry(one_line(source), [one_line(rest[0])], [_score(rest[1])] if len(rest) == 2 else None)


def _parse_json(line: str) -> _Entry:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError('must be an object like {"source": "...", "hypotheses": ["..."]}')
    source, hypotheses, scores = content.get("source"), content.get("hypotheses"), content.get("scores")
    if not _is_text(source):
        raise ValueError("`source` must be text")
    if not isinstance(hypotheses, list) or not all(map(_is_text, hypotheses)):
        raise ValueError("`hypotheses` must be a list of texts")
    if scores is not None:
        if not isinstance(scores, list) or len(scores) != len(hypotheses):
            raise ValueError(f"`scores` must be a list of as many numbers as there are hypotheses, {len(hypotheses)}")
        scores = [_score(score) for score in scores]
    return _Entry(one_line(source), [one_line(text) for text in hypotheses], scores)


def _is_text(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a text that can be written; JSON can hold halves of surrogate pairs."""
    return isinstance(value, str) and (value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value))


def _score(value: str | float) -> float:
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"a score must be a finite number, but is {value!r} instead")
    return score


_PARSERS: dict[str, Callable[[str], _Entry]] = {".tsv": _parse_tsv, ".jsonl": _parse_json}


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise NmtDistillError(f"teacher.path: {path} cannot be read: {error.strerror}.") from None


def _state(stream: IO[bytes]) -> tuple[int, int]:
    """Return what changes when a file does: its length and the time of its last change."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns
