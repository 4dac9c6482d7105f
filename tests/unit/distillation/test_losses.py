from __future__ import annotations

from itertools import accumulate
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, hardest, state_loss, vocabulary_loss

# Golden numbers: natural logarithms, worked out apart from this code.
P3, Q3 = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)
P4, Q4 = (0.6, 0.2, 0.15, 0.05), (0.4, 0.3, 0.1, 0.2)


def at_temperature(probs: Tensor, temperature: float) -> Tensor:
    """Return the distribution whose logits are divided by the temperature."""
    return (probs.log() / temperature).softmax(dim=-1)


def top_of(probs: Tensor, num_kept: int) -> SoftTargets:
    """Return the soft targets that a teacher with these probabilities (R, V) hands down."""
    kept, token_ids = probs.topk(num_kept, dim=-1)
    return SoftTargets(token_ids=token_ids, probs=kept, tail=(1 - kept.sum(dim=-1)).clamp(min=0))


def _tail(soft: SoftTargets) -> Tensor:
    assert soft.tail is not None
    return soft.tail


def loss_of_probs(
    p: tuple[float, ...], q: tuple[float, ...], *, num_kept: int, temperature: float = 1.0
) -> tuple[VocabularyLoss, Tensor]:
    """Compare two given distributions; also the gradient with respect to the logits.

    An identity for a table makes the states the logits.
    """
    logits = torch.tensor([q], dtype=torch.float64).log().requires_grad_()
    teacher = at_temperature(torch.tensor([p], dtype=torch.float64), temperature)
    size = len(p)
    loss = vocabulary_loss(
        logits,
        torch.eye(size, dtype=torch.float64),
        torch.zeros(size, dtype=torch.float64),
        torch.zeros(1, dtype=torch.long),
        top_of(teacher, num_kept),
        kd_weight=1.0,
        temperature=temperature,
    )
    (gradient,) = torch.autograd.grad(loss.total, logits)
    return loss, gradient[0]


class Case:
    """Random states, a table, targets and a teacher, all in one dtype."""

    def __init__(
        self, *, rows: int = 7, width: int = 5, size: int = 11, dtype: torch.dtype = torch.float64, seed: int = 3
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
            teacher = torch.cat([soft.probs, _tail(soft)[:, None]], dim=-1)
            kl = F.kl_div(student.log(), teacher.log(), reduction="sum", log_target=True)
            total = total + kd_weight * temperature**2 * kl
        by_states, by_weight = torch.autograd.grad(total, (states, weight))
        return float(total.detach()), by_states, by_weight


def assert_same(one: tuple[float, Tensor, Tensor], other: tuple[float, Tensor, Tensor], tolerance: float) -> None:
    assert one[0] == pytest.approx(other[0], rel=tolerance, abs=tolerance)
    for gradient, expected in zip(one[1:], other[1:], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("p", "q", "num_kept", "temperature", "expected_kl", "expected_total"),
    [
        (P3, Q3, 3, 1.0, 0.0851228, 0.0851228),
        (Q3, P3, 3, 1.0, 0.0920329, 0.0920329),
        (P3, Q3, 3, 2.0, 0.0245743, 0.0982972),
        (P4, Q4, 4, 1.0, 0.1536911, 0.1536911),
        (P4, Q4, 2, 1.0, 0.0810930, 0.0810930),
    ],
)
def test_golden_divergences(
    p: tuple[float, ...],
    q: tuple[float, ...],
    num_kept: int,
    temperature: float,
    expected_kl: float,
    expected_total: float,
) -> None:
    loss, _ = loss_of_probs(p, q, num_kept=num_kept, temperature=temperature)
    assert loss.kl.item() == pytest.approx(expected_kl, abs=6e-8)
    assert loss.total.item() == pytest.approx(expected_total, abs=2.5e-7)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1.0, (-0.2, 0.1, -0.05, 0.15)), (2.0, (-0.194498, 0.075577, -0.097249, 0.216169))],
)
def test_golden_gradients(temperature: float, expected: tuple[float, ...]) -> None:
    _, gradient = loss_of_probs(P4, Q4, num_kept=4, temperature=temperature)
    assert gradient.tolist() == pytest.approx(expected, abs=6e-7)


