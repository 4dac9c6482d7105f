"""A larger student out of a trained one, which says the same where that is possible."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import LAYER
from nmt_distill.student.graph import StudentModel, learned_parameters

Depth = Literal["identity", "stack"]
_SILENT = ("self_attn.out_proj", "encoder_attn.out_proj", "fc2")
"""what a layer adds to the stream comes out of these"""


def grow(
    student: StudentModel,
    *,
    ffn_inner_dim: int | None = None,
    num_encoder_layers: int | None = None,
    num_decoder_layers: int | None = None,
    depth: Depth = "identity",
    seed: int = 1,
) -> StudentModel:
    """Make a larger student; None leaves a size as it is.

    Wider feed-forward blocks give the same logits: new units read what random rows, as long as those there are, find,
    and write nothing yet, so that training can make each of them something else. ``identity`` gives the same logits
    too: a new layer is a copy of the one below that adds nothing to the stream yet (Wu et al. 2024, arXiv 2401.02415);
    it takes a pre-norm graph. ``stack`` repeats all layers from the first on, so that layer i is layer i modulo their
    number (Gong et al. 2019); it is a start for training, not the same function.

    :param seed: of the new units
    :raises NmtDistillError: if a size is smaller than it is, nothing grows, layers of a post-norm graph should add
        nothing, or there is no memory for the larger student
    """
    config = copy.deepcopy(student.config)
    old = (config.encoder_ffn_dim, config.encoder_layers, config.decoder_layers)
    sizes = tuple(
        before if size is None else size
        for before, size in zip(old, (ffn_inner_dim, num_encoder_layers, num_decoder_layers), strict=True)
    )
    _check(old, sizes, depth, is_post_norm=config.model_type == "marian")
    config.encoder_ffn_dim = config.decoder_ffn_dim = sizes[0]
    config.encoder_layers, config.decoder_layers = sizes[1:]
    config.num_hidden_layers = config.encoder_layers
    try:
        grown: StudentModel = type(student)(config).eval()
    except (RuntimeError, TypeError, MemoryError):  # beyond memory; beyond what a size can be
        raise NmtDistillError(
            f"there is no memory for a student of {sizes[0]:,} feed-forward units and {sizes[1]:,}-{sizes[2]:,} "
            "layers; give smaller sizes."
        ) from None
    generator = torch.Generator().manual_seed(seed)
    own, given = dict(learned_parameters(grown)), dict(learned_parameters(student))
    with torch.no_grad():
        for name, source, is_new in _origins(own, depth, old, sizes):
            value = given[source].cpu()
            if is_new and depth == "identity" and any(part in name for part in _SILENT):
                own[name].zero_()
            else:
                own[name].copy_(_widened(name, value, own[name].shape, generator))
        for name, buffer in grown.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(student.final_logits_bias)
    grown.generation_config = copy.deepcopy(student.generation_config)
    return grown


def _check(old: tuple[int, ...], sizes: tuple[int, ...], depth: Depth, *, is_post_norm: bool) -> None:
    names = ("--ffn-inner-dim", "--num-encoder-layers", "--num-decoder-layers")
    for name, before, size in zip(names, old, sizes, strict=True):
        if size < before:
            raise NmtDistillError(f"{name} must be at least the {before} that the student has, but is {size} instead.")
    if sizes == old:
        raise NmtDistillError(f"nothing would grow; give one of {', '.join(names)} a larger value than the student's.")
    if is_post_norm and depth == "identity" and sizes[1:] != old[1:]:
        raise NmtDistillError(
            "a layer of the marian graph cannot leave its input as it is, since it normalises it; give --depth stack, "
            "which is a start for training and not the same function."
        )


def _origins(
    names: Iterable[str], depth: Depth, old: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[tuple[str, str, bool]]:
    """Yield the name of each parameter, that of the one it comes from, and whether its layer is one more."""
    num_old, num_new = (dict(zip(("encoder", "decoder"), counts[1:], strict=True)) for counts in (old, sizes))
    for name in names:
        match = LAYER.fullmatch(name)
        if match is None:
            yield name, name, False
            continue
        part, layer = match[1], int(match[2])
        origins = [
            number % num_old[part] if depth == "stack" else number * num_old[part] // num_new[part]
            for number in range(num_new[part])
        ]
        is_new = origins.index(origins[layer]) < layer
        yield name, f"model.{part}.layers.{origins[layer]}.{match[3]}", is_new


def _widened(name: str, value: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return a parameter with more feed-forward units: rows of the first matrix, columns of the second."""
    if value.shape == shape:
        return value
    widened = torch.zeros(shape)
    if name.endswith("fc1.weight"):
        widened = torch.randn(shape, generator=generator) * value.std()
    widened[tuple(slice(size) for size in value.shape)] = value
    return widened
