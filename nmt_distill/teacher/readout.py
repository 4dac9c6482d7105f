"""What reads distributions over given targets in one pass: states, probabilities, tail.

Shapes: N sentences, T target tokens, D width, V vocabulary, K kept candidates. Rows are the target tokens of all
sentences of a batch, end to end.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from nmt_distill.teacher.base import Kept, TeacherOutput
from nmt_distill.teacher.batches import batches_by_length
from nmt_distill.teacher.reading import read_distributions

PROJECTED_LOGITS = 1 << 25
"""logits that are computed at once: 128 MiB in float32"""

Source = TypeVar("Source")
"""a batch of encoded sources"""


class Readout(ABC, Generic[Source]):
    """An encoder-decoder with the tokens that its decoder is forced to begin with."""

    forced_ids: list[int]
    """the first inputs of the decoder: its start and any language tag"""
    vocab_size: int
    """V"""
    model_dim: int
    """D"""
    device: torch.device

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """Parameters, shared ones counted once."""

    @abstractmethod
    def encode(self, source_ids: list[list[int]]) -> Source:
        """Encode sources, tags included."""

    @abstractmethod
    def decode(self, source: Source, target_ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the decoder's states (rows, D) before each target token, the forced ones left out."""

    @abstractmethod
    def logits(self, states: Tensor) -> Tensor:
        """Project states (rows, D) to logits (rows, V) in float32, which are the caller's own to change."""

    def kept_states(self, states: Tensor) -> Tensor:
        """Return what is kept of states (rows, D)."""
        return states

    def chunks(self, rows: Tensor) -> Iterator[Tensor]:
        """Split rows so that few logits exist at once."""
        yield from torch.split(rows, max(1, PROJECTED_LOGITS // self.vocab_size))

    def mean_log_probs(self, source: Source, target_ids: Sequence[Sequence[int]]) -> list[float]:
        """Return the mean log-probability of each target's tokens, in nats."""
        states = self.decode(source, target_ids)
        tokens = torch.tensor([[token] for target in target_ids for token in target], device=self.device)
        found = [
            self.logits(chunk).log_softmax(dim=-1).gather(1, chosen)
            for chunk, chosen in zip(self.chunks(states), self.chunks(tokens), strict=True)
        ]
        return [float(part.mean()) for part in torch.split(torch.cat(found), [len(target) for target in target_ids])]

    def scores(
        self,
        source_ids: Sequence[list[int]],
        target_ids: Sequence[list[int]],
        *,
        room: int | None,
        batch_tokens: int,
    ) -> list[float]:
        """Return the mean log-probability of each target, in nats; minus infinity where there is no room for it.

        :param source_ids: tags included
        :param target_ids: end of sentence included
        :param room: positions of source and target
        """
        forced = len(self.forced_ids) - 1
        pairs = enumerate(zip(source_ids, target_ids, strict=True))
        fitting = [
            place for place, (source, target) in pairs if room is None or max(len(source), forced + len(target)) <= room
        ]
        scores = [-math.inf] * len(source_ids)
        with torch.inference_mode():
            for batch in batches_by_length([source_ids[place] for place in fitting], batch_tokens):
                rows = [fitting[place] for place in batch]
                source = self.encode([source_ids[row] for row in rows])
                for row, score in zip(
                    rows, self.mean_log_probs(source, [target_ids[row] for row in rows]), strict=True
                ):
                    scores[row] = score
        return scores

    def output(
        self,
        source_ids: Sequence[list[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        num_kept: int,
        kept: Kept,
        temperature: float,
        keep_states: bool,
        batch_tokens: int,
    ) -> TeacherOutput:
        """Read the next-token distributions over given targets.

        :param source_ids: tags included
        :param batch_tokens: source tokens of one batch, padding included
        :raises NmtDistillError: if more are to be kept than there are
        """

        def distributions(places: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
            encoded = self.encode([source_ids[row] for row in places])
            states = self.decode(encoded, [target_ids[row] for row in places])
            return ((self.logits(chunk), self.kept_states(chunk)) for chunk in self.chunks(states))

        return read_distributions(
            source_ids,
            target_ids,
            distributions,
            batches=batches_by_length(source_ids, batch_tokens),
            vocab_size=self.vocab_size,
            num_kept=num_kept,
            kept=kept,
            temperature=temperature,
            keep_states=keep_states,
        )
