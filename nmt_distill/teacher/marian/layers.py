"""The layers of Marian's Transformer, for reading only.

Shapes: N sentences, S source tokens, T target tokens, P target tokens before, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.teacher.marian.file import FloatArray
from nmt_distill.teacher.marian.options import MarianOptions

LAYER_NORM_EPSILON = 1e-6


@dataclass
class DecoderState:
    """What a decoder remembers between two steps."""

    past: list[tuple[Tensor, ...]]
    """per layer the SSRU's running average (N, D), or keys and values so far, each (N, H, P, D / H)"""
    source: list[tuple[Tensor, Tensor]]
    """one pair per layer: keys and values of the source, each (N, H, S, D / H)"""
    attention_mask: Tensor
    """(N, 1, 1, S), true where there is a source token"""

    def select(self, rows: Tensor) -> DecoderState:
        """Keep (or repeat) the given rows."""
        return DecoderState(
            past=[tuple(tensor[rows] for tensor in tensors) for tensors in self.past],
            source=[(keys[rows], values[rows]) for keys, values in self.source],
            attention_mask=self.attention_mask[rows],
        )


class MarianLayers(torch.nn.Module):
    """Layers over parameters that keep Marian's names; matrices are (out, in), as ``F.linear`` wants them."""

    def __init__(self, options: MarianOptions, parameters: Mapping[str, FloatArray]) -> None:
        """Take the parameters over.

        :param parameters: as :func:`nmt_distill.teacher.marian.parameters.checked_parameters` returns them
        """
        super().__init__()
        self.options = options
        for name, matrix in parameters.items():
            tensor = torch.from_numpy(matrix)
            if tensor.shape[0] == 1:
                tensor = tensor.reshape(-1)
            elif not name.endswith(("Wemb", "_Wt")):
                tensor = tensor.T.contiguous()
            self.register_buffer(name, tensor)
        self.num_parameters = sum(tensor.numel() for tensor in self.buffers())
        """parameters, the one table counted once"""
        self.model_dim = self._p(options.target_table).shape[1]
        """D"""
        if options.has_cells:
            for layer in range(1, options.num_decoder_layers + 1):  # both products of the cell in one
                name = f"decoder_l{layer}_rnn"
                self.register_buffer(f"{name}_W_and_Wf", torch.cat([self._p(f"{name}_W"), self._p(f"{name}_Wf")]))

    def _p(self, name: str) -> Tensor:
        return self.get_buffer(name)

    def _linear(self, x: Tensor, weight: str, bias: str) -> Tensor:
        return F.linear(x, self._p(weight), self._p(bias))

    def _norm(self, x: Tensor, name: str, suffix: str = "") -> Tensor:
        scale, bias = self._p(f"{name}_ln_scale{suffix}"), self._p(f"{name}_ln_bias{suffix}")
        return F.layer_norm(x, (self.model_dim,), scale, bias, LAYER_NORM_EPSILON)

    def _before(self, x: Tensor, name: str, operations: str) -> Tensor:
        for _ in operations:  # nothing but norms
            x = self._norm(x, name, "_pre")
        return x

    def _after(self, output: Tensor, x: Tensor, name: str, operations: str) -> Tensor:
        for operation in operations:
            output = x + output if operation == "a" else self._norm(output, name)
        return output

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.options.num_heads, -1).transpose(1, 2)

    def _keys_values(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        keys = self._split_heads(self._linear(x, f"{name}_Wk", f"{name}_bk"))
        return keys, self._split_heads(self._linear(x, f"{name}_Wv", f"{name}_bv"))

    def _attend(self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None, name: str) -> Tensor:
        queries = self._split_heads(self._linear(x, f"{name}_Wq", f"{name}_bq"))
        mixed = F.scaled_dot_product_attention(queries, *keys_values, attn_mask=mask)
        return self._linear(mixed.transpose(1, 2).flatten(2), f"{name}_Wo", f"{name}_bo")

    def _feed_forward(self, x: Tensor, name: str) -> Tensor:
        inner = self._linear(self._before(x, f"{name}_ffn", self.options.preprocess), f"{name}_W1", f"{name}_b1")
        inner = torch.relu(inner) if self.options.activation == "relu" else F.silu(inner)
        return self._after(self._linear(inner, f"{name}_W2", f"{name}_b2"), x, f"{name}_ffn", self.options.postprocess)

    def _encoder_layer(self, x: Tensor, mask: Tensor, name: str) -> Tensor:
        normed = self._before(x, f"{name}_self_Wo", self.options.preprocess)
        mixed = self._attend(normed, self._keys_values(normed, f"{name}_self"), mask, f"{name}_self")
        return self._feed_forward(self._after(mixed, x, f"{name}_self_Wo", self.options.postprocess), f"{name}_ffn")

    def _decoder_layer(self, x: Tensor, state: DecoderState, layer: int) -> Tensor:
        name, options = f"decoder_l{layer}", self.options
        if options.has_cells:
            output = self._recur(self._before(x, f"{name}_rnn", options.preprocess), state, layer)
            x = self._after(output, x, f"{name}_rnn_ffn", options.postprocess)
        else:
            mixed = self._look_back(self._before(x, f"{name}_self_Wo", options.preprocess), state, layer)
            x = self._after(mixed, x, f"{name}_self_Wo", options.postprocess)
        normed = self._before(x, f"{name}_context_Wo", options.preprocess)
        mixed = self._attend(normed, state.source[layer - 1], state.attention_mask, f"{name}_context")
        return self._feed_forward(self._after(mixed, x, f"{name}_context_Wo", options.postprocess), f"{name}_ffn")

    def _recur(self, x: Tensor, state: DecoderState, layer: int) -> Tensor:
        """Run the SSRU over x (N, T, D); the state moves along."""
        name = f"decoder_l{layer}_rnn"
        candidate, gate = F.linear(x, self._p(f"{name}_W_and_Wf")).chunk(2, dim=-1)
        forget = torch.sigmoid(gate + self._p(f"{name}_bf"))
        new = (1 - forget) * candidate
        (cell,) = state.past[layer - 1]
        outputs = []
        for position in range(x.shape[1]):
            cell = torch.addcmul(new[:, position], forget[:, position], cell)
            outputs.append(cell)
        state.past[layer - 1] = (cell,)
        return torch.relu(torch.stack(outputs, dim=1))

    def _look_back(self, x: Tensor, state: DecoderState, layer: int) -> Tensor:
        """Attend from x (N, T, D) to itself and what was before it; the state moves along."""
        name = f"decoder_l{layer}_self"
        pairs = zip(state.past[layer - 1], self._keys_values(x, name), strict=True)
        keys, values = (torch.cat(pair, dim=2) for pair in pairs)
        state.past[layer - 1] = (keys, values)
        length, num_keys = x.shape[1], keys.shape[2]
        mask = None
        if length > 1:
            mask = torch.ones(length, num_keys, dtype=torch.bool, device=x.device).tril(num_keys - length)
        return self._attend(x, (keys, values), mask, name)

    def _no_past(self, x: Tensor) -> list[tuple[Tensor, ...]]:
        """Return what the decoder's layers remember before the first token; x is (N, ..., D)."""
        num_heads, (num_sentences, *_, width) = self.options.num_heads, x.shape
        if self.options.has_cells:
            return [(x.new_zeros(num_sentences, width),) for _ in range(self.options.num_decoder_layers)]
        empty = x.new_zeros(num_sentences, num_heads, 0, width // num_heads)
        return [(empty, empty)] * self.options.num_decoder_layers

    def positions(self, start: int, length: int) -> Tensor:
        """Sinusoids (length, D): sines in the first half, cosines in the second."""
        half = self.model_dim // 2
        device = self._p(self.options.target_table).device
        rates = torch.exp(torch.arange(half, device=device) * (-math.log(10000.0) / (half - 1)))
        angles = torch.arange(start, start + length, device=device)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def _embed(self, token_ids: Tensor, table: str) -> Tensor:
        return F.embedding(token_ids, self._p(table)) * math.sqrt(self.model_dim)
