"""What a training needs of the machine, told before anything long begins."""

from __future__ import annotations

import importlib.util
import os
import shutil

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
    compilers = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++"]
    if config.compile and not any(map(shutil.which, compilers)):
        raise NmtDistillError(
            f"training.compile needs a C++ compiler, but there is no {' or '.join(compilers)}; install one, or set "
            "training.compile=false."
        )
    if config.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise NmtDistillError(
            "training.tensorboard needs the package tensorboard: pip install 'nmt-distill[tensorboard]', or set "
            "training.tensorboard=false; metrics.jsonl is written either way."
        )


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
