"""Tokens drawn from a teacher stand for its whole distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.losses import VocabularyLoss, vocabulary_loss
from nmt_distill.distillation.records import Record, StoreHeader
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.teacher.reading import draw, most_probable

SIZE = 11
ESTIMATED = [Divergence("kl"), Divergence("skew_kl", skew=0.3)]
measures = pytest.mark.parametrize("measure", ESTIMATED, ids=lambda measure: measure.name)


def distributions(num_rows: int = 1, *, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Return logits (R, V) of a teacher and of a student in float64."""
    generator = torch.Generator().manual_seed(seed)
    teacher, student = (2 * torch.randn(num_rows, SIZE, generator=generator, dtype=torch.float64) for _ in range(2))
    return teacher, student


def targets_of(logits: Tensor, num_draws: int, shifts: Tensor) -> SoftTargets:
    """Draw from logits (R, V); every draw of a row is a candidate of its own, which a store would take together."""
    token_ids, probs = draw(logits.clone(), num_draws, shifts.float())
    return SoftTargets(token_ids, probs, tail=None, weights=torch.full(token_ids.shape, 1 / num_draws))


def loss_of(
    logits: Tensor, soft: SoftTargets | None, measure: Divergence, **options: Any
) -> tuple[VocabularyLoss, Tensor]:
    """Train on the divergence alone; an identity for a table makes the states the logits."""
    logits = logits.clone().requires_grad_()
    target = torch.zeros(len(logits), dtype=torch.long)
    table = (torch.eye(SIZE, dtype=logits.dtype), torch.zeros(SIZE, dtype=logits.dtype))
    loss = vocabulary_loss(logits, *table, target, soft, kd_weight=1.0, divergence=measure, **options)
    return loss, torch.autograd.grad(loss.total, logits)[0]


def dense_targets(logits: Tensor) -> SoftTargets:
    probs, token_ids = logits.softmax(dim=-1).topk(SIZE, dim=-1)
    return SoftTargets(token_ids, probs, torch.zeros(len(logits)))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("num_draws", [1, 5, 50])
@measures
def test_mean_over_all_draws_is_the_dense_loss_and_its_gradient(
    measure: Divergence, num_draws: int, temperature: float
) -> None:
    """Free of bias, to the distance of the shifts, which are evenly spread in place of random."""
    teacher, student = distributions()
    dense, expected = loss_of(student, dense_targets(teacher / temperature), measure, temperature=temperature)
    num_shifts = 20_000
    soft = targets_of(
        (teacher / temperature).repeat(num_shifts, 1), num_draws, (torch.arange(num_shifts) + 0.5) / num_shifts
    )
    loss, gradients = loss_of(student.repeat(num_shifts, 1), soft, measure, temperature=temperature)
    assert gradients.mean(dim=0).tolist() == pytest.approx(expected[0].tolist(), abs=2e-4)
    assert loss.total.item() / num_shifts == pytest.approx(dense.total.item(), rel=1e-3)
    assert loss.kl.item() / num_shifts == pytest.approx(dense.kl.item(), rel=1e-3)
    assert loss.teacher_entropy.item() / num_shifts == pytest.approx(dense.teacher_entropy.item(), rel=1e-3)


@measures
def test_error_falls_with_the_root_of_the_number_of_records(measure: Divergence) -> None:
    """Independent records: a hundred times as many, a tenth of the error."""
    teacher, student = distributions()
    _, expected = loss_of(student, dense_targets(teacher), measure)
    shifts = torch.rand(60 * 400, generator=torch.Generator().manual_seed(1))
    _, gradients = loss_of(
        student.repeat(len(shifts), 1), targets_of(teacher.repeat(len(shifts), 1), 3, shifts), measure
    )
    errors = [
        (gradients.view(-1, size, SIZE).mean(dim=1) - expected).square().sum(dim=-1).mean().sqrt().item()
        for size in (4, 400)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.35)


