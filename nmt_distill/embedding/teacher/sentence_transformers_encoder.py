"""A model of the library sentence-transformers as a teacher of sentence vectors."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.teacher.file_hashes import decides, known_sha256


class SentenceTransformersEncoder:
    """A model with the pooling and the layers that its folder names."""

    def __init__(self, name_or_path: str, *, revision: str | None, prefix: str, device: str) -> None:
        """Load the model from a folder, or fetch it from the hub; code that it brings is never run.

        :param prefix: text before every sentence
        :raises NmtDistillError: if the library is not installed, or the model cannot be loaded
        """
        require_sentence_transformers()
        from sentence_transformers import SentenceTransformer

        try:
            self._model: Any = SentenceTransformer(name_or_path, revision=revision, device=device)
        except Exception as error:  # the library raises what its parts raise
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise NmtDistillError(f"{name_or_path} cannot be loaded by sentence-transformers ({reason}).") from None
        self._prefix = prefix
        self.fingerprint = fingerprint([name_or_path, revision, prefix, *folder_hashes(Path(name_or_path))])

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors (N, D); see :class:`nmt_distill.embedding.teacher.base.EmbeddingTeacher`."""
        texts = [self._prefix + sentence for sentence in sentences]
        return np.asarray(self._model.encode(texts, convert_to_numpy=True, show_progress_bar=False))

    def close(self) -> None:
        """Do nothing: no process or connection is open."""


def require_sentence_transformers() -> None:
    """Refuse to go on without the library.

    :raises NmtDistillError: if it is not installed
    """
    try:
        missing = importlib.util.find_spec("sentence_transformers") is None
    except ValueError:  # something has put None in its place
        missing = True
    if missing:
        raise NmtDistillError(
            "a teacher of kind sentence_transformers needs that library; install "
            "nmt-distill[sentence-transformers], or use kind transformers, which pools by itself."
        )


def folder_hashes(path: Path) -> list[str]:
    """Name the content of every file in a folder, those in folders below too; nothing for a name on the hub."""
    if not path.is_dir():
        return []
    files = sorted(filter(decides, path.rglob("*")))
    return [f"{file.relative_to(path)} {known_sha256(file)}" for file in files]
