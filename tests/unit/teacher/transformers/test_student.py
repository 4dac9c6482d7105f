from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
)

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS
from nmt_distill.teacher.transformers.student import hand_down

SIZES: dict[str, Any] = {
    "vocab_size": 20,
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "max_position_embeddings": 16,
}


def m2m100(**values: Any) -> Any:
    specials = {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    return M2M100ForConditionalGeneration(M2M100Config(**(SIZES | specials | values)))


def marian(**values: Any) -> Any:
    specials = {"pad_token_id": 19, "eos_token_id": 0, "decoder_start_token_id": 19, "forced_eos_token_id": None}
    return MarianMTModel(MarianConfig(**({"scale_embedding": True} | SIZES | specials | values)))


@pytest.mark.parametrize("make", [m2m100, marian])
def test_parameters_are_the_models_own(make: Any) -> None:
    """Nothing is copied, and nothing left out but tables of positions."""
    model = make()
    found = hand_down(model, "a toy", {"x": 5})
    own = {name: value for name, value in model.named_parameters() if "embed_positions" not in name}
    assert found.parameters.keys() - {BIAS} == own.keys()
    assert all(found.parameters[name] is value for name, value in own.items())
    assert (BIAS in found.parameters) == (make is marian)
    assert (found.model_dim, found.ffn_inner_dim, found.num_heads) == (16, 24, 4)
    assert (found.num_layers("encoder"), found.num_layers("decoder")) == (3, 1)
    assert found.graph == ("marian" if make is marian else "nllb")


@pytest.mark.parametrize(("name", "told"), [("relu", "relu"), ("swish", "swish"), ("silu", "swish"), ("gelu", "gelu")])
def test_activation_is_told_by_the_students_names(name: str, told: str) -> None:
    assert hand_down(marian(activation_function=name), "a toy", {"x": 5}).activation == told


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (m2m100(scale_embedding=False), "does not scale its embeddings"),
        (m2m100(decoder_attention_heads=2), "has 4 heads in the encoder and 2 in the decoder"),
        (m2m100(pad_token_id=5), "counts positions from 5"),
        (m2m100(), "has an output projection of its own"),
    ],
)
def test_of_other_graphs_there_are_embeddings_alone(model: Any, told: str) -> None:
    if "output" in told:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(20, 16))
    found = hand_down(model, "a toy", {"x": 5})
    assert (found.graph, found.obstacles, found.piece_ids) == (None, (told,), {"x": 5})
    assert found.parameters.keys() == {EMBEDDINGS}


@pytest.mark.parametrize(
    ("name", "graph"),
    [("nllb", "nllb"), ("m2m100", "nllb"), ("small100", "nllb"), ("marian", "marian"), ("mbart50", None), ("t5", None)],
)
def test_families(checkpoints: dict[str, Path], name: str, graph: str | None) -> None:
    folder = checkpoints[name]
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    found = hand_down(model, name, {})
    assert found.graph == graph
    assert found.parameters[EMBEDDINGS] is model.get_input_embeddings().weight
    if graph is None:
        assert found.obstacles == (f"is of model type {AutoConfig.from_pretrained(folder).model_type}",)


def test_two_tables_are_not_taken_over() -> None:
    model = marian(share_encoder_decoder_embeddings=False, decoder_vocab_size=20, tie_word_embeddings=False)
    with pytest.raises(NmtDistillError, match=r"a toy has more than one embedding table.*initialization=random\."):
        hand_down(model, "a toy", {"x": 5})
