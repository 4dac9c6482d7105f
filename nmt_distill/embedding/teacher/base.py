"""What every model must do whose sentence vectors a student learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nmt_distill.embedding.vectors import Vectors


class EmbeddingTeacher(Protocol):
    """Any engine that turns sentences into vectors."""

    fingerprint: str
    """names the weights and the way of pooling"""

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return the vectors (N, D) of N sentences.

        :raises NmtDistillError: if the engine has no vector for one of them
        """
        ...

    def close(self) -> None:
        """End what it started."""
        ...
