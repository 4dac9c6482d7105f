from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from transformers import M2M100Config, M2M100ForConditionalGeneration

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.fairseq2.interop import (
    FAIRSEQ2_TABLE,
    NLLB_ROWS,
    TRANSFORMERS_TABLE,
    num_layers,
    to_fairseq2,
    to_transformers,
)

TABLES = [
    TRANSFORMERS_TABLE,
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
]


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """What transformers' own model of two encoder and three decoder layers holds, with the table once."""
    torch.manual_seed(random.randrange(1 << 30))
    model = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=11,
            d_model=4,
            encoder_layers=2,
            decoder_layers=3,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=6,
            decoder_ffn_dim=6,
        )
    )
    return {name: torch.randn_like(tensor) for name, tensor in model.state_dict().items() if name not in TABLES[1:]}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Tell whether all names and all bits are the same."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("rows", [NLLB_ROWS, (10, *range(10)), ()], ids=str)
def test_there_and_back_is_the_identity(weights: dict[str, Tensor], rows: tuple[int, ...]) -> None:
    theirs = to_fairseq2(weights, rows)
    assert same(to_transformers(theirs, rows), weights)
    assert same(to_fairseq2(to_transformers(theirs, rows), rows), theirs)


def test_every_weight_has_a_name_of_its_own(weights: dict[str, Tensor]) -> None:
    theirs = to_fairseq2(weights)
    assert len(theirs) == len(weights)
    assert {id(tensor) for name, tensor in theirs.items() if name != FAIRSEQ2_TABLE} == {
        id(tensor) for name, tensor in weights.items() if name != TRANSFORMERS_TABLE
    }
    assert num_layers(weights) == num_layers(theirs) == (2, 3)


@pytest.mark.parametrize(
    ("own", "theirs"),
    [  # read off fairseq2 0.8's `convert_nllb_state_dict`, whose fairseq names are transformers' but for `model.`
        ("encoder.layers.1.self_attn.out_proj.bias", "encoder.layers.1.self_attn.output_proj.bias"),
        ("encoder.layers.0.fc1.weight", "encoder.layers.0.ffn.inner_proj.weight"),
        ("encoder.layers.0.final_layer_norm.weight", "encoder.layers.0.ffn_layer_norm.weight"),
        ("decoder.layers.2.encoder_attn.k_proj.weight", "decoder.layers.2.encoder_decoder_attn.k_proj.weight"),
        ("decoder.layers.2.encoder_attn.out_proj.weight", "decoder.layers.2.encoder_decoder_attn.output_proj.weight"),
        ("decoder.layers.0.encoder_attn_layer_norm.bias", "decoder.layers.0.encoder_decoder_attn_layer_norm.bias"),
        ("decoder.layers.0.fc2.bias", "decoder.layers.0.ffn.output_proj.bias"),
        ("decoder.layer_norm.weight", "decoder.layer_norm.weight"),
    ],
)
def test_names_are_those_of_fairseq2(weights: dict[str, Tensor], own: str, theirs: str) -> None:
    assert to_fairseq2(weights)[theirs] is weights[f"model.{own}"]


def test_rows_of_specials_change_places(weights: dict[str, Tensor]) -> None:
    table = weights[TRANSFORMERS_TABLE]
    start, pad, end, unknown = table[:4]  # <s>, <pad>, </s>, <unk>
    moved = to_fairseq2(weights)[FAIRSEQ2_TABLE]
    assert torch.equal(moved[:4], torch.stack([pad, unknown, start, end]))
    assert torch.equal(moved[4:], table[4:])


def test_copies_of_the_table_and_tables_of_positions_are_nothing_new(weights: dict[str, Tensor]) -> None:
    copies = dict.fromkeys(TABLES, weights[TRANSFORMERS_TABLE].clone())
    positions = {f"model.{part}.embed_positions.weights": torch.ones(1) for part in ("encoder", "decoder")}
    assert same(to_fairseq2(weights | copies | positions), to_fairseq2(weights))
    theirs = to_fairseq2(weights)
    names = ("encoder_frontend.embed.weight", "decoder_frontend.embed.weight")
    assert same(to_transformers(theirs | dict.fromkeys(names, theirs[FAIRSEQ2_TABLE])), weights)


def test_tables_that_differ_are_refused(weights: dict[str, Tensor]) -> None:
    untied = weights | {"lm_head.weight": weights[TRANSFORMERS_TABLE] + 1}
    with pytest.raises(
        NmtDistillError, match=r"model.shared.weight and lm_head.weight differ, but NLLB's graph has one"
    ):
        to_fairseq2(untied)


def test_every_weight_that_is_missing_or_unknown_is_named(weights: dict[str, Tensor]) -> None:
    theirs = to_fairseq2(weights)
    for name in weights:
        rest = {other: tensor for other, tensor in weights.items() if other != name}
        with pytest.raises(NmtDistillError, match=rf"lacks 1 weight of NLLB's graph in transformers: {name}\."):
            to_fairseq2(rest)
    for name in theirs:
        rest = {other: tensor for other, tensor in theirs.items() if other != name}
        with pytest.raises(NmtDistillError, match=rf"lacks 1 weight of NLLB's graph in fairseq2: {name}\."):
            to_transformers(rest)
    with pytest.raises(
        NmtDistillError, match=r"has 1 weight that NLLB's graph in transformers has not: model\.extra\."
    ):
        to_fairseq2(weights | {"model.extra": torch.ones(1)})
    with pytest.raises(NmtDistillError, match=r"has 2 weights that NLLB's graph in fairseq2 has not: x, y\."):
        to_transformers(theirs | {"x": torch.ones(1), "y": torch.ones(1)})
    with pytest.raises(NmtDistillError, match=r"lacks 5 weights of NLLB's graph in transformers: .*, \.\.\.\."):
        to_fairseq2({name: tensor for name, tensor in theirs.items() if "layers" not in name})


@pytest.mark.parametrize("rows", [(0, 0), (1, 2), tuple(range(12))], ids=str)
def test_rows_are_a_permutation(weights: dict[str, Tensor], rows: tuple[int, ...]) -> None:
    with pytest.raises(NmtDistillError, match=rf"rows must name each of the first {len(rows)} rows once, of 11 in all"):
        to_fairseq2(weights, rows)
