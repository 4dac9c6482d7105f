from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nmt_distill.errors import NmtDistillError, QualityBoundError, RecipeError, system_problem


def test_one_fault_is_told_without_a_number() -> None:
    error = RecipeError("recipe.yaml", ["student.dim must be even"])
    assert str(error) == "recipe.yaml has 1 fault: student.dim must be even"
    assert error.faults == ("student.dim must be even",)


def test_several_faults_are_numbered_in_one_line() -> None:
    error = RecipeError("recipe.yaml", ["a is wrong; mend it", "b is missing"])
    assert str(error) == "recipe.yaml has 2 faults: (1) a is wrong; mend it; (2) b is missing"


@pytest.mark.parametrize(
    ("error", "exit_status"),
    [(NmtDistillError("x"), 2), (RecipeError("x", ["y"]), 2), (QualityBoundError("x"), 3)],
)
def test_every_error_is_one_family_with_an_exit_status(error: NmtDistillError, exit_status: int) -> None:
    assert isinstance(error, NmtDistillError)
    assert error.exit_status == exit_status


@pytest.mark.parametrize("allocate", [lambda: torch.empty(1 << 50), lambda: np.empty(1 << 57, np.uint8)])
def test_lack_of_memory_is_a_problem_of_the_system(allocate: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        allocate()
    told = system_problem(raised.value, has_out=True)
    assert told is not None
    assert told.startswith("memory ran out; end other programs, or choose a smaller model")
    assert system_problem(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), has_out=True) == told
    assert system_problem(RuntimeError("shape mismatch"), has_out=True) is None
