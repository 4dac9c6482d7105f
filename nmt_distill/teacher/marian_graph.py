"""Marian's Transformer with a simpler simple recurrent unit (SSRU) in the decoder, for reading only.

Shapes: N sentences, S source tokens, T target tokens, D width, V vocabulary, H heads, K kept candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian_file import MarianFile

LAYER_NORM_EPSILON = 1e-6
_PROJECTIONS = (("q", "q"), ("k", "k"), ("v", "v"), ("o", "out"))
_EXPECTED = {
    "type": "transformer",
    "dec-cell": "ssru",
    "transformer-decoder-autoreg": "rnn",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-ffn-activation": "relu",
    "tied-embeddings-all": True,
    "transformer-train-position-embeddings": False,
}
_EXPECTED_IF_GIVEN = {
    "transformer-postprocess-top": "",
    "transformer-no-projection": False,
    "transformer-tied-layers": [],
    "transformer-pool": False,
    "output-omit-bias": False,
    "lemma-dim-emb": 0,
}
"""options that not every version of Marian writes"""
_SIZES = ("transformer-heads", "enc-depth", "dec-depth")


@dataclass
class DecoderState:
    """What a decoder remembers between two steps."""

    cells: list[Tensor]
    """one (N, D) per layer: the SSRU's running average"""
    source: list[tuple[Tensor, Tensor]]
    """one pair per layer: keys and values of the source, each (N, H, S, D / H)"""
    attention_mask: Tensor
    """(N, 1, 1, S), true where there is a source token"""

    def select(self, rows: Tensor) -> DecoderState:
        """Keep (or repeat) the given rows."""
        return DecoderState(
            cells=[cell[rows] for cell in self.cells],
            source=[(keys[rows], values[rows]) for keys, values in self.source],
            attention_mask=self.attention_mask[rows],
        )


