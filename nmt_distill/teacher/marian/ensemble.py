"""Several Marian models over one vocabulary as one decoder.

Shapes: N sentences, S source tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_distill.teacher.marian.graph import MarianGraph
from nmt_distill.teacher.marian.layers import DecoderState


def mean_logits(logits: Sequence[Tensor]) -> Tensor:
    """Combine the logits (..., V) of several models into the logarithm of their mean probabilities.

    One model's logits stay as they are.
    """
    if len(logits) == 1:
        return logits[0]
    log_probs = torch.stack([model.log_softmax(dim=-1) for model in logits])
    return log_probs.logsumexp(dim=0) - math.log(len(logits))


@dataclass
class EnsembleState:
    """What the models remember between two steps."""

    states: list[DecoderState]
    """one per model"""

    def select(self, rows: Tensor) -> EnsembleState:
        """Keep (or repeat) the given rows."""
        return EnsembleState([state.select(rows) for state in self.states])


class MarianEnsemble:
    """A decoder whose next-token probabilities are the mean of its models'."""

    def __init__(self, graphs: Sequence[MarianGraph]) -> None:
        self._graphs = graphs

    def encode(self, source_ids: Tensor, source_mask: Tensor) -> EnsembleState:
        """Encode sources (N, S) by every model and prepare the decoders."""
        return EnsembleState([graph.encode(source_ids, source_mask) for graph in self._graphs])

    def next_logits(self, previous: Tensor | None, state: EnsembleState, position: int) -> Tensor:
        """Move one position on: log-probabilities (N, V) after the tokens ``previous`` (N,)."""
        pairs = zip(self._graphs, state.states, strict=True)
        return mean_logits([graph.next_logits(previous, own, position) for graph, own in pairs])
