"""Marian's Transformer, with self-attention or recurrent cells (SSRU) in the decoder, for reading only.

Shapes: N sentences, S source tokens, T target tokens, D width, V target vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.inheritance import Inheritance
from nmt_distill.teacher.marian.file import MarianFile
from nmt_distill.teacher.marian.layers import DecoderState, MarianLayers
from nmt_distill.teacher.marian.options import read_options
from nmt_distill.teacher.marian.parameters import OUTPUT, checked_parameters
from nmt_distill.teacher.marian.student import hand_down


class MarianGraph(MarianLayers):
    """Encoder, decoder and output projection.

    Junczys-Dowmunt et al. 2018; the cells are those of Kim et al. 2019.
    """

    def __init__(self, file: MarianFile, where: str) -> None:
        """Take a model file's parameters over.

        :param where: names the model in messages
        :raises NmtDistillError: if its options ask for another graph, or its parameters do not make up this one
        """
        options = read_options(file.architecture, where)
        super().__init__(options, checked_parameters(file.parameters, options, where))
        self._where = where
        self._output = options.target_table if options.is_output_tied else f"{OUTPUT}_Wt"
        self.num_heads = options.num_heads
        self.num_encoder_layers, self.num_decoder_layers = options.num_encoder_layers, options.num_decoder_layers
        self.vocab_size = self._p(options.target_table).shape[0]
        """V"""
        self.source_vocab_size = self._p(options.source_table).shape[0]
        """ids of the source"""

    def encode(self, source_ids: Tensor, source_mask: Tensor, *, hidden: list[Tensor] | None = None) -> DecoderState:
        """Encode sources and prepare the decoder.

        :param source_ids: (N, S)
        :param source_mask: (N, S), true where there is a token
        :param hidden: gets what the first layer reads and what each writes, each (N, S, D); last the encoder's output
        """
        embeddings = self._embed(source_ids, self.options.source_table) + self.positions(0, source_ids.shape[1])
        mask = source_mask[:, None, None, :]
        x = self._before(embeddings, "encoder_emb", self.options.postprocess_embeddings)
        seen = [x]
        for layer in range(1, self.num_encoder_layers + 1):
            x = self._encoder_layer(x, mask, f"encoder_l{layer}")
            seen.append(x)
        x = self._after(x, embeddings, "encoder_top", self.options.postprocess_top)
        if hidden is not None:
            hidden += [*seen[:-1], x]
        return DecoderState(
            past=self._no_past(x),
            source=[
                self._keys_values(x, f"decoder_l{layer}_context") for layer in range(1, self.num_decoder_layers + 1)
            ],
            attention_mask=mask,
        )

    def decode(
        self,
        target_input: Tensor | None,
        state: DecoderState,
        *,
        start: int = 0,
        length: int = 1,
        hidden: list[Tensor] | None = None,
    ) -> Tensor:
        """Run the decoder over ``length`` positions from ``start`` on; the state moves along.

        :param target_input: (N, length) ids fed; at position 0 Marian feeds a zero vector, so that column is ignored,
            and None stands for position 0 alone
        :param hidden: gets what the first layer reads and what each writes, each (N, length, D); last what is returned
        :returns: last decoder states (N, length, D)
        """
        if target_input is None:
            keys, _ = state.source[0]
            x = keys.new_zeros(keys.shape[0], 1, self.model_dim)
        else:
            x = self._embed(target_input, self.options.target_table)
            if start == 0:
                x[:, 0] = 0
        embeddings = x + self.positions(start, length)
        x = self._before(embeddings, "decoder_emb", self.options.postprocess_embeddings)
        seen = [x]
        for layer in range(1, self.num_decoder_layers + 1):
            x = self._decoder_layer(x, state, layer)
            seen.append(x)
        x = self._after(x, embeddings, "decoder_top", self.options.postprocess_top)
        if hidden is not None:
            hidden += [*seen[:-1], x]
        return x

    def next_logits(self, previous: Tensor | None, state: DecoderState, position: int) -> Tensor:
        """Move one position on: logits (N, V) after the tokens ``previous`` (N,)."""
        fed = None if previous is None else previous[:, None]
        return self.logits(self.decode(fed, state, start=position)[:, 0])

    def logits(self, states: Tensor) -> Tensor:
        """Project decoder states (..., D) to the vocabulary (..., V)."""
        return F.linear(states, self._p(self._output), self._p(f"{OUTPUT}_b"))

    def hand_down(self) -> Inheritance:
        """Name what a student of the marian graph can take over by that graph's names in transformers.

        :raises NmtDistillError: if there is more than one table of embeddings
        """
        return hand_down(self.options, self.get_buffer, self._where)


def pad(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad id sequences to one (N, S) tensor, with its mask."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.zeros(mask.shape, dtype=torch.long)
    ids[mask] = torch.tensor([token for sequence in sequences for token in sequence])
    return ids.to(device), mask.to(device)
