"""Sentences to vectors with an export's encoder: only ctranslate2, sentencepiece and numpy are needed.

N sentences, d width of the encoder, D width of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import ctranslate2
import numpy as np

from nmt_distill.computed_precision import fallbacks_untold
from nmt_distill.embedding.student_vectors import SentenceVectors, project, read_description
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint, read_json, write_json
from nmt_distill.translation.engine import END, Pieces, available_cores
from nmt_distill.translation.model_folder import CHECKSUMS_FILE, ENCODER_FOLDER, MODEL_FILE, verify_checksums
from nmt_distill.translation.segmentation import split_to_fit
from nmt_distill.translation.translator import MOST, WINDOW_LINES

ABOUT_NAME = "encoder.json"
FORMAT = 1
BATCH_TOKENS = 1024
"""padded tokens in one batch"""
_NOT_ONE = "`sentences` must be several texts, such as a list; for one write [text]"


@dataclass(frozen=True, kw_only=True)
class EncoderFolder:
    """What the folder of an encoder says about itself."""

    path: Path
    name: str
    """what the recipe calls the model"""
    precision: str
    """how CTranslate2 keeps the weights"""
    max_tokens: int
    """positions the encoder was made for, ``</s>`` included"""
    model_dim: int
    """width of its states"""

    def write(self) -> None:
        """Write ``encoder.json`` into the folder."""
        content = {"name": self.name, "precision": self.precision, "max_tokens": self.max_tokens}
        write_json(self.path / ABOUT_NAME, {"format": FORMAT, "model_dim": self.model_dim} | content)


def read_encoder_folder(path: Path) -> EncoderFolder:
    """Read what the folder of an encoder says about itself, without its weights.

    :param path: an export that has one, or the folder itself
    :raises NmtDistillError: if there is none, or what it says is damaged
    """
    folder = path / ENCODER_FOLDER if (path / ENCODER_FOLDER).is_dir() else path
    where = folder / ABOUT_NAME
    if not where.is_file():
        if not folder.is_dir():
            raise NmtDistillError(f"{path} does not exist; name the export folder of a run.")
        raise NmtDistillError(
            f"{path} has no folder `encoder`, which makes sentence vectors; "
            "export a student whose recipe has a section `embedding`."
        )
    content = read_json(where)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NmtDistillError(f"{where} is of another format than {FORMAT}; export the model again.")
    try:
        return EncoderFolder(
            path=folder,
            name=str(content["name"]),
            precision=str(content["precision"]),
            max_tokens=int(content["max_tokens"]),
            model_dim=int(content["model_dim"]),
        )
    except (KeyError, TypeError, ValueError):
        raise NmtDistillError(f"{where} lacks what describes an encoder; export the model again.") from None


class SentenceEncoder:
    """An exported encoder, ready to embed.

    :param folder: an export folder with a folder `encoder`, like ``runs/NAME/export/int8``
    :param threads: processor cores to use; all that this process may use by default
    :raises NmtDistillError: if there is no encoder, or a file is damaged
    """

    def __init__(self, folder: str | Path, *, threads: int | None = None) -> None:
        if threads is not None and not 1 <= threads <= MOST:
            raise NmtDistillError(f"`threads` must be from 1 to {MOST}, but is {threads} instead.")
        self.folder = read_encoder_folder(Path(folder))
        self.described: SentenceVectors
        self.described, self._projection = read_description(self.folder.path)
        verify_checksums(self.folder.path)
        self.fingerprint = fingerprint(read_json(self.folder.path / CHECKSUMS_FILE))
        """names the weights, the vocabulary and the projection"""
        self._pieces = Pieces(next(iter(sorted(self.folder.path.glob("*.spm"))), self.folder.path / "missing.spm"))
        self.threads = threads or available_cores()
        """processor cores that it uses"""
        self.num_unread = 0
        """sentences so far of which the vocabulary has no piece: all of them have one vector, which says nothing"""
        try:
            with fallbacks_untold():
                self._engine = ctranslate2.Encoder(str(self.folder.path), inter_threads=self.threads, intra_threads=1)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise NmtDistillError(
                f"{self.folder.path / MODEL_FILE} cannot be loaded ({' '.join(str(error).split())}); export again."
            ) from None

    @property
    def dim(self) -> int:
        """D."""
        return self.described.dim

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return the vectors of sentences, float32 (N, D).

        :raises NmtDistillError: if a sentence is empty: it has no vector
        """
        return self.project(self.pooled(sentences))

    def project(self, pooled: Vectors) -> Vectors:
        """Make vectors (N, D) of pooled states (N, d)."""
        return project(pooled, self.described, self._projection)

    def embed_lines(self, lines: Iterable[str], *, window: int = WINDOW_LINES) -> Iterator[Vectors]:
        """Embed a stream of lines, so many at a time; memory does not grow with it.

        :raises TypeError: if it is a single text
        """
        if isinstance(lines, str):
            raise TypeError(_NOT_ONE)
        stream, first = iter(lines), 1
        while chunk := list(islice(stream, window)):
            yield self.project(self.pooled(chunk, first_line=first))
            first += len(chunk)

    def pooled(self, sentences: Sequence[str], *, first_line: int = 1) -> Vectors:
        """Return the mean encoder states of sentences over all their tokens, float32 (N, d).

        What is longer than the encoder's positions is encoded in pieces, and the mean goes over all of them.

        :param first_line: number of the first, for the message
        :raises NmtDistillError: if a sentence is empty, or the encoder makes numbers of it that are not finite
        :raises TypeError: if it is a single text, or a sentence is none
        """
        if isinstance(sentences, str):
            raise TypeError(_NOT_ONE)
        given: Sequence[object] = sentences
        if wrong := [sentence for sentence in given if not isinstance(sentence, str)]:
            raise TypeError(f"every sentence must be a str, but one is {wrong[0]!r:.80}")
        for number, sentence in enumerate(sentences, start=first_line):
            check_full(sentence, number)
        limit = self.folder.max_tokens - 1
        owners: list[int] = []
        rows: list[list[str]] = []
        for number, (sentence, tokens) in enumerate(zip(sentences, self._pieces.encode(sentences), strict=True)):
            parts = [tokens]
            self.num_unread += not self._pieces.has_any(tokens)
            if len(tokens) > limit:
                pieces = split_to_fit(sentence, limit=limit, lengths=self._pieces.lengths)
                parts = self._pieces.encode(pieces)
            rows += [[*part[:limit], END] for part in parts]
            owners += [number] * len(parts)
        sums = np.zeros((len(sentences), self.folder.model_dim), dtype=np.float32)
        counts = np.zeros((len(sentences), 1), dtype=np.float32)
        batches = list(_batches(rows))
        with ThreadPoolExecutor(self.threads) as workers:
            encoded = workers.map(self._encode, ([rows[row] for row in batch] for batch in batches))
            for batch, states in zip(batches, encoded, strict=True):
                for place, row in enumerate(batch):
                    length = len(rows[row])
                    sums[owners[row]] += states[place, :length].sum(axis=0)
                    counts[owners[row]] += length
        means = np.asarray(sums / counts)
        finite = np.isfinite(means).all(axis=1)
        if not finite.all():
            number = first_line + int(np.flatnonzero(~finite)[0])
            raise NmtDistillError(
                f"the encoder's states of line {number:,} are not finite; {self.folder.path} is of no use: export it "
                "in float32, or train it again."
            )
        return means

    def reads(self, sentence: str) -> bool:
        """Tell whether the vocabulary has any piece of a sentence; without one its vector says nothing."""
        return self._pieces.has_any(self._pieces.encode([sentence])[0])

    def _encode(self, rows: list[list[str]]) -> Vectors:
        return np.array(self._engine.forward_batch(rows).last_hidden_state, dtype=np.float32)


def check_full(sentence: str, number: int) -> None:
    """Refuse a line that has no vector.

    :param number: of the line, for the message
    :raises NmtDistillError: if it is empty
    """
    if not sentence.strip():
        raise NmtDistillError(
            f"line {number:,} is empty and so has no vector; leave it out, as `grep '[^[:space:]]'` does."
        )


def _batches(rows: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Yield numbers of rows of like length, long ones first."""
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
        if batch and len(rows[batch[0]]) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
