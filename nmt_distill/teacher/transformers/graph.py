"""An encoder-decoder of transformers, read in one pass: states and logits.

Shapes: N sentences, S source tokens, T target tokens, D width, V vocabulary. Rows are the target tokens of all
sentences of a batch, end to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from nmt_distill.teacher.base import ForcedDecoding, ForcedPass
from nmt_distill.teacher.marian.graph import pad
from nmt_distill.teacher.readout import Readout


@dataclass(frozen=True)
class EncodedSource:
    """Sources of a batch, encoded."""

    token_ids: list[list[int]]
    states: Tensor
    """(N, S, D)"""
    mask: Tensor
    """(N, S), true where there is a token"""
    hidden: tuple[Tensor, ...] = ()
    """what the first layer reads and what each writes, each (N, S, D), where it was asked for"""

    def repeat(self, times: int) -> EncodedSource:
        """Repeat each sentence so many times, one copy after the other."""
        ids = [ids for ids in self.token_ids for _ in range(times)]
        states, mask = (x.repeat_interleave(times, dim=0) for x in (self.states, self.mask))
        return EncodedSource(ids, states, mask)

    def inputs(self) -> dict[str, Any]:
        """Return what transformers' models and their ``generate`` want to have of the source."""
        return {
            "encoder_outputs": BaseModelOutput(last_hidden_state=self.states),
            "attention_mask": self.mask.long(),
        }


class TransformersGraph(Readout[EncodedSource]):
    """A model with the tokens that its decoder is forced to begin with.

    Padding is never predicted, in searches and in distributions: where a checkpoint is converted from Marian its logit
    means nothing.
    """

    def __init__(self, model: Any, *, end_id: int, pad_id: int, forced_ids: Sequence[int]) -> None:
        """Take a model over.

        :param model: of transformers; how it was meant to be searched is forgotten
        :param forced_ids: the first inputs of the decoder: its start and any language tag
        """
        self.model, self.end_id, self.pad_id, self.forced_ids = model, end_id, pad_id, list(forced_ids)
        self._head = model.get_output_embeddings()
        self._bias: Tensor | None = getattr(model, "final_logits_bias", None)
        self.vocab_size: int = self._head.weight.shape[0]
        self.model_dim: int = self._head.weight.shape[1]
        self.device: torch.device = self._head.weight.device
        if pad_id != end_id:
            self._head.register_forward_hook(self._rule_padding_out)
        model.generation_config = GenerationConfig(**self.specials())

    def specials(self) -> dict[str, int]:
        """Return the special ids by the names that transformers gives them."""
        return {
            "decoder_start_token_id": self.forced_ids[0],
            "eos_token_id": self.end_id,
            "pad_token_id": self.pad_id,
        }

    def _rule_padding_out(self, _module: Any, _inputs: Any, logits: Tensor) -> Tensor:
        logits[..., self.pad_id] = -torch.inf
        return logits

    @property
    def num_parameters(self) -> int:
        """Parameters, the one table counted once and tables of sinusoids left out."""
        modules = [module for module in self.model.modules() if "Sinusoidal" in type(module).__name__]
        sinusoids = {id(parameter) for module in modules for parameter in module.parameters()}
        return sum(parameter.numel() for parameter in self.model.parameters() if id(parameter) not in sinusoids)

    def _pad(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids, mask = pad(sequences, self.device)
        return ids.masked_fill_(~mask, self.pad_id), mask

    def encode(self, source_ids: list[list[int]], *, keeps_hidden: bool = False) -> EncodedSource:
        """Encode sources."""
        ids, mask = self._pad(source_ids)
        output = self.model.get_encoder()(
            input_ids=ids, attention_mask=mask.long(), return_dict=True, output_hidden_states=keeps_hidden
        )
        hidden = output.hidden_states if keeps_hidden else ()
        return EncodedSource(source_ids, output.last_hidden_state, mask, hidden)

    def decode(
        self, source: EncodedSource, target_ids: Sequence[Sequence[int]], *, hidden: list[Tensor] | None = None
    ) -> Tensor:
        """Return the decoder's states (rows, D) before each target token, the forced ones left out.

        They are what the output projection is given: T5's scaling is in them.

        :param hidden: gets what the first layer reads and what each writes, each (rows, D)
        """
        target_input, mask = self._pad([[*self.forced_ids, *ids[:-1]] for ids in target_ids])
        mask[:, : len(self.forced_ids) - 1] = False
        seen: list[Tensor] = []

        def take(_module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
            seen.append(inputs[0])
            return (inputs[0][:, :0],)  # there is nothing left to project

        hook = self._head.register_forward_pre_hook(take)
        try:
            output = self.model(
                **source.inputs(),
                decoder_input_ids=target_input,
                use_cache=False,
                return_dict=True,
                output_hidden_states=hidden is not None,
            )
        finally:
            hook.remove()
        if hidden is not None:
            hidden += [layer[mask] for layer in output.decoder_hidden_states]
        return seen[0][mask]

    def forced_pass(
        self, source_ids: list[list[int]], target_ids: Sequence[Sequence[int]], *, skipped: int
    ) -> ForcedPass:
        """Read given targets in the training step; see :class:`nmt_distill.teacher.base.OnlineTeacher`.

        :param source_ids: tags included
        :param skipped: source tokens before the text, whose hidden states are left out
        """
        with torch.no_grad():
            source = self.encode(source_ids, keeps_hidden=True)
            mask = source.mask.clone()
            mask[:, :skipped] = False
            encoder = tuple(layer[mask] for layer in source.hidden)

        @torch.no_grad()
        def decode() -> ForcedDecoding:
            layers: list[Tensor] = []
            states = self.decode(source, target_ids, hidden=layers)

            @torch.no_grad()
            def logits(rows: slice) -> Tensor:
                return self.logits(states[rows])

            return ForcedDecoding(tuple(layers), logits)

        return ForcedPass(encoder, decode)

    def logits(self, states: Tensor) -> Tensor:
        """Project states (rows, D) to logits (rows, V) in float32, which are the caller's own to change."""
        logits: Tensor = self._head(states).float()
        return logits if self._bias is None else logits.add_(self._bias)
