"""The encoder of a translation teacher as a teacher of sentence vectors: the mean of its states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.batches import batches_by_length

BATCH_TOKENS = 4096


@runtime_checkable
class EncodingTeacher(Protocol):
    """A translation teacher whose encoder is seen."""

    fingerprint: str

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence."""
        ...

    def encoder_states(self, source_ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return what the encoder makes of each, (S, D)."""
        ...


class TranslationEncoder:
    """The encoder of one direction's teacher."""

    def __init__(self, teacher: Teacher, *, normalize: bool = True) -> None:
        """Take a loaded teacher.

        :param normalize: scale vectors to length 1
        :raises NmtDistillError: if its encoder cannot be read
        """
        if not isinstance(teacher, EncodingTeacher):
            raise NmtDistillError(
                "embedding.teacher.kind is translation_teacher, but the encoder of this teacher cannot be read; use "
                "one of kind marian or transformers, or another kind of embedding.teacher."
            )
        self._teacher, self._normalize = teacher, normalize
        self.fingerprint = fingerprint([teacher.fingerprint, "mean of encoder states", normalize])

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors (N, D); see :class:`nmt_distill.embedding.teacher.base.EmbeddingTeacher`."""
        encoded = self._teacher.encode(sentences)
        found: list[Vectors] = [np.zeros(0)] * len(encoded)
        for places in batches_by_length(encoded, BATCH_TOKENS):
            states = self._teacher.encoder_states([encoded[place] for place in places])
            for place, rows in zip(places, states, strict=True):
                vector = rows.float().mean(dim=0)
                found[place] = (torch.nn.functional.normalize(vector, dim=0) if self._normalize else vector).numpy(
                    force=True
                )
        return np.stack(found)

    def close(self) -> None:
        """Do nothing: whoever has loaded the translation teacher closes it."""
