"""All divergences, by their definitions and through the loss that students are trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, vocabulary_loss
from tests.loss_cases import RandomTensors, tail_of, top_of

NAMES = get_args(DivergenceName)
MEASURES = [Divergence(name) for name in NAMES] + [Divergence("js", beta=0.1), Divergence("skew_kl", skew=0.7)]
all_measures = pytest.mark.parametrize(
    "measure", MEASURES, ids=lambda measure: f"{measure.name}-{measure.beta}-{measure.skew}"
)


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) in sum, by PyTorch, whose first argument is the second of the divergence."""
    return F.kl_div(q.log(), p.log(), reduction="sum", log_target=True)


def by_definition(measure: Divergence, p: Tensor, q: Tensor) -> Tensor:
    """Compute a divergence as its definition says, from PyTorch's own KL."""
    beta, skew = measure.beta, measure.skew
    definitions: dict[str, Callable[[], Tensor]] = {
        "kl": lambda: kl(p, q),
        "reverse_kl": lambda: kl(q, p),
        "js": lambda: beta * kl(p, beta * p + (1 - beta) * q) + (1 - beta) * kl(q, beta * p + (1 - beta) * q),
        "tvd": lambda: (p - q).abs().sum() / 2,
        "skew_kl": lambda: kl(p, skew * p + (1 - skew) * q),
    }
    return definitions[measure.name]()


def loss_of_logits(logits: Tensor, soft: SoftTargets, measure: Divergence, **options: Any) -> VocabularyLoss:
    """Train on the divergence alone; an identity for a table makes the states the logits."""
    size = logits.shape[-1]
    table = (torch.eye(size, dtype=logits.dtype), torch.zeros(size, dtype=logits.dtype))
    target = torch.zeros(len(logits), dtype=torch.long)
    return vocabulary_loss(logits, *table, target, soft, kd_weight=1.0, divergence=measure, **options)


def compared(
    measure: Divergence, p: tuple[float, ...], q: tuple[float, ...], num_kept: int | None = None
) -> tuple[float, list[float]]:
    """Compare two distributions; the value, and its gradient with respect to the logits."""
    logits = torch.tensor([q], dtype=torch.float64).log().requires_grad_()
    loss = loss_of_logits(logits, top_of(torch.tensor([p], dtype=torch.float64), num_kept or len(p)), measure)
    (gradient,) = torch.autograd.grad(loss.total, logits)
    return loss.divergence.item(), gradient[0].tolist()


class Case(RandomTensors):
    """A student and its teacher; the loss between them here, and by definition."""

    def own(self, temperature: float = 1.0) -> Tensor:
        kind = torch.promote_types(self.states.dtype, torch.float32)  # in which the bias is added
        logits = ((self.states @ self.weight.T).to(kind) + self.bias.to(kind)).double()
        return (logits / temperature).softmax(dim=-1)

    def loss(self, soft: SoftTargets, measure: Divergence, **options: Any) -> tuple[VocabularyLoss, Tensor, Tensor]:
        """Return the loss and its gradients with respect to states and table."""
        states, weight = self.states.clone().requires_grad_(), self.weight.clone().requires_grad_()
        settings: dict[str, Any] = {"kd_weight": 1.0} | options
        loss = vocabulary_loss(states, weight, self.bias, self.target, soft, divergence=measure, **settings)
        by_states, by_weight = torch.autograd.grad(loss.total, (states, weight))
        return loss, by_states, by_weight

    def plain(
        self, soft: SoftTargets, measure: Divergence, temperature: float, scale: float
    ) -> tuple[float, Tensor, Tensor]:
        """Compute the same by definition over all events, and let autograd find the gradients."""
        states, weight = self.states.clone().requires_grad_(), self.weight.clone().requires_grad_()
        probs = ((states @ weight.T + self.bias) / temperature).softmax(dim=-1)
        kept = probs.gather(1, soft.token_ids)
        student = torch.cat([kept, 1 - kept.sum(dim=-1, keepdim=True)], dim=-1)
        total = scale * by_definition(measure, torch.cat([soft.probs, tail_of(soft)[:, None]], dim=-1), student)
        by_states, by_weight = torch.autograd.grad(total, (states, weight))
        return total.item(), by_states, by_weight


def assert_same(
    one: tuple[VocabularyLoss, Tensor, Tensor], other: tuple[VocabularyLoss, Tensor, Tensor], tolerance: float
) -> None:
    assert one[0].total.item() == pytest.approx(other[0].total.item(), rel=tolerance, abs=tolerance)
    for gradient, expected in zip(one[1:], other[1:], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)
