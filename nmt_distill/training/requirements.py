"""What a training needs of the machine, told before anything long begins."""

from __future__ import annotations

import importlib.util

import torch

from nmt_distill.devices import choose_device
from nmt_distill.errors import NmtDistillError
from nmt_distill.training.config import TrainingConfig


def require_machine(config: TrainingConfig) -> None:
    """See that device, precision and packages are there.

    :raises NmtDistillError: if one is not
    """
    device = choose_device(config.device)
    if config.precision == "bfloat16" and not _has_bfloat16(device):
        name = "GPU" if device == "cuda" else "processor"
        raise NmtDistillError(
            f"training.precision is bfloat16, which the {name} of this machine does not have; set "
            "training.precision=float32."
        )
    if config.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise NmtDistillError(
            "training.tensorboard needs the package tensorboard: pip install 'nmt-distill[tensorboard]', or set "
            "training.tensorboard=false; metrics.jsonl is written either way."
        )


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return has
