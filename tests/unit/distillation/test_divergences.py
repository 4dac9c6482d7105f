"""All divergences, through the loss that students are trained with; what holds for KL alone is in test_losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt_distill.distillation.config import DivergenceName
from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss

P3, Q3 = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)
P4, Q4 = (0.6, 0.2, 0.15, 0.05), (0.4, 0.3, 0.1, 0.2)
ROWS, WIDTH, SIZE = 7, 5, 11
NAMES = get_args(DivergenceName)
MEASURES = [Divergence(name) for name in NAMES] + [Divergence("js", beta=0.1), Divergence("skew_kl", skew=0.7)]
all_measures = pytest.mark.parametrize(
    "measure", MEASURES, ids=lambda measure: f"{measure.name}-{measure.beta}-{measure.skew}"
)
any_measure = st.sampled_from(MEASURES)


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


def top_of(probs: Tensor, num_kept: int) -> SoftTargets:
    kept, token_ids = probs.topk(num_kept, dim=-1)
    return SoftTargets(token_ids=token_ids, probs=kept, tail=(1 - kept.sum(dim=-1)).clamp(min=0))


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


class Case:
    """Random states, a table, targets and a teacher."""

    def __init__(self, *, seed: int = 3, dtype: torch.dtype = torch.float64, rows: int = ROWS) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.states, self.weight, self.bias = (
            normal(*shape).to(dtype) for shape in ((rows, WIDTH), (SIZE, WIDTH), (SIZE,))
        )
        self.target = torch.randint(SIZE, (rows,), generator=generator)
        self.teacher_logits = 2 * normal(rows, SIZE)

    def teacher(self, temperature: float = 1.0) -> Tensor:
        return (self.teacher_logits / temperature).softmax(dim=-1)

    def own(self, temperature: float = 1.0) -> Tensor:
        logits = torch.addmm(self.bias, self.states, self.weight.T).double()
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
        assert soft.tail is not None
        student = torch.cat([kept, 1 - kept.sum(dim=-1, keepdim=True)], dim=-1)
        total = scale * by_definition(measure, torch.cat([soft.probs, soft.tail[:, None]], dim=-1), student)
        by_states, by_weight = torch.autograd.grad(total, (states, weight))
        return total.item(), by_states, by_weight


def assert_same(
    one: tuple[VocabularyLoss, Tensor, Tensor], other: tuple[VocabularyLoss, Tensor, Tensor], tolerance: float
) -> None:
    assert one[0].total.item() == pytest.approx(other[0].total.item(), rel=tolerance, abs=tolerance)
    for gradient, expected in zip(one[1:], other[1:], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)


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
