from __future__ import annotations

import math

import pytest
import torch

from nmt_distill.embedding.losses import contrastive_loss, mean_pool, vector_distance


def test_pooling_is_the_mean_over_real_tokens() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, -100.0]], [[5.0, 5.0], [7.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert torch.allclose(mean_pool(states, mask), torch.tensor([[2.0, 4.0], [4.0, 2.0]]))


def test_padding_changes_no_pooled_vector() -> None:
    states, padding = torch.randn(4, 5, 8), torch.randn(4, 3, 8)
    mask = torch.arange(5) < torch.tensor([5, 3, 1, 4])[:, None]
    wider = torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], dim=1)
    assert torch.equal(mean_pool(states, mask), mean_pool(torch.cat([states, padding], dim=1), wider))


def test_squared_difference_is_a_mean_over_dimensions() -> None:
    student, teacher = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[1.0, 0.0, 3.0, 0.0]])
    assert vector_distance(student, teacher, "mse").tolist() == [5.0]  # (4 + 16) / 4


def test_cosine_knows_no_length() -> None:
    student, teacher = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[30.0, 40.0], [5.0, 0.0]])
    assert torch.allclose(vector_distance(student, teacher, "cosine"), torch.tensor([0.0, 1.0]), atol=1e-6)


@pytest.mark.parametrize("kind", ["mse", "cosine"])
def test_gradient_is_in_the_student_alone_and_0_at_the_teacher(kind: str) -> None:
    teacher = torch.randn(3, 6, requires_grad=True)
    student = teacher.detach().clone().requires_grad_()
    loss = vector_distance(student, teacher.detach(), kind).sum()  # type: ignore[arg-type]
    loss.backward()  # type: ignore[no-untyped-call]
    assert abs(loss.item()) < 1e-5
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-6
    assert teacher.grad is None


def test_contrastive_loss_by_hand() -> None:
    sources = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    translations = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # cosines: own 1 and sqrt(1/2), across sqrt(1/2) (source 1 to translation 2) and 0 (source 2 to translation 1)
    half, margin, scale = math.sqrt(0.5), 0.3, 2.0

    def cost(own: float, other: float) -> float:
        own, other = math.exp(scale * (own - margin)), math.exp(scale * other)
        return -math.log(own / (own + other))

    expected = [cost(1, half) + cost(1, 0), cost(half, 0) + cost(half, half)]
    found = contrastive_loss(sources, translations, teacher, margin=margin, scale=scale)
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_margin_makes_the_task_harder() -> None:
    vectors = torch.randn(6, 8)
    without, with_margin = (
        contrastive_loss(vectors, vectors + 0.1, vectors, margin=margin, scale=10.0) for margin in (0.0, 0.3)
    )
    assert (with_margin > without).all()


def test_a_sentence_that_is_there_twice_is_no_wrong_answer() -> None:
    teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    twice = contrastive_loss(teacher, teacher, teacher, margin=0.0, scale=5.0)
    once = contrastive_loss(teacher[1:], teacher[1:], teacher[1:], margin=0.0, scale=5.0)
    assert twice[1].item() == pytest.approx(once[0].item(), abs=1e-6)
    assert torch.isfinite(twice).all()


def test_a_teachers_vectors_that_are_nearly_the_same_are_told_apart_in_bfloat16_training() -> None:
    """Their cosine is 0.999, which bfloat16 rounds to 1: the other sentence would be no wrong answer."""
    sources, translations = torch.randn(2, 8), torch.randn(2, 8)
    teacher = torch.tensor([[1.0, 0.0], [0.999, math.sqrt(1 - 0.999**2)]])
    expected = contrastive_loss(sources, translations, teacher, margin=0.3, scale=20.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = contrastive_loss(sources, translations, teacher, margin=0.3, scale=20.0)
    assert torch.equal(found, expected)
    assert (found > 0).all()
