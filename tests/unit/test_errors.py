from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError, QualityBoundError, RecipeError


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