class MarianGraph(torch.nn.Module):
    """Post-norm Transformer encoder and SSRU decoder over one embedding table.

    Junczys-Dowmunt et al. 2018; Kim et al. 2019.
    """

    def __init__(self, file: MarianFile, where: str) -> None:
        super().__init__()
        options = file.architecture
        expected = _EXPECTED | {key: value for key, value in _EXPECTED_IF_GIVEN.items() if key in options}
        wrong = [
            f"{key} is {options.get(key)!r}, not {value!r}"
            for key, value in expected.items()
            if options.get(key) != value
        ]
        sizes = [options.get(key) for key in _SIZES]
        wrong += [
            f"{key} is {size!r}, not a positive number"
            for key, size in zip(_SIZES, sizes, strict=True)
            if not isinstance(size, int) or size < 1
        ]
        if wrong:
            raise NmtDistillError(f"{where}: this graph cannot be read as a teacher yet: " + "; ".join(wrong) + ".")
        self.num_heads, self.num_encoder_layers, self.num_decoder_layers = (options[key] for key in _SIZES)
        self._where = where
        for name, matrix in file.parameters.items():
            tensor = torch.from_numpy(matrix)
            # F.linear wants (out, in); vectors lose Marian's leading 1
            tensor = tensor.reshape(-1) if tensor.dim() == 2 and tensor.shape[0] == 1 else tensor
            tensor = tensor.T.contiguous() if tensor.dim() == 2 and name != "Wemb" else tensor
            self.register_buffer(name, tensor)
        self._check_names()
        self.num_parameters = sum(tensor.numel() for tensor in self.buffers())
        self.vocab_size, self.model_dim = self._p("Wemb").shape
        for layer in range(1, self.num_decoder_layers + 1):  # both products of the cell in one
            name = f"decoder_l{layer}_rnn"
            self.register_buffer(f"{name}_W_and_Wf", torch.cat([self._p(f"{name}_W"), self._p(f"{name}_Wf")]))

    def _check_names(self) -> None:
        attention = [f"{matrix}{letter}" for letter in "qkvo" for matrix in "Wb"] + ["Wo_ln_scale", "Wo_ln_bias"]
        ffn = [f"ffn_{name}" for name in ("W1", "b1", "W2", "b2", "ffn_ln_scale", "ffn_ln_bias")]
        names = ["Wemb", "decoder_ff_logit_out_b"]
        for layer in range(1, self.num_encoder_layers + 1):
            names += [f"encoder_l{layer}_{name}" for name in [*(f"self_{name}" for name in attention), *ffn]]
        for layer in range(1, self.num_decoder_layers + 1):
            cell = ["rnn_W", "rnn_Wf", "rnn_bf", "rnn_ffn_ln_scale", "rnn_ffn_ln_bias"]
            names += [f"decoder_l{layer}_{name}" for name in [*cell, *(f"context_{name}" for name in attention), *ffn]]
        have = dict(self.named_buffers())
        missing = [name for name in names if name not in have]
        if missing:
            raise NmtDistillError(f"{self._where} lacks {len(missing)} parameters, the first is {missing[0]}.")

    def _p(self, name: str) -> Tensor:
        return self.get_buffer(name)

    def _linear(self, x: Tensor, weight: str, bias: str) -> Tensor:
        return F.linear(x, self._p(weight), self._p(bias))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(
            x, (self.model_dim,), self._p(f"{name}_ln_scale"), self._p(f"{name}_ln_bias"), LAYER_NORM_EPSILON
        )

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.num_heads, -1).transpose(1, 2)

    def _ffn(self, x: Tensor, name: str) -> Tensor:
        inner = torch.relu(self._linear(x, f"{name}_ffn_W1", f"{name}_ffn_b1"))
        return self._norm(x + self._linear(inner, f"{name}_ffn_W2", f"{name}_ffn_b2"), f"{name}_ffn_ffn")

    def _attention(self, x: Tensor, source: tuple[Tensor, Tensor], mask: Tensor, name: str) -> Tensor:
        queries = self._split_heads(self._linear(x, f"{name}_Wq", f"{name}_bq"))
        mixed = F.scaled_dot_product_attention(queries, *source, attn_mask=mask)
        mixed = mixed.transpose(1, 2).flatten(2)
        return self._norm(x + self._linear(mixed, f"{name}_Wo", f"{name}_bo"), f"{name}_Wo")

    def _keys_values(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        keys = self._split_heads(self._linear(x, f"{name}_Wk", f"{name}_bk"))
        return keys, self._split_heads(self._linear(x, f"{name}_Wv", f"{name}_bv"))

    def positions(self, start: int, length: int) -> Tensor:
        """Sinusoids (length, D): sines in the first half, cosines in the second."""
        half = self.model_dim // 2
        device = self._p("Wemb").device
        rates = torch.exp(torch.arange(half, device=device) * (-math.log(10000.0) / (half - 1)))
        angles = torch.arange(start, start + length, device=device)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def _embed(self, token_ids: Tensor) -> Tensor:
        return F.embedding(token_ids, self._p("Wemb")) * math.sqrt(self.model_dim)

    def encode(self, source_ids: Tensor, source_mask: Tensor) -> DecoderState:
        """Encode sources and prepare the decoder.

        :param source_ids: (N, S)
        :param source_mask: (N, S), true where there is a token
        """
        x = self._embed(source_ids) + self.positions(0, source_ids.shape[1])
        mask = source_mask[:, None, None, :]
        for layer in range(1, self.num_encoder_layers + 1):
            name = f"encoder_l{layer}"
            x = self._ffn(self._attention(x, self._keys_values(x, f"{name}_self"), mask, f"{name}_self"), name)
        layers = range(1, self.num_decoder_layers + 1)
        return DecoderState(
            cells=[x.new_zeros(x.shape[0], self.model_dim) for _ in layers],
            source=[self._keys_values(x, f"decoder_l{layer}_context") for layer in layers],
            attention_mask=mask,
        )

    def decode(self, target_input: Tensor | None, state: DecoderState, *, start: int = 0, length: int = 1) -> Tensor:
        """Run the decoder over ``length`` positions from ``start`` on; the state moves along.

        :param target_input: (N, length) ids fed; at position 0 Marian feeds a zero vector, so that column is ignored,
            and None stands for position 0 alone
        :returns: last decoder states (N, length, D)
        """
        if target_input is None:
            x = state.cells[0].new_zeros(state.cells[0].shape[0], 1, self.model_dim)
        else:
            x = self._embed(target_input)
            if start == 0:
                x[:, 0] = 0
        x = x + self.positions(start, length)
        for layer in range(1, self.num_decoder_layers + 1):
            name = f"decoder_l{layer}"
            x = self._norm(x + self._recur(x, state, layer), f"{name}_rnn_ffn")
            x = self._attention(x, state.source[layer - 1], state.attention_mask, f"{name}_context")
            x = self._ffn(x, name)
        return x

    def _recur(self, x: Tensor, state: DecoderState, layer: int) -> Tensor:
        name = f"decoder_l{layer}_rnn"
        candidate, gate = F.linear(x, self._p(f"{name}_W_and_Wf")).chunk(2, dim=-1)
        forget = torch.sigmoid(gate + self._p(f"{name}_bf"))
        new = (1 - forget) * candidate
        cell = state.cells[layer - 1]
        outputs = []
        for position in range(x.shape[1]):
            cell = torch.addcmul(new[:, position], forget[:, position], cell)
            outputs.append(cell)
        state.cells[layer - 1] = cell
        return torch.relu(torch.stack(outputs, dim=1))

    def next_logits(self, previous: Tensor | None, state: DecoderState, position: int) -> Tensor:
        """Move one position on: logits (N, V) after the tokens ``previous`` (N,)."""
        fed = None if previous is None else previous[:, None]
        return self.logits(self.decode(fed, state, start=position)[:, 0])

    def student_parameters(self) -> dict[str, Tensor]:
        """Name what a student of the marian graph can take over by that graph's names in transformers.

        The recurrent cell has no counterpart: its value projection W stands for the self-attention's, with an output
        projection of 1, since a cell's output is a weighted mean of W x as attention's is.
        """
        attention = {f"W{a}": f"{b}_proj.weight" for a, b in _PROJECTIONS} | {
            f"b{a}": f"{b}_proj.bias" for a, b in _PROJECTIONS
        }
        ffn = {"W1": "fc1.weight", "b1": "fc1.bias", "W2": "fc2.weight", "b2": "fc2.bias"}
        parameters = {"model.shared.weight": self._p("Wemb"), "final_logits_bias": self._p("decoder_ff_logit_out_b")}

        def take(theirs: str, ours: str) -> None:
            parameters[f"{ours}.weight"] = self._p(f"{theirs}_ln_scale")
            parameters[f"{ours}.bias"] = self._p(f"{theirs}_ln_bias")

        for part, num_layers in (("encoder", self.num_encoder_layers), ("decoder", self.num_decoder_layers)):
            theirs_attention, ours_attention = (
                ("self", "self_attn") if part == "encoder" else ("context", "encoder_attn")
            )
            for layer in range(num_layers):
                theirs, ours = f"{part}_l{layer + 1}", f"model.{part}.layers.{layer}"
                for name, own in attention.items():
                    parameters[f"{ours}.{ours_attention}.{own}"] = self._p(f"{theirs}_{theirs_attention}_{name}")
                for name, own in ffn.items():
                    parameters[f"{ours}.{own}"] = self._p(f"{theirs}_ffn_{name}")
                take(f"{theirs}_{theirs_attention}_Wo", f"{ours}.{ours_attention}_layer_norm")
                take(f"{theirs}_ffn_ffn", f"{ours}.final_layer_norm")
                if part == "decoder":
                    take(f"{theirs}_rnn_ffn", f"{ours}.self_attn_layer_norm")
                    value = self._p(f"{theirs}_rnn_W")
                    parameters[f"{ours}.self_attn.v_proj.weight"] = value
                    parameters[f"{ours}.self_attn.v_proj.bias"] = value.new_zeros(self.model_dim)
                    parameters[f"{ours}.self_attn.out_proj.weight"] = torch.eye(self.model_dim, device=value.device)
        return parameters

    def logits(self, states: Tensor) -> Tensor:
        """Project decoder states (..., D) to the vocabulary (..., V)."""
        return self._linear(states, "Wemb", "decoder_ff_logit_out_b")


def pad(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad id sequences to one (N, S) tensor, with its mask."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.zeros(mask.shape, dtype=torch.long)
    ids[mask] = torch.tensor([token for sequence in sequences for token in sequence])
    return ids.to(device), mask.to(device)
