"""What a student of the marian graph, which is transformers' MarianMTModel, can take over from a Marian model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS, Inheritance
from nmt_distill.teacher.marian.options import MarianOptions

_LETTERS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
_FEED_FORWARD = {"1": "fc1", "2": "fc2"}
Names = Iterator[tuple[str, str]]
"""the student's name and Marian's"""


def hand_down(options: MarianOptions, parameter: Callable[[str], Tensor], where: str) -> Inheritance:
    """Name a model's parameters by the student's names.

    A recurrent cell has no counterpart: its value projection W stands for the self-attention's, with an output
    projection of 1, since a cell's output is a weighted mean of W x as attention's is.

    :param parameter: returns a parameter by Marian's name, matrices as (out, in)
    :param where: names the model in messages
    :raises NmtDistillError: if there is more than one table of embeddings
    """
    if options.source_table != "Wemb" or not options.is_output_tied:
        raise NmtDistillError(
            f"{where} has more than one embedding table, which a student, who has one, cannot take over; "
            "set student.initialization=random."
        )
    if not options.is_post_norm:
        return Inheritance(
            where=where,
            graph=None,
            obstacles=("is not post-norm (transformer-postprocess dan alone)",),
            parameters={EMBEDDINGS: parameter("Wemb")},
        )
    names = [(EMBEDDINGS, "Wemb"), (BIAS, "decoder_ff_logit_out_b")]
    for layer in range(options.num_encoder_layers):
        names += _encoder_layer(f"model.encoder.layers.{layer}", f"encoder_l{layer + 1}")
    for layer in range(options.num_decoder_layers):
        names += _decoder_layer(f"model.decoder.layers.{layer}", f"decoder_l{layer + 1}", options.has_cells)
    parameters = {own: parameter(theirs) for own, theirs in names}
    if options.has_cells:
        for layer in range(options.num_decoder_layers):
            own = f"model.decoder.layers.{layer}.self_attn"
            value = parameter(f"decoder_l{layer + 1}_rnn_W")
            parameters[f"{own}.v_proj.weight"] = value
            parameters[f"{own}.v_proj.bias"] = value.new_zeros(len(value))
            parameters[f"{own}.out_proj.weight"] = torch.eye(len(value), device=value.device)
    return Inheritance(
        where=where,
        graph="marian",
        activation=options.activation,
        num_heads=options.num_heads,
        parameters=parameters,
    )


def _encoder_layer(own: str, theirs: str) -> Names:
    yield from _attention(f"{own}.self_attn", f"{theirs}_self")
    yield from _feed_forward(own, theirs)


def _decoder_layer(own: str, theirs: str, has_cells: bool) -> Names:
    if has_cells:
        yield from _norm(f"{own}.self_attn_layer_norm", f"{theirs}_rnn_ffn")
    else:
        yield from _attention(f"{own}.self_attn", f"{theirs}_self")
    yield from _attention(f"{own}.encoder_attn", f"{theirs}_context")
    yield from _feed_forward(own, theirs)


def _attention(own: str, theirs: str) -> Names:
    for letter, name in _LETTERS.items():
        yield f"{own}.{name}.weight", f"{theirs}_W{letter}"
        yield f"{own}.{name}.bias", f"{theirs}_b{letter}"
    yield from _norm(f"{own}_layer_norm", f"{theirs}_Wo")


def _feed_forward(own: str, theirs: str) -> Names:
    for number, name in _FEED_FORWARD.items():
        yield f"{own}.{name}.weight", f"{theirs}_ffn_W{number}"
        yield f"{own}.{name}.bias", f"{theirs}_ffn_b{number}"
    yield from _norm(f"{own}.final_layer_norm", f"{theirs}_ffn_ffn")


def _norm(own: str, theirs: str) -> Names:
    yield f"{own}.weight", f"{theirs}_ln_scale"
    yield f"{own}.bias", f"{theirs}_ln_bias"
