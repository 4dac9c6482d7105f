"""The student as a model of transformers: one embedding table, two graphs.

Token ids are those of the SentencePiece model. In the marian graph ``<pad>`` follows as the last id, has a zero row and
also starts the decoder; a bias of -1e4 keeps it from ever being predicted, so its row gets no gradient through the
output. In the nllb graph positions are counted from the id of ``<pad>``, and converters take for granted that it is 1;
``</s>`` starts the decoder, and that ``<pad>`` is never predicted is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
)

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.config import StudentConfig
from nmt_distill.vocabulary.trimming import NLLB_PAD

PAD_BIAS = -1e4
_POSITIONS = "embed_positions.weight"

StudentModel: TypeAlias = MarianMTModel | M2M100ForConditionalGeneration


@dataclass(frozen=True)
class SpecialIds:
    """Ids that are not text."""

    end: int
    """``</s>``, the last token of source and target"""
    unknown: int
    """``<unk>``"""
    pad: int
    """``<pad>``"""
    vocab_size: int
    """how many ids there are, these among them"""


def build_student(config: StudentConfig, special: SpecialIds) -> StudentModel:
    """Make a student with random weights.

    :raises NmtDistillError: if the padding is not where the graph needs it
    """
    needed = special.vocab_size - 1 if config.graph == "marian" else NLLB_PAD
    if special.pad != needed:
        raise NmtDistillError(
            f"the {config.graph} graph needs <pad> at id {needed}, but the vocabulary has it at {special.pad}; "
            "give a SentencePiece model that suits this graph."
        )
    shared = {
        "vocab_size": special.vocab_size,
        "d_model": config.model_dim,
        "encoder_layers": config.num_encoder_layers,
        "decoder_layers": config.num_decoder_layers,
        "encoder_attention_heads": config.num_heads,
        "decoder_attention_heads": config.num_heads,
        "encoder_ffn_dim": config.ffn_inner_dim,
        "decoder_ffn_dim": config.ffn_inner_dim,
        "max_position_embeddings": config.max_positions,
        "activation_function": config.activation,
        "dropout": config.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "tie_word_embeddings": True,
        "pad_token_id": special.pad,
        "eos_token_id": special.end,
        "decoder_start_token_id": special.pad if config.graph == "marian" else special.end,
        "bos_token_id": None,
        "forced_eos_token_id": None,
    }
    if config.graph == "marian":
        model: StudentModel = MarianMTModel(
            MarianConfig(**shared, share_encoder_decoder_embeddings=True, init_std=config.model_dim**-0.5)
        )
    else:
        model = M2M100ForConditionalGeneration(
            M2M100Config(**shared, encoder_layerdrop=0.0, decoder_layerdrop=0.0, init_std=config.model_dim**-0.5)
        )
    with torch.no_grad():
        model.get_input_embeddings().weight[special.pad] = 0
        if config.graph == "marian":
            model.final_logits_bias[0, special.pad] = PAD_BIAS
    model.generation_config = GenerationConfig(
        max_length=config.max_positions,
        num_beams=1,
        do_sample=False,
        pad_token_id=special.pad,
        eos_token_id=special.end,
        decoder_start_token_id=model.config.decoder_start_token_id,
        bad_words_ids=[[special.pad]],
    )
    return model


def output_bias(model: StudentModel) -> Tensor:
    """Return the constant (V,) added to the logits: in the marian graph the padding can never win."""
    if isinstance(model, MarianMTModel):
        bias: Tensor = model.final_logits_bias[0]
        return bias
    weight = model.get_input_embeddings().weight
    return torch.zeros(weight.shape[0], device=weight.device)


def learned_parameters(model: StudentModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield names and parameters, but for tables of positions, which transformers computes anew when it loads."""
    for name, parameter in model.named_parameters():
        if not name.endswith(_POSITIONS):
            yield name, parameter


def count_parameters(model: StudentModel) -> int:
    """Count what is learned, the one table of embeddings once."""
    return sum(parameter.numel() for _, parameter in learned_parameters(model))
