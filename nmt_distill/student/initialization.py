"""Start a student from its teacher: everything that fits is copied, layers are spaced, embedding rows are chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel

EMBEDDINGS = "model.shared.weight"
BIAS = "final_logits_bias"
_LAYER = re.compile(r"model\.(encoder|decoder)\.layers\.(\d+)\.(.+)")


def spaced_layers(num_layers: int, num_available: int) -> list[int]:
    """Choose layers at even distances, the first and the last among them; a single one is the last.

    :raises NmtDistillError: if more are wanted than there are
    """
    if num_layers > num_available:
        raise NmtDistillError(
            f"the student has {num_layers} layers, but its teacher only {num_available}; "
            "lower student.num_encoder_layers or student.num_decoder_layers, or set student.initialization=random."
        )
    if num_layers == 1:
        return [num_available - 1]
    return [round(index * (num_available - 1) / (num_layers - 1)) for index in range(num_layers)]


def initialize_from(
    student: StudentModel,
    parameters: Mapping[str, Tensor],
    *,
    kept_ids: Sequence[int] | npt.NDArray[np.int64] | None = None,
) -> frozenset[str]:
    """Copy a teacher's parameters into a student.

    :param parameters: by the student graph's names; embeddings and bias have a row per id of the teacher's vocabulary
        (without padding), layers are the teacher's
    :param kept_ids: the teacher's ids that the student keeps, in its order; None keeps all
    :returns: names of the student's parameters that were copied; the others stay as they were
    :raises NmtDistillError: if a shape does not fit
    """
    own = dict(student.named_parameters()) | {name: buffer for name, buffer in student.named_buffers() if name == BIAS}
    config = student.config
    sources = {}
    for part, wanted in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        available = {int(match[2]) for match in map(_LAYER.fullmatch, parameters) if match and match[1] == part}
        for layer, teacher_layer in enumerate(spaced_layers(wanted, len(available))):
            sources[part, teacher_layer, layer] = f"model.{part}.layers.{layer}."
    copied = set()
    with torch.no_grad():
        for name, value in parameters.items():
            match = _LAYER.fullmatch(name)
            names = [name]
            if match:
                names = [
                    prefix + match[3]
                    for (part, teacher_layer, _), prefix in sources.items()
                    if (part, teacher_layer) == (match[1], int(match[2]))
                ]
            for own_name in names:
                if own_name not in own:
                    continue
                if name in (EMBEDDINGS, BIAS):
                    _copy_rows(own[own_name], value, name, kept_ids)
                else:
                    _copy(own[own_name], value, own_name)
                copied.add(own_name)
    return frozenset(copied)


def _copy_rows(own: Tensor, value: Tensor, name: str, kept_ids: Sequence[int] | npt.NDArray[np.int64] | None) -> None:
    value = value.reshape(-1, 1) if name == BIAS else value
    rows = value if kept_ids is None else value[torch.as_tensor(kept_ids)]
    target = own[0, :-1, None] if name == BIAS else own[:-1]  # the last id is the padding, which no teacher has
    _copy(target, rows, name)


def _copy(own: Tensor, value: Tensor, name: str) -> None:
    if own.shape != value.shape:
        raise NmtDistillError(
            f"the teacher's {name} has shape {tuple(value.shape)}, but the student's {tuple(own.shape)}; "
            "give the student the teacher's widths, or set student.initialization=random."
        )
    own.copy_(value)
