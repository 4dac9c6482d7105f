"""Losses and their gradients: numbers worked by hand, PyTorch's own losses, and what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, hardest, state_loss, vocabulary_loss
from tests.loss_cases import P3, P4, Q3, Q4, Case, assert_same, tail_of, top_of


def at_temperature(probs: Tensor, temperature: float) -> Tensor:
    """Return the distribution whose logits are divided by the temperature."""
    return (probs.log() / temperature).softmax(dim=-1)


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


# Golden numbers: natural logarithms, worked out apart from this code.
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
    part = SoftTargets(token_ids=soft.token_ids[chosen], probs=soft.probs[chosen], tail=tail_of(soft)[chosen])
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
