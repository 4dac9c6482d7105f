"""What changes nothing in a loss, where it is nothing, and where it must stay finite."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.distillation.losses import vocabulary_loss
from tests.loss_cases import Case, assert_same, top_of


@given(
    temperature=st.floats(0.5, 8.0),
    num_kept=st.integers(1, 11),
    seed=st.integers(0, 1 << 16),
    kind=st.sampled_from([torch.float64, torch.float32]),
)
def test_nothing_to_learn_from_oneself(temperature: float, num_kept: int, seed: int, kind: torch.dtype) -> None:
    case = Case(seed=seed, dtype=kind)
    soft = top_of(case.own(temperature), num_kept)
    total, *gradients = case.loss(soft, kd_weight=1.0, temperature=temperature)
    tolerance = 1e-9 if kind == torch.float64 else 3e-5
    assert abs(total) < tolerance * temperature**2
    for gradient in gradients:
        assert gradient.abs().max() < tolerance * temperature


@pytest.mark.parametrize("kd_weight", [0.0, 1e-12])
def test_without_likelihood_and_weight_nothing_is_learned(kd_weight: float) -> None:
    case = Case()
    total, *gradients = case.loss(top_of(case.teacher(), 4), kd_weight=kd_weight, has_likelihood=False)
    assert abs(total) < 1e-9
    for gradient in gradients:
        assert gradient.abs().max() < 1e-9


@given(num_kept=st.integers(1, 10), seed=st.integers(0, 1 << 16), temperature=st.floats(0.5, 4.0))
def test_merging_tokens_into_a_bucket_loses_information(num_kept: int, seed: int, temperature: float) -> None:
    case = Case(seed=seed)
    teacher = case.teacher(temperature)
    totals = [
        case.loss(top_of(teacher, kept), kd_weight=1.0, temperature=temperature)[0]
        for kept in (num_kept, num_kept + 1, 11)
    ]
    floor = 7 * 4e-7 * temperature**2  # a tail below TAIL_FLOOR counts as that: at most floor / e a row
    assert -1e-12 <= totals[0] <= totals[1] + floor
    assert totals[1] <= totals[2] + floor


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_chunk_size_changes_nothing(chunk_rows: int, temperature: float) -> None:
    case = Case()
    soft = top_of(case.teacher(temperature), 4)
    options = {"kd_weight": 0.4, "temperature": temperature, "label_smoothing": 0.1}
    assert_same(case.loss(soft, **options, chunk_rows=chunk_rows), case.loss(soft, **options), 1e-12)


def test_splitting_the_batch_changes_nothing() -> None:
    case, first, second = Case(), Case(), Case()
    soft = top_of(case.teacher(), 4)
    parts = []
    for part, rows in ((first, slice(0, 3)), (second, slice(3, 7))):
        part.states, part.target = case.states[rows], case.target[rows]
        parts.append(part.loss(soft.rows(rows), kd_weight=0.4, label_smoothing=0.1))
    (total_1, states_1, weight_1), (total_2, states_2, weight_2) = parts
    joined = (total_1 + total_2, torch.cat([states_1, states_2]), weight_1 + weight_2)
    assert_same(joined, case.loss(soft, kd_weight=0.4, label_smoothing=0.1), 1e-12)


def test_adding_a_constant_to_all_logits_changes_nothing() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    expected = case.loss(soft, kd_weight=0.4, label_smoothing=0.1)
    case.bias = case.bias + 13.0
    assert_same(case.loss(soft, kd_weight=0.4, label_smoothing=0.1), expected, 1e-11)


def test_order_of_the_vocabulary_changes_nothing() -> None:
    case, moved = Case(), Case()
    soft = top_of(case.teacher(2.0), 4)
    new_ids = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    old_ids = new_ids.argsort()
    moved.weight, moved.bias, moved.target = case.weight[old_ids], case.bias[old_ids], new_ids[case.target]
    moved_soft = SoftTargets(token_ids=new_ids[soft.token_ids], probs=soft.probs, tail=soft.tail)
    options = {"kd_weight": 0.4, "temperature": 2.0, "label_smoothing": 0.1}
    total, states, weight = moved.loss(moved_soft, **options)
    assert_same((total, states, weight[new_ids]), case.loss(soft, **options), 1e-12)


def test_order_of_the_kept_candidates_changes_nothing() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    turned = SoftTargets(token_ids=soft.token_ids.flip(1), probs=soft.probs.flip(1), tail=soft.tail)
    assert_same(case.loss(turned, kd_weight=0.4), case.loss(soft, kd_weight=0.4), 1e-12)


def with_padding(case: Case) -> Case:
    """Add an id whose row is zero and whose bias rules it out."""
    case.weight = torch.cat([case.weight, case.weight.new_zeros(1, case.weight.shape[1])])
    case.bias = torch.cat([case.bias, case.bias.new_full((1,), -1e4)])
    return case


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_ruled_out_token_and_candidates_that_are_gone(kind: torch.dtype, temperature: float) -> None:
    plain, padded = Case(dtype=kind), with_padding(Case(dtype=kind))
    teacher = plain.teacher(temperature)
    soft = top_of(teacher, 3)
    # candidates that a trimmed vocabulary lacks become padding, twice in a row, with probability 0
    gone = SoftTargets(
        token_ids=torch.cat([soft.token_ids, torch.full((7, 2), 11)], dim=1),
        probs=torch.cat([soft.probs, torch.zeros(7, 2)], dim=1),
        tail=soft.tail,
    )
    options = {"kd_weight": 0.4, "temperature": temperature, "label_smoothing": 0.1}
    total, states, weight = padded.loss(gone, **options)
    assert_same((total, states, weight[:-1]), plain.loss(soft, **options), 1e-2 if kind == torch.bfloat16 else 1e-5)
    assert torch.equal(weight[-1], torch.zeros_like(weight[-1])), "padding must have no gradient, or its row drifts"


def test_teacher_that_is_sure_and_student_that_excludes_it() -> None:
    case = with_padding(Case(dtype=torch.float32))
    sure = SoftTargets(token_ids=torch.full((7, 2), 11), probs=torch.tensor([[1.0, 0.0]] * 7), tail=torch.zeros(7))
    sure.token_ids[:, 1] = 0
    total, states, weight = case.loss(sure, kd_weight=1.0)
    assert 5e4 < total < 1e5
    assert states.isfinite().all()
    assert weight.isfinite().all()


def test_student_without_tail_has_a_finite_gradient_towards_one() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    soft = SoftTargets(token_ids=torch.tensor([[0]]), probs=torch.tensor([[0.9]]), tail=torch.tensor([0.1]))
    loss = vocabulary_loss(logits, torch.eye(3), torch.zeros(3), torch.zeros(1, dtype=torch.long), soft, kd_weight=1.0)
    (gradient,) = torch.autograd.grad(loss.total, logits)
    assert loss.total.isfinite()
    assert gradient.isfinite().all()
    assert gradient[0, 0] > 0.05, "the sure token must be pushed down"


def test_no_share_of_divergence_is_cross_entropy_exactly() -> None:
    case = Case()
    with_teacher = case.loss(top_of(case.teacher(), 4), kd_weight=0.0, label_smoothing=0.1)
    without = case.loss(None, label_smoothing=0.1)
    assert with_teacher[0] == without[0]
    assert torch.equal(with_teacher[1], without[1])
    assert torch.equal(with_teacher[2], without[2])
    assert_same(without, case.plain(None, kd_weight=0.0, label_smoothing=0.1), 1e-12)


def test_only_divergence_ignores_the_targets() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    expected = case.loss(soft, kd_weight=1.0, label_smoothing=0.1)
    case.target = (case.target + 1) % 11
    assert_same(case.loss(soft, kd_weight=1.0, label_smoothing=0.1), expected, 0)


def test_another_teacher_gives_another_gradient() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    shuffled = top_of(case.teacher().roll(1, 0), 4)
    assert not torch.allclose(case.loss(soft, kd_weight=1.0)[1], case.loss(shuffled, kd_weight=1.0)[1], atol=0.01)


def test_whole_share_is_plain_distillation_exactly() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    one, other = (case.loss(soft, kd_weight=0.4, label_smoothing=0.1, **more) for more in ({}, {"kd_share": 1.0}))
    assert one[0] == other[0]
    assert torch.equal(one[1], other[1])
