"""Students and teachers of losses: random states, a table, targets and soft targets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.distillation.losses import vocabulary_loss

P3, Q3 = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)
P4, Q4 = (0.6, 0.2, 0.15, 0.05), (0.4, 0.3, 0.1, 0.2)
"""teachers and students of the golden numbers"""
ROWS, WIDTH, SIZE = 7, 5, 11


def top_of(probs: Tensor, num_kept: int) -> SoftTargets:
    """Return the soft targets that a teacher with these probabilities (R, V) hands down."""
    kept, token_ids = probs.topk(num_kept, dim=-1)
    return SoftTargets(token_ids=token_ids, probs=kept, tail=(1 - kept.sum(dim=-1)).clamp(min=0))


def tail_of(soft: SoftTargets) -> Tensor:
    assert soft.tail is not None
    return soft.tail


class RandomTensors:
    """Random states, a table, targets and a teacher, all in one dtype."""

    def __init__(
        self,
        *,
        rows: int = ROWS,
        width: int = WIDTH,
        size: int = SIZE,
        dtype: torch.dtype = torch.float64,
        seed: int = 3,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.states = normal(rows, width).to(dtype)
        self.weight = normal(size, width).to(dtype)
        self.bias = normal(size).to(dtype)
        self.target = torch.randint(size, (rows,), generator=generator)
        self.teacher_logits = 2 * normal(rows, size)

    def teacher(self, temperature: float = 1.0) -> Tensor:
        return (self.teacher_logits / temperature).softmax(dim=-1)


class Case(RandomTensors):
    """A student and its teacher; the loss between them here, and by PyTorch alone."""

    def own(self, temperature: float = 1.0) -> Tensor:
        """Return the student's own probabilities."""
        logits = self.states.double() @ self.weight.double().T + self.bias.double()
        return (logits / temperature).softmax(dim=-1)

    def loss(self, soft: SoftTargets | None, **options: float) -> tuple[float, Tensor, Tensor]:
        """Return the loss and its gradients with respect to states and table."""
        states, weight = self.states.clone().requires_grad_(), self.weight.clone().requires_grad_()
        loss = vocabulary_loss(states, weight, self.bias, self.target, soft, **options)  # type: ignore[arg-type]
        by_states, by_weight = torch.autograd.grad(loss.total, (states, weight))
        return float(loss.total.detach()), by_states, by_weight

    def plain(
        self, soft: SoftTargets | None, *, kd_weight: float, temperature: float = 1.0, label_smoothing: float = 0.0
    ) -> tuple[float, Tensor, Tensor]:
        """Compute the same with nothing but PyTorch's own losses, and let autograd find the gradients."""
        states, weight = self.states.clone().requires_grad_(), self.weight.clone().requires_grad_()
        logits = states @ weight.T + self.bias
        total = (1 - kd_weight) * F.cross_entropy(logits, self.target, reduction="sum", label_smoothing=label_smoothing)
        if soft is not None:
            probs = (logits / temperature).softmax(dim=-1)
            kept = probs.gather(1, soft.token_ids)
            student = torch.cat([kept, 1 - kept.sum(dim=-1, keepdim=True)], dim=-1)
            teacher = torch.cat([soft.probs, tail_of(soft)[:, None]], dim=-1)
            kl = F.kl_div(student.log(), teacher.log(), reduction="sum", log_target=True)
            total = total + kd_weight * temperature**2 * kl
        by_states, by_weight = torch.autograd.grad(total, (states, weight))
        return float(total.detach()), by_states, by_weight


def assert_same(one: tuple[float, Tensor, Tensor], other: tuple[float, Tensor, Tensor], tolerance: float) -> None:
    assert one[0] == pytest.approx(other[0], rel=tolerance, abs=tolerance)
    for gradient, expected in zip(one[1:], other[1:], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)
