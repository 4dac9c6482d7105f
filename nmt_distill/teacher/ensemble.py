"""Several models over one vocabulary, read as one: the mean of their probabilities.

Rows are target tokens, sentences end to end; V vocabulary. The states of all models stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nmt_distill.teacher.base import Candidate
from nmt_distill.teacher.marian.ensemble import mean_logits
from nmt_distill.teacher.readout import Readout, Source


class ReadoutEnsemble(Readout[list[Source]]):
    """Models that are read together; one alone is read as it is."""

    graphs: Sequence[Readout[Source]]

    def __init__(self, graphs: Sequence[Readout[Source]]) -> None:
        """Take models over; the first is the one whose states are kept."""
        first = graphs[0]
        self.graphs, self._widths = graphs, [graph.model_dim for graph in graphs]
        self.forced_ids, self.vocab_size, self.device = first.forced_ids, first.vocab_size, first.device
        self.model_dim = first.model_dim

    @property
    def num_parameters(self) -> int:
        """Parameters of all models."""
        return sum(graph.num_parameters for graph in self.graphs)

    def encode(self, source_ids: list[list[int]]) -> list[Source]:
        """Encode sources, tags included, by every model."""
        return [graph.encode(source_ids) for graph in self.graphs]

    def decode(self, source: list[Source], target_ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the states (rows, sum of widths) of all models before each target token."""
        states = [graph.decode(own, target_ids) for graph, own in zip(self.graphs, source, strict=True)]
        return states[0] if len(states) == 1 else torch.cat(states, dim=1)

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (rows, V): of several models the logarithm of their mean probabilities."""
        parts = torch.split(states, self._widths, dim=1)
        return mean_logits([graph.logits(own) for graph, own in zip(self.graphs, parts, strict=True)])

    def kept_states(self, states: Tensor) -> Tensor:
        """Return the states (rows, D) of the first model."""
        return states[:, : self._widths[0]]

    def rank(
        self,
        source_ids: Sequence[list[int]],
        found: Sequence[Sequence[Candidate]],
        *,
        end_id: int,
        length_penalty: float,
        batch_tokens: int,
    ) -> list[list[Candidate]]:
        """Score what one model has found by all models, and put it in order, translations with an end first.

        :param source_ids: tags included
        :param found: the candidates of each source
        :param length_penalty: candidates are compared by log-probability divided by their length to this power
        :param batch_tokens: source tokens of one batch, padding included
        """
        pairs = [(row, tokens) for row, candidates in enumerate(found) for tokens, _ in candidates]
        sources, targets = [source_ids[row] for row, _ in pairs], [tokens for _, tokens in pairs]
        scores = self.scores(sources, targets, room=None, batch_tokens=batch_tokens)
        scored: list[list[Candidate]] = [[] for _ in found]
        for (row, tokens), score in zip(pairs, scores, strict=True):
            scored[row].append((tokens, score))

        def key(candidate: Candidate) -> tuple[bool, float]:
            tokens, score = candidate
            return tokens[-1] != end_id, -score * len(tokens) ** (1 - length_penalty)

        return [sorted(own, key=key) for own in scored]
