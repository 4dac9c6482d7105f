"""Losses of trainings in bfloat16, and the memory that they take."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.losses import vocabulary_loss
from tests.loss_cases import Case, top_of


@given(temperature=st.floats(0.5, 4.0), num_kept=st.integers(1, 11), seed=st.integers(0, 1 << 16))
def test_loss_of_bfloat16_states_is_never_negative(temperature: float, num_kept: int, seed: int) -> None:
    case = Case(seed=seed, dtype=torch.bfloat16, rows=1)
    # the teacher sees the very logits that the student's bfloat16 product gives, to which the bias comes in float32
    logits = ((case.states @ case.weight.T).float() + case.bias.float()).double()
    soft = top_of((logits / temperature).softmax(dim=-1), num_kept)
    loss = vocabulary_loss(
        case.states, case.weight, case.bias, case.target, soft, kd_weight=1.0, temperature=temperature
    )
    assert loss.total.dtype == torch.float32
    assert -1e-6 <= loss.kl.item() < 1e-5
    other = top_of(case.teacher(temperature), num_kept)
    loss = vocabulary_loss(
        case.states, case.weight, case.bias, case.target, other, kd_weight=1.0, temperature=temperature
    )
    assert loss.kl.item() >= -1e-7


def test_gradients_have_the_dtype_of_their_tensors() -> None:
    case = Case(dtype=torch.bfloat16)
    weight = case.weight.float().requires_grad_()
    states = case.states.requires_grad_()
    loss = vocabulary_loss(states, weight, case.bias, case.target, top_of(case.teacher(), 4), kd_weight=0.5)
    gradients = torch.autograd.grad(loss.total, (states, weight))
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16, torch.float32]


@pytest.mark.parametrize("kd_share", [1.0, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", get_args(DivergenceName))
def test_one_copy_of_a_chunks_logits_exists_at_once(name: DivergenceName, temperature: float, kd_share: float) -> None:
    rows, size, chunk_rows = 96, 2000, 32
    states, weight = torch.randn(rows, 4, requires_grad=True), torch.randn(size, 4)
    soft = top_of(torch.randn(rows, size).softmax(dim=-1), 3)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        vocabulary_loss(
            states, weight, torch.zeros(size), torch.zeros(rows, dtype=torch.long), soft,
            kd_weight=0.5, divergence=Divergence(name), temperature=temperature, kd_share=kd_share,
            label_smoothing=0.1, chunk_rows=chunk_rows,
        )  # fmt: skip
    copy = 4 * chunk_rows * size
    assert copy <= peak_of(profiler) < 1.5 * copy


@pytest.mark.parametrize("is_online", [True, False])
@pytest.mark.parametrize("name", get_args(DivergenceName))
def test_memory_of_whole_distributions_grows_with_the_vocabulary(name: DivergenceName, is_online: bool) -> None:
    """All tokens are kept where a teacher is asked during training: no table of pairs of them fits anywhere."""
    rows, size = 16, 2000
    states, weight = torch.randn(rows, 4, requires_grad=True), torch.randn(size, 4)
    probs = torch.randn(rows, size).softmax(dim=-1)
    soft = SoftTargets(
        token_ids=torch.arange(size).expand(rows, -1),
        probs=probs,
        tail=torch.zeros(rows),
        best=probs.argmax(dim=-1) if is_online else None,
    )
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        vocabulary_loss(
            states, weight, torch.zeros(size), torch.zeros(rows, dtype=torch.long), soft,
            kd_weight=1.0, divergence=Divergence(name),
        )  # fmt: skip
    assert peak_of(profiler) < 20 * 4 * rows * size, "20 copies of the distributions"


def peak_of(profiler: profile) -> int:
    """Return the most bytes that were in use at once."""
    events: Any = profiler.profiler
    sizes = [event.nbytes() for event in events.kineto_results.events() if event.name() == "[memory]"]
    peak: int = max(accumulate(sizes))  # what is given back counts as less than nothing
    return peak


@pytest.mark.parametrize("kd_share", [1.0, 0.5])
def test_float32_states_are_projected_in_the_precision_of_the_training(kd_share: float) -> None:
    """On a GPU the last norm leaves float32 in a bfloat16 training, on a processor bfloat16: the loss is the same."""
    states, weight, bias = torch.randn(9, 4), torch.randn(20, 4), torch.zeros(20)
    soft, target = top_of(torch.randn(9, 20).softmax(dim=-1), 3), torch.randint(20, (9,))
    found = []
    for start in (states, states.bfloat16()):
        own, table = start.clone().requires_grad_(), weight.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss = vocabulary_loss(own, table, bias, target, soft, kd_weight=0.5, kd_share=kd_share)
        found.append((loss.total, *torch.autograd.grad(loss.total, (own, table))))
    assert [each.dtype for each in found[0]] == [torch.float32] * 3
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other.float())


def test_label_smoothing_is_in_float32_where_the_training_is_in_bfloat16() -> None:
    """One row, so that rounding does not cancel out over rows: in bfloat16 the mean logit is off by up to 1/256."""
    for seed in range(8):
        torch.manual_seed(seed)
        states, weight, bias = torch.randn(1, 8), torch.randn(30, 8), torch.full((30,), 4.0)
        target = torch.tensor([seed])
        logits = (states.bfloat16() @ weight.bfloat16().T).float() + bias
        mean_logit = (states.bfloat16().float() @ weight.T + bias).mean()
        expected = 0.5 * F.cross_entropy(logits, target) + 0.5 * (torch.logsumexp(logits, dim=1) - mean_logit)
        with torch.autocast("cpu", torch.bfloat16):
            found = vocabulary_loss(states, weight, bias, target, label_smoothing=0.5)
        assert float(found.total) == pytest.approx(float(expected), rel=1e-5)
