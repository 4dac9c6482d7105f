"""fairseq2's NLLB, read in one pass: states and logits.

Shapes: N sentences, S source tokens, T target tokens, D width, V vocabulary. Rows are the target tokens of all
sentences of a batch, end to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fairseq2.nn import BatchLayout
from torch import Tensor

from nmt_distill.teacher.marian.graph import pad
from nmt_distill.teacher.readout import Readout


@dataclass(frozen=True)
class EncodedSource:
    """Sources of a batch, encoded."""

    states: Tensor
    """(N, S, D)"""
    layout: BatchLayout
    """how long each source is"""


class Fairseq2Graph(Readout[EncodedSource]):
    """A model with the tokens that its decoder is forced to begin with.

    Padding is never predicted, in searches and in distributions.
    """

    def __init__(self, model: Any, *, pad_id: int, forced_ids: Sequence[int]) -> None:
        """Take a model of fairseq2 over."""
        self.model, self._pad_id, self.forced_ids = model, pad_id, list(forced_ids)
        table: Tensor = model.final_proj.weight
        self.vocab_size, self.model_dim, self.device = len(table), table.shape[1], table.device
        model.final_proj.register_forward_hook(self._rule_padding_out)

    def _rule_padding_out(self, _module: Any, _inputs: Any, logits: Tensor) -> Tensor:
        logits[..., self._pad_id] = -torch.inf
        return logits

    @property
    def num_parameters(self) -> int:
        """Parameters, the one table counted once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def num_heads(self) -> int:
        """Heads of every attention."""
        return int(self.model.decoder.layers[0].self_attn.num_heads)

    def _pad(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, BatchLayout]:
        ids, mask = pad(sequences, self.device)
        ids.masked_fill_(~mask, self._pad_id)
        return ids, mask, BatchLayout.of(ids, [len(sequence) for sequence in sequences])

    def encode(self, source_ids: list[list[int]]) -> EncodedSource:
        """Encode sources."""
        ids, _, layout = self._pad(source_ids)
        embeddings, layout = self.model.encoder_frontend(ids, layout)
        return EncodedSource(self.model.encoder(embeddings, layout), layout)

    def decode(self, source: EncodedSource, target_ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the decoder's states (rows, D) before each target token, the forced ones left out."""
        target_input, mask, layout = self._pad([[*self.forced_ids, *ids[:-1]] for ids in target_ids])
        mask[:, : len(self.forced_ids) - 1] = False
        embeddings, layout = self.model.decoder_frontend(target_input, layout)
        states: Tensor = self.model.decoder(embeddings, layout, source.states, source.layout)
        return states[mask]

    def logits(self, states: Tensor) -> Tensor:
        """Project states (rows, D) to logits (rows, V) in float32, which are the caller's own to change."""
        logits: Tensor = self.model.final_proj(states)
        return logits.float()