def test_more_draws_come_nearer() -> None:
    teacher, student = distributions(500)
    _, expected = loss_of(student, dense_targets(teacher), Divergence())
    errors = []
    for num_draws in (5, 50):
        soft = targets_of(teacher, num_draws, torch.rand(500, generator=torch.Generator().manual_seed(2)))
        errors.append((loss_of(student, soft, Divergence())[1] - expected).norm().item())
    independent = torch.multinomial(teacher.softmax(dim=-1), 50, replacement=True)
    soft = SoftTargets(independent, torch.ones(500, 50), None, torch.full((500, 50), 1 / 50))
    by_chance = (loss_of(student, soft, Divergence())[1] - expected).norm().item()
    assert errors[1] < errors[0] / 3
    assert errors[1] < by_chance / 2, "even steps tell more than independent draws"


@measures
def test_value_is_zero_where_the_student_equals_the_teacher_whatever_was_drawn(measure: Divergence) -> None:
    teacher, _ = distributions(40)
    soft = targets_of(teacher, 7, torch.rand(40, generator=torch.Generator().manual_seed(3)))
    loss, _ = loss_of(teacher, soft, measure)
    assert abs(loss.divergence.item()) < 1e-12


def test_gradient_by_hand() -> None:
    """Two of three draws are token 0: the gradient of the cross-entropy with (2/3, 1/3, 0)."""
    logits = torch.tensor([[0.5, 0.3, 0.2] + [1e-30] * (SIZE - 3)], dtype=torch.float64).log()
    soft = SoftTargets(
        token_ids=torch.tensor([[0, 1, 0]]),
        probs=torch.tensor([[0.7, 0.2, 1.0]]),
        tail=None,
        weights=torch.tensor([[2 / 3, 1 / 3, 0.0]]),
    )
    loss, gradient = loss_of(logits, soft, Divergence())
    assert gradient[0, :3].tolist() == pytest.approx([0.5 - 2 / 3, 0.3 - 1 / 3, 0.2], abs=1e-7)
    assert loss.divergence.item() == pytest.approx(2 / 3 * np.log(0.7 / 0.5) + 1 / 3 * np.log(0.2 / 0.3), rel=1e-6)
    assert loss.kept.item() == pytest.approx(0.9)
    assert loss.num_agreed.item() == 1
    assert loss.student_entropy.item() == 0


@measures
def test_equal_draws_may_be_taken_together(measure: Divergence) -> None:
    teacher, student = distributions(9)
    soft = targets_of(teacher, 6, torch.rand(9, generator=torch.Generator().manual_seed(3)))
    together = torch.zeros(9, SIZE).scatter_add_(1, soft.token_ids, torch.full((9, 6), 1 / 6))
    packed = SoftTargets(torch.arange(SIZE).repeat(9, 1), teacher.softmax(dim=-1).float(), None, together)
    one, other = (loss_of(student, given, measure, temperature=2.0) for given in (soft, packed))
    assert one[0].total.item() == pytest.approx(other[0].total.item(), rel=1e-5)
    torch.testing.assert_close(one[1], other[1], rtol=1e-5, atol=1e-7)


@measures
def test_gradcheck(measure: Divergence) -> None:
    teacher, student = distributions(3)
    soft = targets_of(teacher, 4, torch.tensor([0.1, 0.5, 0.9]))
    soft = SoftTargets(soft.token_ids, soft.probs, None, soft.weights)
    target, bias = torch.tensor([1, 2, 3]), torch.zeros(SIZE, dtype=torch.float64)

    def total(states: Tensor, weight: Tensor) -> Tensor:
        return vocabulary_loss(
            states, weight, bias, target, soft,
            kd_weight=0.6, divergence=measure, temperature=2.0, label_smoothing=0.1, chunk_rows=2,
        ).total  # fmt: skip

    weight = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(total, (student.requires_grad_(), weight.requires_grad_()))


@pytest.mark.parametrize("name", ["reverse_kl", "js", "tvd"])
def test_what_draws_cannot_tell_is_refused(name: Any) -> None:
    teacher, student = distributions()
    soft = targets_of(teacher, 4, torch.tensor([0.5]))
    with pytest.raises(ValueError, match=rf"{name} cannot be estimated from drawn tokens; it must be kl or skew_kl\."):
        loss_of(student, soft, Divergence(name))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@measures
