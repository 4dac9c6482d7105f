"""What the tests of a GPU share; they need one, but for a look at the tests themselves.

NMT_DISTILL_GPU_TESTS_ON=cpu runs them on the processor, where they compare it with itself.
"""

from __future__ import annotations

import os

import pytest

from tests.unit.teacher.conftest import checkpoints
from tests.unit.training.conftest import new_student, toy_store

__all__ = ["checkpoints", "new_student", "toy_store"]


@pytest.fixture(scope="session")
def device() -> str:
    """The device that is tested: ``cuda``."""
    import torch

    wanted = os.environ.get("NMT_DISTILL_GPU_TESTS_ON", "cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return wanted


@pytest.fixture(scope="session")
def gpu(device: str) -> str:
    """The same, for what a processor has no counterpart of."""
    if device != "cuda":
        pytest.skip("this is of CUDA's own")
    return device
