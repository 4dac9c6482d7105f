"""What every teacher can do, and what only those can do whose probabilities are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nmt_distill.languages import Direction


@dataclass(frozen=True)
class Hypothesis:
    """One translation that a teacher proposes."""

    text: str
    """the translation, detokenised"""
    score: float
    """log-probability in nats divided by the number of target tokens, end of sentence included"""
    token_ids: npt.NDArray[np.int64]
    """the teacher's own output ids, end of sentence included, any language tag left out; empty where unknown"""
    finished: bool = True
    """whether the teacher ended it; false where the greatest length cut it, often in a loop"""


@dataclass(frozen=True)
class TeacherOutput:
    """What a teacher predicts after each prefix of given targets: one row per target token, sentences end to end.

    Rows begin at the first token after any tag and end with the end of sentence.
    """

    token_ids: npt.NDArray[np.int64]
    """(rows, K) the most probable next tokens, best first"""
    probs: npt.NDArray[np.float32]
    """(rows, K) their probabilities at the temperature asked for; they sum to 1 only together with the tail"""
    tail: npt.NDArray[np.float32]
    """(rows,) probability of all other tokens"""
    states: npt.NDArray[np.float16] | None
    """(rows, D) last decoder states, before the output projection"""


class Teacher(Protocol):
    """Any engine that translates."""

    direction: Direction
    fingerprint: str
    """names the weights, the vocabulary and the way of decoding"""
    origin: str
    """where the model comes from, for model cards"""
    licence: str
    """what is known of the licence of its weights, for model cards; shown before work starts"""

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1
    ) -> list[list[Hypothesis]]:
        """Translate; per sentence at most ``num_candidates`` hypotheses, best first.

        :param beam_size: 1 is greedy search
        """
        ...


@runtime_checkable
class WhiteBoxTeacher(Teacher, Protocol):
    """A teacher whose probabilities can be read."""

    vocab_size: int

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included."""
        ...

    def teacher_output(
        self,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        num_kept: int,
        temperature: float = 1.0,
        keep_states: bool = False,
    ) -> TeacherOutput:
        """Read the teacher's next-token distributions over given targets in one teacher-forced pass.

        :param target_ids: end of sentence included
        :param num_kept: K
        """
        ...
