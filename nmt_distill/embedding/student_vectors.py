"""What a student's folder says of its sentence vectors: ``sentence_vectors.json``, and the projection beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nmt_distill.embedding.vectors import Vectors, write_table
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json, write_json

DESCRIPTION_NAME = "sentence_vectors.json"
PROJECTION_NAME = "sentence_projection.npy"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SentenceVectors:
    """How sentence vectors are made of a model's encoder states: their mean over all tokens, times a matrix."""

    dim: int
    """width of the vectors"""
    is_normalized: bool
    """whether they are scaled to length 1 at the end, since the teacher's have that length"""
    languages: tuple[str, ...]
    """in which sentences were embedded in training, BCP 47; empty for a model that was never trained for it"""
    teacher: str
    """where the model comes from whose vectors were learned; empty where none were"""
    has_projection: bool
    """whether there is a matrix"""


def write_description(folder: Path, described: SentenceVectors, projection: Vectors | None) -> None:
    """Write both files.

    :param projection: float32 (d + 1, D), the bias last
    """
    if projection is not None:
        write_table(folder / PROJECTION_NAME, projection.astype(np.float32))
    write_json(folder / DESCRIPTION_NAME, {"format": FORMAT} | asdict(described))


def read_description(folder: Path) -> tuple[SentenceVectors, Vectors | None]:
    """Read both files.

    :raises NmtDistillError: if one is missing, damaged or of another format
    """
    where = folder / DESCRIPTION_NAME
    content = read_json(where)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise NmtDistillError(f"{where} is of another format than {FORMAT}; train and export the model again.")
    try:
        described = SentenceVectors(**(content | {"languages": tuple(content["languages"])}))
    except (TypeError, KeyError):
        raise NmtDistillError(f"{where} lacks what describes sentence vectors; export the model again.") from None
    if not described.has_projection:
        return described, None
    path = folder / PROJECTION_NAME
    try:
        projection = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NmtDistillError(f"{path} is no whole matrix ({error}); export the model again.") from None
    if projection.ndim != 2 or projection.shape[1] != described.dim:
        raise NmtDistillError(f"{path} has shape {projection.shape}, but vectors have {described.dim} numbers.")
    if not np.isfinite(projection).all():
        raise NmtDistillError(f"{path} holds numbers that are not finite; train the model again.")
    return described, projection


def project(pooled: Vectors, described: SentenceVectors, projection: Vectors | None) -> Vectors:
    """Make vectors (N, D) of pooled states (N, d)."""
    vectors = pooled if projection is None else pooled @ projection[:-1] + projection[-1]
    return scaled_to_one(vectors) if described.is_normalized else vectors


def scaled_to_one(vectors: Vectors) -> Vectors:
    """Scale vectors (N, D) to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))
