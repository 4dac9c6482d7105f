"""Settings of small students, and their parameters."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import StudentModel

SHAPE: dict[str, Any] = {
    "model_dim": 32,
    "ffn_inner_dim": 48,
    "num_heads": 4,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "max_positions": 64,
    "dropout": 0.0,
}


def config_of(**values: Any) -> StudentConfig:
    return StudentConfig(**(SHAPE | values))


def parameters_of(student: StudentModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in student.state_dict().items()}
