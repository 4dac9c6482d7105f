"""What changes nothing in any divergence, what bounds it, and where it must stay finite."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.distillation.divergences import Divergence, SoftTargets
from tests.divergence_cases import MEASURES, NAMES, Case, all_measures, assert_same, compared, loss_of_logits
from tests.loss_cases import P4, Q4, ROWS, SIZE, WIDTH, tail_of, top_of

any_measure = st.sampled_from(MEASURES)


@given(
    measure=any_measure,
    temperature=st.floats(0.5, 8.0),
    num_kept=st.integers(1, SIZE),
    seed=st.integers(0, 1 << 16),
    kind=st.sampled_from([torch.float64, torch.float32]),
)
def test_nothing_to_learn_from_oneself(
    measure: Divergence, temperature: float, num_kept: int, seed: int, kind: torch.dtype
) -> None:
    case = Case(seed=seed, dtype=kind)
    loss, *gradients = case.loss(top_of(case.own(temperature), num_kept), measure, temperature=temperature)
    tolerance = 1e-9 if kind == torch.float64 else 3e-5
    assert abs(loss.divergence.item()) < tolerance
    for gradient in gradients:
        assert gradient.abs().max() < tolerance * temperature


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_what_fills_a_row_up_is_counted_once(measure: Divergence) -> None:
    """A vocabulary that lacks some candidates has ``<pad>`` in their place, several times in a row."""
    case = Case()
    soft = top_of(case.teacher(), 3)
    gone = soft.probs[:, 2]

    def filled(times: int) -> SoftTargets:
        ids = torch.cat([soft.token_ids[:, :2], torch.full((ROWS, times), SIZE - 1)], dim=1)
        ids[:, 2:][(soft.token_ids[:, :2] == SIZE - 1).any(dim=1)] = int(soft.token_ids[0, 2])
        probs = torch.cat([soft.probs[:, :2], torch.zeros(ROWS, times, dtype=gone.dtype)], dim=1)
        return SoftTargets(token_ids=ids, probs=probs, tail=tail_of(soft) + gone)

    (once, *gradients), (often, *others) = case.loss(filled(1), measure), case.loss(filled(4), measure)
    assert often.divergence.item() == pytest.approx(once.divergence.item(), abs=1e-12)
    assert often.kl.item() == pytest.approx(once.kl.item(), abs=1e-12)
    for gradient, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(gradient, other)


@given(measure=any_measure, temperature=st.floats(0.5, 4.0), num_kept=st.integers(1, SIZE), seed=st.integers(0, 65_535))
def test_divergence_of_bfloat16_states_is_never_negative(
    measure: Divergence, temperature: float, num_kept: int, seed: int
) -> None:
    case = Case(seed=seed, dtype=torch.bfloat16, rows=1)
    for teacher, most in ((case.own(temperature), 1e-5), (case.teacher(temperature), math.inf)):
        loss, *gradients = case.loss(top_of(teacher, num_kept), measure, temperature=temperature)
        assert loss.total.dtype == torch.float32
        assert -1e-6 <= loss.divergence.item() < most
        assert all(gradient.isfinite().all() for gradient in gradients)


@given(seed=st.integers(0, 1 << 16), num_kept=st.integers(1, SIZE), beta=st.floats(0.01, 0.99))
def test_bounds(seed: int, num_kept: int, beta: float) -> None:
    case = Case(seed=seed, rows=1)
    soft = top_of(case.teacher(), num_kept)
    found = {name: case.loss(soft, Divergence(name))[0].divergence.item() for name in NAMES}
    assert 0 <= found["tvd"] <= 1
    assert found["tvd"] ** 2 <= min(found["kl"], found["reverse_kl"]) / 2 + 1e-6, "Pinsker's inequality"
    assert 0 <= found["js"] <= math.log(2) + 1e-6
    assert found["skew_kl"] <= found["kl"] + 1e-6
    general = case.loss(soft, Divergence("js", beta=beta))[0].divergence.item()
    assert 0 <= general <= -beta * math.log(beta) - (1 - beta) * math.log1p(-beta) + 1e-6


@given(measure=any_measure, num_kept=st.integers(1, SIZE - 1), seed=st.integers(0, 1 << 16))
def test_merging_tokens_into_a_bucket_loses_information(measure: Divergence, num_kept: int, seed: int) -> None:
    case = Case(seed=seed)
    totals = [
        case.loss(top_of(case.teacher(), kept), measure)[0].divergence.item() for kept in (num_kept, num_kept + 1, SIZE)
    ]
    floor = ROWS * 2e-5  # a tail below TAIL_FLOOR counts as that
    assert -1e-12 <= totals[0] <= totals[1] + floor
    assert totals[1] <= totals[2] + floor


def test_jensen_shannon_is_symmetric() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        pair = (2 * torch.randn(2, SIZE, generator=generator, dtype=torch.float64)).softmax(dim=-1).tolist()
        forth, back = (compared(Divergence("js"), tuple(one), tuple(other))[0] for one, other in (pair, pair[::-1]))
        assert forth == pytest.approx(back, rel=1e-9)
        one, other = (
            compared(Divergence("js", beta=beta), tuple(p), tuple(q))[0]
            for beta, (p, q) in ((0.2, pair), (0.8, pair[::-1]))
        )
        assert one == pytest.approx(other, rel=1e-9)


def test_ends_of_the_generalised_jensen_shannon_divergence_are_both_kinds_of_kl() -> None:
    forth, back = (compared(measure, P4, Q4)[0] for measure in (Divergence("kl"), Divergence("reverse_kl")))
    beta = 1e-6
    assert compared(Divergence("js", beta=beta), P4, Q4)[0] / beta == pytest.approx(forth, rel=1e-4)
    assert compared(Divergence("js", beta=1 - beta), P4, Q4)[0] / beta == pytest.approx(back, rel=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
@all_measures
def test_tokens_that_the_teacher_rules_out(measure: Divergence, kind: torch.dtype, temperature: float) -> None:
    """Probability 0 of what the student may well say: finite loss, and a finite gradient away from it."""
    case = Case(dtype=kind)
    masked = case.teacher_logits.index_fill(1, torch.tensor([0, 4, 9]), -torch.inf)
    teacher = (masked / temperature).softmax(dim=-1)
    for num_kept in (SIZE, 4):
        loss, *gradients = case.loss(top_of(teacher, num_kept), measure, temperature=temperature)
        assert loss.total.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    soft = SoftTargets(torch.tensor([[0, 1, 2]]), torch.tensor([[0.5, 0.5, 0.0]]), torch.zeros(1))
    (gradient,) = torch.autograd.grad(loss_of_logits(logits, soft, measure).total, logits)
    assert gradient[0, 2] > 1e-3


@all_measures
def test_token_that_the_student_rules_out(measure: Divergence) -> None:
    case = Case(dtype=torch.float32)
    case.bias = case.bias.index_fill(0, torch.tensor([3]), -1e4)
    for teacher in (case.teacher(), F.one_hot(torch.full((ROWS,), 3), SIZE).float()):
        for num_kept in (1, 4, SIZE):
            loss, *gradients = case.loss(top_of(teacher, num_kept), measure, temperature=2.0)
            assert loss.total.isfinite()
            assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@all_measures
def test_chunks_and_splits_change_nothing(measure: Divergence, temperature: float) -> None:
    case = Case()
    soft = top_of(case.teacher(temperature), 4)
    options = {"kd_weight": 0.4, "temperature": temperature, "label_smoothing": 0.1}
    whole = case.loss(soft, measure, **options)
    for chunk_rows in (1, 3, ROWS):
        assert_same(case.loss(soft, measure, **options, chunk_rows=chunk_rows), whole, 1e-11)
    parts = []
    for rows in (slice(0, 2), slice(2, ROWS)):
        part = Case()
        part.states, part.target = case.states[rows], case.target[rows]
        parts.append(part.loss(soft.rows(rows), measure, **options))
    assert sum(part[0].total.item() for part in parts) == pytest.approx(whole[0].total.item(), rel=1e-11)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), whole[1])
    torch.testing.assert_close(parts[0][2] + parts[1][2], whole[2])


@all_measures
def test_constants_and_the_order_of_the_vocabulary_change_nothing(measure: Divergence) -> None:
    case, moved = Case(), Case()
    soft = top_of(case.teacher(), 4)
    expected = case.loss(soft, measure)
    moved.bias = case.bias + 13.0
    assert_same(moved.loss(soft, measure), expected, 1e-10)
    new_ids = torch.randperm(SIZE, generator=torch.Generator().manual_seed(0))
    old_ids = new_ids.argsort()
    moved.weight, moved.bias, moved.target = case.weight[old_ids], case.bias[old_ids], new_ids[case.target]
    loss, states, weight = moved.loss(SoftTargets(new_ids[soft.token_ids], soft.probs, soft.tail), measure)
    assert_same((loss, states, weight[new_ids]), expected, 1e-11)


@all_measures
def test_candidates_that_are_gone_change_nothing(measure: Divergence) -> None:
    case, padded = Case(), Case()
    padded.weight = torch.cat([case.weight, case.weight.new_zeros(1, WIDTH)])
    padded.bias = torch.cat([case.bias, case.bias.new_full((1,), -1e4)])
    soft = top_of(case.teacher(), 3)
    gone = SoftTargets(
        token_ids=torch.cat([soft.token_ids, torch.full((ROWS, 2), SIZE)], dim=1),
        probs=torch.cat([soft.probs, torch.zeros(ROWS, 2)], dim=1),
        tail=soft.tail,
    )
    loss, states, weight = padded.loss(gone, measure)
    assert_same((loss, states, weight[:-1]), case.loss(soft, measure), 1e-9)
    assert not weight[-1].any(), "padding must have no gradient, or its row drifts"


@all_measures
def test_no_share_of_divergence_is_cross_entropy_exactly(measure: Divergence) -> None:
    case = Case()
    found = case.loss(top_of(case.teacher(), 4), measure, kd_weight=0.0)
    plain = case.loss(top_of(case.teacher(), 4), Divergence(), kd_weight=0.0)
    assert found[0].total.item() == plain[0].total.item() == plain[0].nll.item()
    assert torch.equal(found[1], plain[1])