def test_student_that_rules_a_drawn_token_out(measure: Divergence, kind: torch.dtype) -> None:
    teacher, student = distributions(5)
    student = student.to(kind).index_fill(1, torch.tensor([4]), -1e4)
    teacher = teacher.index_fill(1, torch.tensor([4]), 9.0)
    loss, gradient = loss_of(student, targets_of(teacher, 8, torch.full((5,), 0.3)), measure)
    assert loss.total.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kd_share", [1.0, 0.4])
@measures
def test_estimated_normaliser_with_every_token_is_the_full_loss(measure: Divergence, kd_share: float) -> None:
    teacher, student = distributions(9)
    drawn = targets_of(teacher, 6, torch.rand(9, generator=torch.Generator().manual_seed(4)))
    counts = torch.zeros(9, SIZE).scatter_add_(1, drawn.token_ids, torch.ones(9, 6))
    weights, token_ids = (counts / 6).topk(6, dim=-1)
    token_ids = token_ids.where(weights > 0, token_ids[:, :1])  # filled up as a store does it
    soft = SoftTargets(token_ids, teacher.softmax(dim=-1).gather(1, token_ids).float(), None, weights)
    target, bias = torch.arange(9), torch.zeros(SIZE, dtype=torch.float64)
    options: dict[str, Any] = {
        "kd_weight": 0.7, "kd_share": kd_share, "divergence": measure, "temperature": 2.0, "label_smoothing": 0.1
    }  # fmt: skip
    states = student.requires_grad_()
    weight = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    full = vocabulary_loss(states, weight, bias, target, soft, **options)
    found = sampled_vocabulary_loss(states, weight, bias, target, soft, num_sampled=SIZE, **options)
    for name, value in vars(full).items():
        assert getattr(found, name).item() == pytest.approx(value.item(), rel=1e-9), name
    for one, other in zip(*(torch.autograd.grad(loss.total, (states, weight)) for loss in (full, found)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def stored(folder: Path, logits: Tensor, **settings: Any) -> Record:
    """Write one record with all of a teacher's distributions (R, V) and read it."""
    fields: dict[str, Any] = {
        "teacher": "t", "vocabulary": "v", "direction": "en-pt", "temperature": 1.0, "num_kept": SIZE, "state_dim": 0,
        "vocab_size": SIZE,
    }  # fmt: skip
    header = StoreHeader(**fields | settings)
    token_ids, probs = most_probable(logits.clone(), SIZE)
    rows = {"kept_ids": token_ids.numpy(), "kept_probs": probs.numpy(), "tail": np.zeros(len(logits))}
    write_shard(shard_path(folder, 0), header, [[0]], [[0] * len(logits)], rows)
    write_header(folder, header, [1])
    return Store(folder)[0]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("float16", 3e-4)])
def test_everything_kept_is_dense_through_the_store(tmp_path: Path, precision: str, tolerance: float) -> None:
    teacher, student = distributions(6)
    record = stored(tmp_path, teacher.float(), probs_precision=precision)
    assert record.kept_ids is not None
    assert record.kept_probs is not None
    assert record.tail is not None
    soft = SoftTargets(
        token_ids=torch.from_numpy(record.kept_ids.astype(np.int64)),
        probs=torch.from_numpy(record.kept_probs.astype(np.float32)),
        tail=torch.from_numpy(record.tail.astype(np.float32)),
    )
    loss, gradient = loss_of(student, soft, Divergence())
    student = student.requires_grad_()
    dense = F.kl_div(
        student.log_softmax(dim=-1), teacher.float().double().log_softmax(dim=-1), reduction="sum", log_target=True
    )
    (expected,) = torch.autograd.grad(dense, student)
    assert loss.kl.item() / 6 == pytest.approx(dense.item() / 6, abs=2 * tolerance)
    assert (gradient - expected).abs().max() < tolerance
