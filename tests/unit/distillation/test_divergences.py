"""The values and gradients of all divergences, through the loss that students are trained with.

What holds for KL alone is in test_losses.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence
from nmt_distill.distillation.losses import vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss
from tests.divergence_cases import MEASURES, Case, all_measures, by_definition, compared, kl
from tests.loss_cases import P3, P4, Q3, Q4, SIZE, top_of


@pytest.mark.parametrize(
    ("measure", "p", "q", "num_kept", "expected"),
    [
        (Divergence("kl"), P3, Q3, 3, 0.0851228),
        (Divergence("reverse_kl"), P3, Q3, 3, 0.0920329),
        (Divergence("js"), P3, Q3, 3, 0.0219012),
        (Divergence("js", beta=0.1), P3, Q3, 3, 0.0076947),
        (Divergence("js", beta=0.9), P3, Q3, 3, 0.0081848),
        (Divergence("tvd"), P3, Q3, 3, 0.2),
        (Divergence("skew_kl"), P3, Q3, 3, 0.0695780),
        (Divergence("kl"), P4, Q4, 4, 0.1536911),
        (Divergence("kl"), P4, Q4, 2, 0.0810930),
        # (0.6, 0.2, 0.2) against (0.4, 0.3, 0.3): (0.2 + 0.1 + 0.1) / 2
        (Divergence("tvd"), P4, Q4, 2, 0.2),
    ],
)
def test_golden_values(
    measure: Divergence, p: tuple[float, ...], q: tuple[float, ...], num_kept: int, expected: float
) -> None:
    """Natural logarithms, worked out apart from this code."""
    assert compared(measure, p, q, num_kept)[0] == pytest.approx(expected, abs=6e-8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kl", (-0.2, 0.1, -0.05, 0.15)),
        ("reverse_kl", (-0.240652, 0.062790, -0.060163, 0.238026)),
        # half of q times (sign - its mean under q): signs (-1, 1, -1, 1), mean 0
        ("tvd", (-0.2, 0.15, -0.05, 0.1)),
    ],
)
def test_golden_gradients(name: DivergenceName, expected: tuple[float, ...]) -> None:
    assert compared(Divergence(name), P4, Q4)[1] == pytest.approx(expected, abs=6e-7)


def test_directions_differ() -> None:
    for name in ("kl", "reverse_kl", "skew_kl"):
        forth, back = (compared(Divergence(name), *pair)[0] for pair in ((P3, Q3), (Q3, P3)))
        assert abs(forth - back) > 3e-3
    assert compared(Divergence("kl"), P3, Q3)[0] == pytest.approx(compared(Divergence("reverse_kl"), Q3, P3)[0])


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("num_kept", [1, 4, 10])
@all_measures
def test_value_and_gradients_are_those_of_the_definition(
    measure: Divergence, num_kept: int, temperature: float, scaled: bool
) -> None:
    case = Case()
    soft = top_of(case.teacher(temperature), num_kept)
    loss, *gradients = case.loss(soft, measure, temperature=temperature, scale_by_temperature=scaled)
    total, *expected = case.plain(soft, measure, temperature, temperature**2 if scaled else 1.0)
    assert loss.total.item() == pytest.approx(total, rel=1e-10)
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@all_measures
def test_everything_kept_is_the_dense_divergence(measure: Divergence, temperature: float) -> None:
    case = Case()
    states = case.states.clone().requires_grad_()
    logits = (states @ case.weight.T + case.bias) / temperature
    dense = temperature**2 * by_definition(measure, case.teacher(temperature), logits.softmax(dim=-1))
    loss, gradient, _ = case.loss(top_of(case.teacher(temperature), SIZE), measure, temperature=temperature)
    assert loss.total.item() == pytest.approx(dense.item(), abs=1e-10)
    torch.testing.assert_close(gradient, torch.autograd.grad(dense, states)[0], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("num_kept", [3, SIZE])
@all_measures
def test_gradcheck(measure: Divergence, num_kept: int) -> None:
    case = Case(rows=3)
    soft = top_of(case.teacher(2.0), num_kept)

    def total(states: Tensor, weight: Tensor) -> Tensor:
        return vocabulary_loss(
            states, weight, case.bias, case.target, soft,
            kd_weight=0.6, divergence=measure, temperature=2.0, label_smoothing=0.1, chunk_rows=2,
        ).total  # fmt: skip

    assert torch.autograd.gradcheck(total, (case.states.requires_grad_(), case.weight.requires_grad_()))


@pytest.mark.parametrize("num_kept", [1, 4, SIZE])
def test_what_is_looked_at_besides(num_kept: int) -> None:
    case = Case()
    teacher, student = case.teacher(2.0), case.own(2.0)
    soft = top_of(teacher, num_kept)
    events = []
    for probs in (teacher, student):
        kept = probs.gather(1, soft.token_ids)
        events.append(torch.cat([kept, 1 - kept.sum(dim=-1, keepdim=True)], dim=-1).clamp(min=1e-6))
    for measure in MEASURES:
        for kd_weight in (0.0, 0.5):
            loss, *_ = case.loss(soft, measure, temperature=2.0, kd_weight=kd_weight)
            assert loss.kl.item() == pytest.approx(kl(*events).item(), abs=1e-4)
            assert loss.divergence.item() == pytest.approx(by_definition(measure, *events).item(), abs=1e-4)
            found = [loss.teacher_entropy.item(), loss.student_entropy.item()]
            assert found == pytest.approx([-(probs * probs.log()).sum().item() for probs in events], abs=2e-4)
            assert loss.kept.item() == pytest.approx(soft.probs.sum().item(), rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kd_share", [1.0, 0.5])
@all_measures
def test_estimated_normaliser_with_every_token_is_the_full_loss(
    measure: Divergence, kd_share: float, temperature: float
) -> None:
    case = Case()
    soft = top_of(case.teacher(temperature), 4)
    options: dict[str, Any] = {"kd_weight": 0.4, "kd_share": kd_share, "temperature": temperature}
    full, *expected = case.loss(soft, measure, **options)
    states, weight = case.states.clone().requires_grad_(), case.weight.clone().requires_grad_()
    loss = sampled_vocabulary_loss(
        states, weight, case.bias, case.target, soft, num_sampled=SIZE, divergence=measure, **options
    )
    for name, value in vars(full).items():
        assert getattr(loss, name).item() == pytest.approx(value.item(), rel=1e-9), name
    for gradient, other in zip(torch.autograd.grad(loss.total, (states, weight)), expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-8, atol=1e-10)
