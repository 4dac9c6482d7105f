"""The weights of NLLB's graph by the names of transformers and of fairseq2, both ways; neither has to be installed.

Both sides have the same tensors. Other are the names, how often the one table of embeddings is told, and the rows of
that table: NLLB's dictionary begins with (``<s>``, ``<pad>``, ``</s>``, ``<unk>``) in transformers, as in fairseq, and
with (``<pad>``, ``<unk>``, ``<s>``, ``</s>``) in fairseq2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError

NLLB_ROWS = (1, 3, 0, 2)
"""row of transformers' table for each of fairseq2's first ones"""
TRANSFORMERS_TABLE = "model.shared.weight"
FAIRSEQ2_TABLE = "final_proj.weight"
_TRANSFORMERS_TABLES = (
    TRANSFORMERS_TABLE,
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
)
_FAIRSEQ2_TABLES = (FAIRSEQ2_TABLE, "encoder_frontend.embed.weight", "decoder_frontend.embed.weight")
_POSITIONS = re.compile(r"model\.(encoder|decoder)\.embed_positions\.weights?")
"""tables of sinusoids, which older files hold and which are computed anew"""
_LAYER = re.compile(r"(?:model\.)?(encoder|decoder)\.layers\.(\d+)\.")

_SELF_ATTENTION = {
    **{f"self_attn.{letter}_proj": f"self_attn.{letter}_proj" for letter in "qkv"},
    "self_attn.out_proj": "self_attn.output_proj",
    "self_attn_layer_norm": "self_attn_layer_norm",
}
_CROSS_ATTENTION = {
    **{f"encoder_attn.{letter}_proj": f"encoder_decoder_attn.{letter}_proj" for letter in "qkv"},
    "encoder_attn.out_proj": "encoder_decoder_attn.output_proj",
    "encoder_attn_layer_norm": "encoder_decoder_attn_layer_norm",
}
_FEED_FORWARD = {"fc1": "ffn.inner_proj", "fc2": "ffn.output_proj", "final_layer_norm": "ffn_layer_norm"}
_LAYERS = {
    "encoder": _SELF_ATTENTION | _FEED_FORWARD,
    "decoder": _SELF_ATTENTION | _CROSS_ATTENTION | _FEED_FORWARD,
}
"""a layer's modules by transformers' names and by fairseq2's; each has a weight and a bias"""


def to_fairseq2(weights: Mapping[str, Tensor], rows: Sequence[int] = NLLB_ROWS) -> dict[str, Tensor]:
    """Name weights as fairseq2 does, the table of embeddings once, as :data:`FAIRSEQ2_TABLE`.

    :param weights: by the names of transformers; the table may stand there once or by all its names
    :param rows: for each of fairseq2's first ids the id of transformers; the others are the same
    :raises NmtDistillError: if a weight is missing, unknown, or no part of this graph
    """
    named = {name: tensor for name, tensor in weights.items() if not _POSITIONS.fullmatch(name)}
    renamed = _rename(named, dict(_names(weights)), _TRANSFORMERS_TABLES, FAIRSEQ2_TABLE, "transformers")
    renamed[FAIRSEQ2_TABLE] = renamed[FAIRSEQ2_TABLE][_permutation(rows, renamed[FAIRSEQ2_TABLE])]
    return renamed


def to_transformers(weights: Mapping[str, Tensor], rows: Sequence[int] = NLLB_ROWS) -> dict[str, Tensor]:
    """Name weights as transformers does, the table of embeddings once; undoes :func:`to_fairseq2`, bit for bit.

    :param weights: by the names of fairseq2; the table may stand there once or by all its names
    :param rows: as given to :func:`to_fairseq2`
    :raises NmtDistillError: if a weight is missing, unknown, or no part of this graph
    """
    names = {theirs: own for own, theirs in _names(weights)}
    renamed = _rename(weights, names, _FAIRSEQ2_TABLES, TRANSFORMERS_TABLE, "fairseq2")
    table = renamed[TRANSFORMERS_TABLE]
    renamed[TRANSFORMERS_TABLE] = table[_permutation(rows, table).argsort()]
    return renamed


def num_layers(names: Iterable[str]) -> tuple[int, int]:
    """Count the layers of encoder and decoder by the names of their weights, transformers' or fairseq2's."""
    layers = [(found[1], int(found[2])) for name in names if (found := _LAYER.match(name))]
    encoder, decoder = (max((place for of, place in layers if of == part), default=-1) + 1 for part in _LAYERS)
    return encoder, decoder


def _names(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Yield transformers' name and fairseq2's of each weight but the table."""
    for (part, modules), depth in zip(_LAYERS.items(), num_layers(weights), strict=True):
        in_layers = [(f"layers.{layer}.", own, theirs) for layer in range(depth) for own, theirs in modules.items()]
        for layer, own, theirs in [*in_layers, ("", "layer_norm", "layer_norm")]:
            for kind in ("weight", "bias"):
                yield f"model.{part}.{layer}{own}.{kind}", f"{part}.{layer}{theirs}.{kind}"


def _rename(
    weights: Mapping[str, Tensor], names: Mapping[str, str], tables: Sequence[str], table: str, side: str
) -> dict[str, Tensor]:
    missing = [name for name in names if name not in weights]
    if not any(name in weights for name in tables):
        missing.append(tables[0])
    if missing:
        raise NmtDistillError(
            f"the checkpoint lacks {counted(len(missing), 'weight')} of NLLB's graph in {side}: {_some(missing)}."
        )
    if unknown := [name for name in weights if name not in names and name not in tables]:
        raise NmtDistillError(
            f"the checkpoint has {counted(len(unknown), 'weight')} that NLLB's graph in {side} has not: "
            f"{_some(unknown)}."
        )
    copies = {name: weights[name] for name in tables if name in weights}
    first, *others = copies
    for other in others:
        if not torch.equal(copies[first], copies[other]):
            raise NmtDistillError(f"{first} and {other} differ, but NLLB's graph has one table of embeddings.")
    return {table: copies[first]} | {new: weights[old] for old, new in names.items()}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _permutation(rows: Sequence[int], table: Tensor) -> Tensor:
    if sorted(rows) != list(range(len(rows))) or len(rows) > len(table):
        raise NmtDistillError(
            f"rows must name each of the first {len(rows)} rows once, of {len(table)} in all, but are {_shown(rows)}."
        )
    return torch.tensor([*rows, *range(len(rows), len(table))], device=table.device)


def _shown(rows: Sequence[int]) -> str:
    return str(list(rows[:8])).replace("]", ", ...]" if len(rows) > 8 else "]")
