"""The state of torch's generators, as a checkpoint keeps it for every process."""

from __future__ import annotations

import torch
from torch import Tensor


def random_state() -> list[Tensor]:
    """Return the state of the CPU's generator, then of every GPU's."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def set_random_state(states: list[Tensor]) -> None:
    """Take a state over; that of GPUs where there are as many as there were."""
    torch.set_rng_state(states[0])
    if torch.cuda.is_available() and len(states) == 1 + torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states[1:])
