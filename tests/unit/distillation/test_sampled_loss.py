from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss

ROWS, WIDTH, SIZE = 9, 6, 40


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    bias = normal(SIZE)
    bias[-1] = -1e4  # padding
    weight = normal(SIZE, WIDTH)
    weight[-1] = 0
    return {
        "states": normal(ROWS, WIDTH),
        "weight": weight,
        "bias": bias,
        "target": torch.randint(SIZE - 1, (ROWS,), generator=generator),
        "teacher": (2 * normal(ROWS, SIZE - 1)).softmax(-1),
    }


def soft_targets(tensors: dict[str, Tensor], num_kept: int = 4) -> SoftTargets:
    probs, token_ids = tensors["teacher"].topk(num_kept, dim=-1)
    return SoftTargets(token_ids=token_ids, probs=probs, tail=1 - probs.sum(-1))


def gradients(loss: VocabularyLoss, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss.total, inputs)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kd_weight", [None, 0.0, 0.4, 1.0])
def test_every_token_drawn_is_the_full_loss(
    tensors: dict[str, Tensor], kd_weight: float | None, temperature: float, label_smoothing: float
) -> None:
    states, weight = tensors["states"].requires_grad_(), tensors["weight"].requires_grad_()
    soft = None if kd_weight is None else soft_targets(tensors)
    arguments = (states, weight, tensors["bias"], tensors["target"], soft)
    options: dict[str, Any] = {
        "kd_weight": kd_weight or 0.0,
        "temperature": temperature,
        "label_smoothing": label_smoothing,
    }
    sampled = sampled_vocabulary_loss(*arguments, num_sampled=SIZE, **options)
    full = vocabulary_loss(*arguments, **options)
    assert sampled.total.item() == pytest.approx(full.total.item(), rel=1e-9)
    assert sampled.kl.item() == pytest.approx(full.kl.item(), rel=1e-9)
    if kd_weight != 1:
        assert sampled.nll.item() == pytest.approx(full.nll.item(), rel=1e-9)
    assert sampled.num_agreed == full.num_agreed
    for one, other in zip(gradients(sampled, states, weight), gradients(full, states, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kd_weight", [0.0, 0.4, 1.0])
def test_padding_that_fills_rows_up_is_counted_once(tensors: dict[str, Tensor], kd_weight: float) -> None:
    """In the nllb graph no bias rules padding out."""
    tensors["bias"][-1] = tensors["weight"][-1].normal_(generator=torch.Generator().manual_seed(5)).sum()
    states, weight, soft = tensors["states"].requires_grad_(), tensors["weight"].requires_grad_(), soft_targets(tensors)
    soft = SoftTargets(
        token_ids=soft.token_ids.index_fill(1, torch.arange(1, 4), SIZE - 1),
        probs=soft.probs.index_fill(1, torch.arange(1, 4), 0),
        tail=1 - soft.probs[:, 0],
    )
    arguments = (states, weight, tensors["bias"], tensors["target"], soft)
    sampled = sampled_vocabulary_loss(*arguments, num_sampled=SIZE, kd_weight=kd_weight)
    full = vocabulary_loss(*arguments, kd_weight=kd_weight)
    assert sampled.total.item() == pytest.approx(full.total.item(), rel=1e-9)
    assert sampled.kl.item() == pytest.approx(full.kl.item(), rel=1e-9)
    for one, other in zip(gradients(sampled, states, weight), gradients(full, states, weight), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kd_weight", [0.0, 1.0])
def test_normaliser_is_right_on_average(tensors: dict[str, Tensor], kd_weight: float) -> None:
    """The estimate of each row's normaliser, not its logarithm, is free of bias: so is exp(nll) of a single row."""
    torch.manual_seed(0)
    states, target = tensors["states"][:1], tensors["target"][:1]
    soft = soft_targets({"teacher": tensors["teacher"][:1]}) if kd_weight else None
    full = vocabulary_loss(states, tensors["weight"], tensors["bias"], target, soft)
    odds = torch.stack([
        sampled_vocabulary_loss(states, tensors["weight"], tensors["bias"], target, soft, num_sampled=8).nll.exp()
        for _ in range(1000)
    ])
    deviation = odds.std().item() / 1000**0.5
    assert deviation < 0.04 * full.nll.exp().item()
    assert odds.mean().item() == pytest.approx(full.nll.exp().item(), abs=4.5 * deviation)


def test_mean_gradient_points_where_the_full_one_does(tensors: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    states, soft = tensors["states"].requires_grad_(), soft_targets(tensors)
    arguments = (states, tensors["weight"], tensors["bias"], tensors["target"], soft)
    (full,) = gradients(vocabulary_loss(*arguments, kd_weight=1.0), states)
    drawn = [
        gradients(sampled_vocabulary_loss(*arguments, num_sampled=15, kd_weight=1.0), states)[0] for _ in range(300)
    ]
    mean = torch.stack(drawn).mean(0)
    assert torch.cosine_similarity(mean.flatten(), full.flatten(), dim=0) > 0.98


def test_draws_come_from_the_random_state(tensors: dict[str, Tensor]) -> None:
    arguments = (tensors["states"], tensors["weight"], tensors["bias"], tensors["target"])
    totals = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        totals.append(sampled_vocabulary_loss(*arguments, num_sampled=5).total.item())
    assert totals[0] == totals[1] != totals[2]


def test_candidates_that_are_gone_change_nothing(tensors: dict[str, Tensor]) -> None:
    soft = soft_targets(tensors)
    gone = SoftTargets(
        token_ids=torch.cat([soft.token_ids, torch.full((ROWS, 2), SIZE - 1)], dim=1),
        probs=torch.cat([soft.probs, torch.zeros(ROWS, 2)], dim=1),
        tail=soft.tail,
    )
    states, weight = tensors["states"].requires_grad_(), tensors["weight"].requires_grad_()
    losses = [
        sampled_vocabulary_loss(
            states, weight, tensors["bias"], tensors["target"], given,
            num_sampled=SIZE, kd_weight=0.5, label_smoothing=0.1,
        )
        for given in (soft, gone)
    ]  # fmt: skip
    assert losses[0].total.item() == pytest.approx(losses[1].total.item(), rel=1e-9)
    found, expected = (gradients(loss, states, weight) for loss in losses)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
        assert other.isfinite().all()
    assert not found[1][-1].any(), "padding must have no gradient, or its row drifts"