def test_tail_is_a_bucket_in_the_gradient() -> None:
    _, gradient = loss_of_probs(P4, Q4, num_kept=2)
    # q - p on what is kept; the other tokens share 0.3 - 0.2 in proportion to q
    assert gradient.tolist() == pytest.approx([-0.2, 0.1, 0.1 / 3, 0.2 / 3], abs=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("kd_weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_kept", [1, 4, 11])
def test_value_and_gradients_equal_plain_pytorch(
    num_kept: int, kd_weight: float, temperature: float, label_smoothing: float
) -> None:
    case = Case()
    soft = top_of(case.teacher(temperature), num_kept)
    if num_kept == 11:  # kl_div of the empty bucket is 0 * log(0 / 0) for PyTorch: take the dense form as the oracle
        loss = case.loss(soft, kd_weight=kd_weight, temperature=temperature, label_smoothing=label_smoothing)
        dense = SoftTargets(token_ids=soft.token_ids[:, :-1], probs=soft.probs[:, :-1], tail=soft.probs[:, -1])
        expected = case.plain(dense, kd_weight=kd_weight, temperature=temperature, label_smoothing=label_smoothing)
    else:
        loss = case.loss(soft, kd_weight=kd_weight, temperature=temperature, label_smoothing=label_smoothing)
        expected = case.plain(soft, kd_weight=kd_weight, temperature=temperature, label_smoothing=label_smoothing)
    assert_same(loss, expected, 1e-10)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_kept_everything_is_dense_divergence(temperature: float) -> None:
    case = Case()
    states = case.states.clone().requires_grad_()
    logits = (states @ case.weight.T + case.bias) / temperature
    teacher = case.teacher(temperature)
    dense = temperature**2 * F.kl_div(logits.log_softmax(dim=-1), teacher.log(), reduction="sum", log_target=True)
    total, gradient, _ = case.loss(top_of(teacher, 11), kd_weight=1.0, temperature=temperature)
    assert total == pytest.approx(dense.item(), abs=1e-10)
    torch.testing.assert_close(gradient, torch.autograd.grad(dense, states)[0], rtol=1e-9, atol=1e-10)


def test_gradcheck() -> None:
    case = Case(rows=3, width=4, size=6)
    soft = top_of(case.teacher(2.0), 3)

    def total(states: Tensor, weight: Tensor) -> Tensor:
        return vocabulary_loss(
            states, weight, case.bias, case.target, soft,
            kd_weight=0.6, temperature=2.0, label_smoothing=0.1, chunk_rows=2,
        ).total  # fmt: skip

    assert torch.autograd.gradcheck(total, (case.states.requires_grad_(), case.weight.requires_grad_()))


def test_gradient_follows_what_comes_after_the_loss() -> None:
    case = Case()
    states = case.states.requires_grad_()
    soft = top_of(case.teacher(), 4)
    loss = vocabulary_loss(states, case.weight, case.bias, case.target, soft, kd_weight=0.5)
    (once,) = torch.autograd.grad(loss.total, states, retain_graph=True)
    (scaled,) = torch.autograd.grad(-3.5 * loss.total, states)
    torch.testing.assert_close(scaled, -3.5 * once)
    assert not (loss.nll.requires_grad)
    assert not (loss.kl.requires_grad)
    assert not (loss.num_agreed.requires_grad)


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


@given(temperature=st.floats(0.5, 4.0), num_kept=st.integers(1, 11), seed=st.integers(0, 1 << 16))
def test_loss_of_bfloat16_states_is_never_negative(temperature: float, num_kept: int, seed: int) -> None:
    case = Case(seed=seed, dtype=torch.bfloat16, rows=1)
    # the teacher sees the very logits that the student's bfloat16 product gives
    logits = torch.addmm(case.bias, case.states, case.weight.T).double()
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


def test_likelihood_and_divergence_are_told_whatever_is_trained() -> None:
    case = Case()
    soft = top_of(case.teacher(2.0), 4)
    losses = [
        vocabulary_loss(
            case.states, case.weight, case.bias, case.target, soft,
            kd_weight=kd_weight, temperature=2.0, label_smoothing=0.1,
        )
        for kd_weight in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    nll = F.cross_entropy(case.states @ case.weight.T + case.bias, case.target, reduction="sum").item()
    assert [loss.nll.item() for loss in losses] == pytest.approx([nll] * 3, rel=1e-12)
    assert losses[1].kl.item() == pytest.approx(losses[0].kl.item(), rel=1e-12)
    assert losses[2].kl.item() == pytest.approx(losses[2].total.item() / 4, rel=1e-12)


def test_agreement_is_with_the_teacher_or_else_the_target() -> None:
    states = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]])
    target = torch.tensor([0, 0, 2])
    table = (torch.eye(3), torch.zeros(3))
    assert vocabulary_loss(states, *table, target).num_agreed.item() == 2
    soft = SoftTargets(
        token_ids=torch.tensor([[1], [1], [0]]), probs=torch.full((3, 1), 0.5), tail=torch.full((3,), 0.5)
    )
    assert vocabulary_loss(states, *table, target, soft, kd_weight=0.5).num_agreed.item() == 1


@pytest.mark.parametrize("frozen", ["states", "weight"])
def test_frozen_part_gets_no_gradient_and_the_other_the_same(frozen: str) -> None:
    case = Case(dtype=torch.float32)
    soft = top_of(case.teacher(), 4)
    _, *expected = case.loss(soft, kd_weight=0.5)
    tensors = {"states": case.states.clone(), "weight": case.weight.clone()}
    for name, tensor in tensors.items():
        tensor.requires_grad_(name != frozen)
    loss = vocabulary_loss(tensors["states"], tensors["weight"], case.bias, case.target, soft, kd_weight=0.5)
    loss.total.backward()  # type: ignore[no-untyped-call]
    for (name, tensor), gradient in zip(tensors.items(), expected, strict=True):
        if name == frozen:
            assert tensor.grad is None
        else:
            torch.testing.assert_close(tensor.grad, gradient)


