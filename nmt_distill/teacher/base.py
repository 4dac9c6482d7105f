"""What every teacher can do, and what only those can do whose probabilities are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from nmt_distill.configuration.constraints import Bounds, NaturalInt, Positive, Seed
from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import Inheritance
from nmt_distill.languages import Direction
from nmt_distill.vocabulary.shared import SharedVocabulary

if TYPE_CHECKING:
    from torch import Tensor


Candidate: TypeAlias = tuple[list[int], float]
"""what a search finds: tokens, end of sentence included unless the limit cut it; their mean log-probability in nats"""


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


Kept: TypeAlias = Literal["top", "drawn"]
"""which next tokens are kept: the most probable ones, or tokens drawn from the distribution"""


@dataclass(frozen=True)
class TeacherOutput:
    """What a teacher predicts after each prefix of given targets: one row per target token, sentences end to end.

    Rows begin at the first token after any tag and end with the end of sentence.
    """

    token_ids: npt.NDArray[np.int64]
    """(rows, K) the most probable next tokens, best first; or K draws, where a token may stand several times"""
    probs: npt.NDArray[np.float32]
    """(rows, K) their probabilities at the temperature asked for"""
    tail: npt.NDArray[np.float32] | None
    """(rows,) probability of all tokens but the most probable ones; None where tokens are drawn"""
    states: npt.NDArray[np.float16] | None
    """(rows, D) last decoder states, before the output projection"""


@dataclass(frozen=True)
class ForcedDecoding:
    """What a teacher's decoder made of given targets; shapes as in :class:`ForcedPass`."""

    layers: tuple[Tensor, ...]
    """hidden states (R, D) before each target token: what the first layer reads, then what each writes"""
    logits: Callable[[slice], Tensor]
    """float32 logits (rows, V) at temperature 1 of some of the R rows, which are the caller's own to change"""


class ForcedPass:
    """What a teacher made of given sources and targets, as tensors of torch that no gradient goes through.

    S source tokens and R target tokens, sentences end to end, tags and padding left out; V ids, D width. The decoder is
    run when it is first asked for: whoever imitates layers of the encoder alone never pays for it.
    """

    def __init__(self, encoder: tuple[Tensor, ...], decode: Callable[[], ForcedDecoding]) -> None:
        self.encoder = encoder
        """hidden states (S, D): what the first layer reads, then what each writes; the last is the encoder's output"""
        self._decode = decode

    @cached_property
    def _decoding(self) -> ForcedDecoding:
        return self._decode()

    @property
    def decoder(self) -> tuple[Tensor, ...]:
        """Hidden states (R, D) before each target token, likewise."""
        return self._decoding.layers

    def logits(self, rows: slice) -> Tensor:
        """Return float32 logits (rows, V) at temperature 1, which are the caller's own to change."""
        return self._decoding.logits(rows)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Candidates drawn at random from the teacher's distribution, in place of a search for the best."""

    top_k: NaturalInt = 0
    """draw from this number of most probable next tokens; 0 draws from all"""
    top_p: Annotated[float, Bounds(above=0, most=1)] = 1.0
    """draw from the fewest most probable next tokens that together have this probability; 1 draws from all"""
    temperature: Positive = 1.0
    """temperature of the draws: below 1 sharpens the distribution"""
    seed: Seed = 1
    """seed of the draws"""


def check_request(num_candidates: int, beam_size: int, sampling: Sampling | None) -> None:
    """Refuse what no search can do.

    :raises NmtDistillError: if beams are asked for draws, or more candidates than a beam holds
    """
    if sampling is not None and beam_size != 1:
        raise NmtDistillError(f"beam_size must be 1 where candidates are drawn by sampling, but is {beam_size}.")
    if sampling is None and num_candidates > beam_size:
        raise NmtDistillError(f"num_candidates must be at most beam_size ({beam_size}), but is {num_candidates}.")


