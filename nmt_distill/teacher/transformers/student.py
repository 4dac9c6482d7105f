"""What a student, whose graphs are transformers' own, can take over from a model of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS, Inheritance
from nmt_distill.vocabulary.trimming import NLLB_PAD

_GRAPHS: dict[str, Literal["marian", "nllb"]] = {"m2m_100": "nllb", "marian": "marian"}


def hand_down(model: Any, where: str, piece_ids: Mapping[str, int]) -> Inheritance:
    """Return a model's parameters; of other graphs than a student's the embeddings alone.

    :param model: an encoder-decoder of transformers
    :param where: names it in messages
    :param piece_ids: its ids by name
    :raises NmtDistillError: if source and target have a table of embeddings each
    """
    config, table = model.config, _table(model, where)
    graph = _GRAPHS.get(config.model_type)
    if graph is None:
        obstacles = [f"is of model type {config.model_type}"]
    else:
        heads = (config.encoder_attention_heads, config.decoder_attention_heads)
        differences = {
            f"has {heads[0]} heads in the encoder and {heads[1]} in the decoder": heads[0] != heads[1],
            "does not scale its embeddings": not config.scale_embedding,
            "has an output projection of its own": model.get_output_embeddings().weight is not table,
            f"counts positions from {config.pad_token_id}": graph == "nllb" and config.pad_token_id != NLLB_PAD,
        }
        obstacles = [difference for difference, is_so in differences.items() if is_so]
    if graph is None or obstacles:
        return Inheritance(
            where=where,
            graph=None,
            obstacles=tuple(obstacles),
            parameters={EMBEDDINGS: table},
            piece_ids=piece_ids,
        )
    parameters = {name: value for name, value in model.named_parameters() if "embed_positions" not in name}
    if graph == "marian":
        parameters[BIAS] = model.final_logits_bias[0]
    return Inheritance(
        where=where,
        graph=graph,
        activation="swish" if config.activation_function == "silu" else config.activation_function,
        num_heads=config.encoder_attention_heads,
        parameters=parameters,
        piece_ids=piece_ids,
    )


def _table(model: Any, where: str) -> Tensor:
    """Return the one table of embeddings (V, D) of source and target."""
    tables = [part.get_input_embeddings().weight for part in (model.get_encoder(), model.get_decoder())]
    if tables[0] is not tables[1]:
        raise NmtDistillError(
            f"{where} has more than one embedding table, which a student, who has one, cannot take over; "
            "set student.initialization=random."
        )
    table: Tensor = tables[0]
    return table
