"""Which device computes."""

from __future__ import annotations

from typing import Literal

from nmt_distill.errors import NmtDistillError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(wanted: Device) -> str:
    """Return ``cpu`` or ``cuda``; ``auto`` takes a GPU where there is one.

    :raises NmtDistillError: if a GPU is wanted and torch finds none
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise NmtDistillError("training.device is cuda, but torch finds no GPU; set training.device=auto or cpu.")
    return "cuda" if has_gpu and wanted != "cpu" else "cpu"