class Teacher(Protocol):
    """Any engine that translates."""

    direction: Direction
    fingerprint: str
    """names the weights, the vocabulary and the way of decoding"""
    origin: str
    """where the model comes from, for model cards"""
    licence: str
    """what is known of the licence of its weights, for model cards; shown before work starts"""

    @property
    def engine(self) -> str:
        """What runs it, in a few words for reports, such as ``CTranslate2 in int8``."""
        ...

    @property
    def batch_rule(self) -> str:
        """How it batches, for the table of speeds."""
        ...

    @property
    def num_parameters(self) -> int | None:
        """Parameters, the one table counted once; None where they cannot be counted."""
        ...

    def close(self) -> None:
        """End what it started.

        :raises NmtDistillError: if only now it shows that answers and sentences are out of step
        """
        ...

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        """Translate; per sentence at most ``num_candidates`` hypotheses, best first.

        :param beam_size: 1 is greedy search
        :param sampling: draw the candidates instead of searching for the best; needs ``beam_size`` 1
        :raises NmtDistillError: if the engine cannot do what is asked for
        """
        ...


@runtime_checkable
class WhiteBoxTeacher(Teacher, Protocol):
    """A teacher whose probabilities can be read."""

    vocab_size: int
    """V, how many ids it has"""
    state_dim: int
    """D, the width of its decoder states"""

    @property
    def vocabulary(self) -> SharedVocabulary | None:
        """What a student needs to share its ids; None where source and target are segmented in different ways."""
        ...

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the source ids of each sentence, end of sentence included, without any language tag.

        The engine adds its own tags when it translates or reads distributions.
        """
        ...

    def teacher_output(
        self,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        num_kept: int,
        kept: Kept = "top",
        temperature: float = 1.0,
        keep_states: bool = False,
    ) -> TeacherOutput:
        """Read the teacher's next-token distributions over given targets in one teacher-forced pass.

        :func:`nmt_distill.teacher.reading.read_distributions` does it for every engine.

        :param source_ids: as :meth:`encode` gives them
        :param target_ids: end of sentence included, without any language tag
        :param num_kept: K, or how many draws
        :raises NmtDistillError: if more are to be kept than there are
        """
        ...

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """Tell how probable it finds given translations, in one teacher-forced pass.

        :param targets: one for each source, in any words
        :returns: the log-probability of each, in nats, divided by the number of its tokens, end of sentence included;
            minus infinity where the model has no room for source or target
        """
        ...


@runtime_checkable
class OnlineTeacher(WhiteBoxTeacher, Protocol):
    """A teacher that can be run in the training step itself, on the device where torch runs."""

    @property
    def max_target_tokens(self) -> int | None:
        """The longest target that it can be asked about, end of sentence included; None where there is no limit."""
        ...

    def forced_pass(self, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]]) -> ForcedPass:
        """Read given targets as one batch: with dropout off, and without gradient.

        :param source_ids: as :meth:`encode` gives them
        :param target_ids: without any language tag; they need not end with the end of sentence
        :raises NmtDistillError: if a source or target is too long
        """
        ...


@runtime_checkable
class OpenTeacher(WhiteBoxTeacher, Protocol):
    """A teacher whose weights can be read too."""

    def hand_down(self) -> Inheritance:
        """Return what a student can start from; nothing is copied.

        :raises NmtDistillError: if source, target and output do not share one table of embeddings
        """
        ...


def longest_source(teacher: Teacher | None) -> int | None:
    """Return the most source tokens that a teacher takes, as it encodes them; None where it knows of no limit."""
    longest: int | None = getattr(teacher, "max_source_tokens", None)
    return longest


def longest_target(teacher: Teacher | None) -> int | None:
    """Return the most target tokens that a teacher can be asked about; None where it knows of no limit."""
    longest: int | None = getattr(teacher, "max_target_tokens", None)
    return longest


def has_room(teacher: Teacher, sentence: str) -> bool:
    """Tell whether a teacher takes a sentence in whole, as far as it knows."""
    longest, encode = longest_source(teacher), getattr(teacher, "encode", None)
    return longest is None or encode is None or len(encode([sentence])[0]) <= longest
