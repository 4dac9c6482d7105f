from __future__ import annotations

import pytest
import torch

from nmt_distill.distillation.config import HiddenDistance
from nmt_distill.distillation.hidden_states import hidden_loss
from nmt_distill.distillation.losses import state_loss


def test_distances_are_those_worked_by_hand() -> None:
    """(3, 4) and (4, 3) have the cosine 24 / 25; (1, 0) and (0, 2) are at right angles."""
    states, teacher = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0]])
    assert hidden_loss(states, teacher, "cosine").item() == pytest.approx(1 / 25 + 1)
    assert hidden_loss(states, teacher, "mse").item() == pytest.approx((2 + 5) / 4)
    assert hidden_loss(states, teacher, "mse").item() == pytest.approx(state_loss(states, teacher).item())


@pytest.mark.parametrize("distance", ["mse", "cosine"])
def test_distance_is_a_sum_over_rows_and_0_where_both_are_the_same(distance: HiddenDistance) -> None:
    states, teacher = torch.randn(9, 5, dtype=torch.bfloat16), torch.randn(9, 5)
    parts = [hidden_loss(states[rows], teacher[rows], distance) for rows in (slice(4), slice(4, 9))]
    assert sum(part.item() for part in parts) == pytest.approx(hidden_loss(states, teacher, distance).item(), rel=1e-5)
    assert hidden_loss(teacher, teacher, distance).item() == pytest.approx(0, abs=1e-5)
    assert hidden_loss(states[:0], teacher[:0], distance).item() == 0


def test_cosine_is_blind_to_length() -> None:
    states, teacher = torch.randn(4, 6), torch.randn(4, 6)
    assert hidden_loss(3 * states, teacher, "cosine").item() == pytest.approx(
        hidden_loss(states, teacher, "cosine").item(), rel=1e-4
    )