def test_gradients_have_the_dtype_of_their_tensors() -> None:
    case = Case(dtype=torch.bfloat16)
    weight = case.weight.float().requires_grad_()
    states = case.states.requires_grad_()
    loss = vocabulary_loss(states, weight, case.bias, case.target, top_of(case.teacher(), 4), kd_weight=0.5)
    gradients = torch.autograd.grad(loss.total, (states, weight))
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16, torch.float32]


def test_no_rows_cost_nothing() -> None:
    loss = vocabulary_loss(
        torch.zeros(0, 5, requires_grad=True), torch.zeros(3, 5), torch.zeros(3), torch.zeros(0, dtype=torch.long)
    )
    assert loss.total.item() == 0
    assert hardest(torch.zeros(0), 0.5).shape == (0,)


@pytest.mark.parametrize("kd_weight", [-0.1, 1.5, float("nan")])
def test_weight_outside_its_range_is_refused(kd_weight: float) -> None:
    case = Case()
    with pytest.raises(ValueError, match=r"kd_weight must be in \[0, 1\], but is"):
        case.loss(top_of(case.teacher(), 2), kd_weight=kd_weight)


def test_divergence_from_no_teacher_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kd_weight is 0\.5, but there are no soft targets\."):
        Case().loss(None, kd_weight=0.5)


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
    events: Any = profiler.profiler
    sizes = [event.nbytes() for event in events.kineto_results.events() if event.name() == "[memory]"]
    peak = max(accumulate(sizes))  # what is given back counts as less than nothing
    copy = 4 * chunk_rows * size
    assert copy <= peak < 1.5 * copy


def test_whole_share_is_plain_distillation_exactly() -> None:
    case = Case()
    soft = top_of(case.teacher(), 4)
    one, other = (case.loss(soft, kd_weight=0.4, label_smoothing=0.1, **more) for more in ({}, {"kd_share": 1.0}))
    assert one[0] == other[0]
    assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("chunk_rows", [2, 100])
@pytest.mark.parametrize(("kd_share", "num_chosen"), [(0.01, 1), (0.5, 4), (4 / 7, 4), (0.9, 7)])
def test_divergence_of_the_hardest_tokens_alone(kd_share: float, num_chosen: int, chunk_rows: int) -> None:
    case = Case()
    logits = case.states @ case.weight.T + case.bias
    nll = F.cross_entropy(logits, case.target, reduction="none")
    chosen = nll >= nll.sort(descending=True).values[num_chosen - 1]
    soft = top_of(case.teacher(2.0), 4)
    options = {"kd_weight": 0.4, "temperature": 2.0, "label_smoothing": 0.1}
    easy, hard = Case(), Case()
    easy.states, easy.target = case.states[~chosen], case.target[~chosen]
    hard.states, hard.target = case.states[chosen], case.target[chosen]
    total, by_states, by_weight = case.loss(soft, **options, kd_share=kd_share, chunk_rows=chunk_rows)
    part = SoftTargets(token_ids=soft.token_ids[chosen], probs=soft.probs[chosen], tail=_tail(soft)[chosen])
    hard_total, hard_states, hard_weight = hard.loss(part, **options)
    easy_total, easy_states, easy_weight = easy.loss(None, label_smoothing=0.1)
    assert total == pytest.approx(hard_total + 0.6 * easy_total, rel=1e-12)
    torch.testing.assert_close(by_states[chosen], hard_states)
    torch.testing.assert_close(by_states[~chosen], 0.6 * easy_states)
    torch.testing.assert_close(by_weight, hard_weight + 0.6 * easy_weight)


def test_share_of_rows_is_rounded_up_but_not_for_rounding() -> None:
    assert [int(hardest(torch.arange(30.0), share).sum()) for share in (0.1, 0.7, 0.71, 1e-20)] == [3, 21, 22, 1]


def test_state_loss_is_half_the_mean_square_summed_over_tokens() -> None:
    states = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float16)
    loss = state_loss(states, teacher)
    assert loss.item() == (0 + 4 + 9 + 16) / 2 / 2
    (gradient,) = torch.autograd.grad(loss, states)
    assert torch.equal(gradient, (states - teacher).detach() / 2)


def test_states_that_the_teacher_does_not_have_cost_nothing() -> None:
    states = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 0.0], [float("nan"), float("nan")]])
    loss = state_loss(states, teacher)
    assert loss.item() == pytest.approx(0.5 * (1 + 4) / 2)
    (gradient,) = torch.autograd.grad(loss, states)
    assert gradient.tolist() == [[0.5, 1.0], [0.0, 0.0]]


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
        logits = torch.addmm(bias.bfloat16(), states.bfloat16(), weight.bfloat16().T).float()
        expected = F.cross_entropy(logits, target, label_smoothing=0.5)
        with torch.autocast("cpu", torch.bfloat16):
            found = vocabulary_loss(states, weight, bias, target, label_smoothing=0.5)
        assert float(found.total) == pytest.approx(float(expected), rel=1e-5)
