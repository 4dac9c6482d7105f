"""The losses on a GPU: as on the processor, and in as little memory as they say.

Products are in float32 proper: torch leaves TF32 off for matrix products unless it is asked for.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.config import ESTIMATED_FROM_DRAWS, DivergenceName, HiddenDistance
from nmt_distill.distillation.divergences import Divergence, SoftTargets
from nmt_distill.distillation.hidden_states import hidden_loss
from nmt_distill.distillation.losses import state_loss, vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss
from nmt_distill.embedding.losses import contrastive_loss, mean_pool, vector_distance

pytestmark = pytest.mark.gpu
ROWS, WIDTH, SIZE = 700, 16, 300
NAMES = get_args(DivergenceName)


def soft_targets(kind: str) -> SoftTargets:
    """All tokens, the most probable ones with a tail, or drawn ones."""
    probs = (2 * torch.randn(ROWS, SIZE)).softmax(dim=-1)
    if kind == "drawn":
        token_ids = torch.stack([torch.randperm(SIZE)[:20] for _ in range(ROWS)])
        counts = torch.randint(1, 5, (ROWS, 20)).float()
        weights = counts / counts.sum(dim=-1, keepdim=True)
        return SoftTargets(token_ids, probs.gather(1, token_ids), None, weights)
    kept, token_ids = probs.topk(SIZE if kind == "dense" else 8, dim=-1)
    return SoftTargets(token_ids, kept, (1 - kept.sum(dim=-1)).clamp(min=0))


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Compare what a GPU made with what the processor did: within 1e-4 of the largest number."""
    assert found.dtype == expected.dtype
    assert (found.cpu() - expected).abs().max() <= 1e-4 * expected.abs().max() + 1e-6


def check(device: str, loss: Any, *tensors: Tensor) -> None:
    """Compare value and gradients of ``loss(device, *tensors)``."""
    found = []
    for place in ("cpu", device):
        own = [tensor.clone().to(place).requires_grad_() for tensor in tensors]
        value = loss(place, *own)
        found.append((value.detach(), *torch.autograd.grad(value, own)))
    for expected, other in zip(*found, strict=True):
        assert other.device.type == device
        assert_near(other, expected)


@pytest.mark.parametrize("project", [vocabulary_loss, sampled_vocabulary_loss], ids=["whole", "sampled"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kind", ["dense", "top", "drawn"])
@pytest.mark.parametrize("name", NAMES)
def test_vocabulary_loss_is_that_of_the_processor(
    device: str, name: DivergenceName, kind: str, temperature: float, project: Any
) -> None:
    """With an estimated normaliser all tokens are drawn, so that chance has no part in it."""
    if kind == "drawn" and name not in ESTIMATED_FROM_DRAWS:
        pytest.skip("drawn tokens do not tell this divergence")
    soft, target, bias = soft_targets(kind), torch.randint(SIZE, (ROWS,)), torch.randn(SIZE)
    options = {"num_sampled": SIZE} if project is sampled_vocabulary_loss else {}

    def loss(place: str, states: Tensor, weight: Tensor) -> Tensor:
        total: Tensor = project(
            states,
            weight,
            bias.to(place),
            target.to(place),
            soft.to(torch.device(place)),
            kd_weight=0.7,
            divergence=Divergence(name),
            temperature=temperature,
            label_smoothing=0.1,
            **options,
        ).total
        return total

    check(device, loss, torch.randn(ROWS, WIDTH), 0.5 * torch.randn(SIZE, WIDTH))


def test_hardest_rows_are_those_of_the_processor(device: str) -> None:
    soft, target = soft_targets("top"), torch.randint(SIZE, (ROWS,))

    def loss(place: str, states: Tensor, weight: Tensor) -> Tensor:
        bias, own = torch.zeros(SIZE, device=place), soft.to(torch.device(place))
        return vocabulary_loss(states, weight, bias, target.to(place), own, kd_weight=0.5, kd_share=0.3).total

    check(device, loss, torch.randn(ROWS, WIDTH), 0.5 * torch.randn(SIZE, WIDTH))


@pytest.mark.parametrize("distance", get_args(HiddenDistance))
def test_losses_over_states_are_those_of_the_processor(device: str, distance: HiddenDistance) -> None:
    teacher = torch.randn(ROWS, WIDTH).half()
    teacher[3] = torch.nan  # a target that the teacher was not asked about
    check(device, lambda place, states: state_loss(states, teacher.to(place)), torch.randn(ROWS, WIDTH))
    known = torch.randn(ROWS, WIDTH)
    check(device, lambda place, states: hidden_loss(states, known.to(place), distance), torch.randn(ROWS, WIDTH))


def test_losses_over_vectors_are_those_of_the_processor(device: str) -> None:
    lengths, teacher = torch.randint(1, 9, (40,)), torch.randn(40, WIDTH)
    mask = torch.arange(8) < lengths[:, None]

    def loss(place: str, states: Tensor, translations: Tensor) -> Tensor:
        vectors, own = mean_pool(states, mask.to(place)), teacher.to(place)
        distances = vector_distance(vectors, own, "mse") + vector_distance(vectors, own, "cosine")
        return (distances + contrastive_loss(vectors, translations, own, margin=0.3, scale=20.0)).sum()

    check(device, loss, torch.randn(40, 8, WIDTH), torch.randn(40, WIDTH))


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_training_has_gradients_of_the_right_dtype(device: str, name: DivergenceName) -> None:
    """Near those of float32, whichever dtype the last norm has left."""
    soft, target = soft_targets("top").to(torch.device(device)), torch.randint(SIZE, (ROWS,), device=device)
    start, table = torch.randn(ROWS, WIDTH, device=device), 0.5 * torch.randn(SIZE, WIDTH, device=device)
    found = []
    for dtype, is_mixed in ((torch.float32, False), (torch.float32, True), (torch.bfloat16, True)):
        states, weight = start.to(dtype).requires_grad_(), table.clone().requires_grad_()
        with torch.autocast(device, torch.bfloat16, enabled=is_mixed):
            bias = torch.zeros(SIZE, device=device)
            loss = vocabulary_loss(states, weight, bias, target, soft, kd_weight=0.5, divergence=Divergence(name))
        found.append(torch.autograd.grad(loss.total, (states, weight)))
        assert loss.total.dtype == torch.float32
        assert [each.dtype for each in found[-1]] == [dtype, torch.float32]
    for mixed in found[1:]:
        for one, other in zip(mixed, found[0], strict=True):
            assert (one.float() - other).norm() < 0.05 * other.norm()


@pytest.mark.parametrize("kd_share", [1.0, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", NAMES)
def test_one_copy_of_a_chunks_logits_exists_at_once(
    gpu: str, name: DivergenceName, temperature: float, kd_share: float
) -> None:
    """Of 256 MiB, beside which the table's gradient and a workspace of cuBLAS are small."""
    rows, size, width, chunk_rows = 2048, 1 << 16, 64, 1024
    states, weight = torch.randn(rows, width, device=gpu), torch.randn(size, width, device=gpu)
    bias, target = torch.zeros(size, device=gpu), torch.randint(size, (rows,), device=gpu)
    kept, token_ids = torch.rand(rows, 8, device=gpu) / 10, torch.arange(8, device=gpu).expand(rows, -1)
    soft = SoftTargets(token_ids, kept, 1 - kept.sum(dim=-1))

    def backward() -> None:
        own, table = states.clone().requires_grad_(), weight.requires_grad_()
        loss = vocabulary_loss(
            own, table, bias, target, soft,
            kd_weight=0.5, divergence=Divergence(name), temperature=temperature, kd_share=kd_share,
            label_smoothing=0.1, chunk_rows=chunk_rows,
        )  # fmt: skip
        torch.autograd.grad(loss.total, (own, table))

    backward()  # what CUDA sets up once stays
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    backward()
    torch.cuda.synchronize()
    copy = 4 * chunk_rows * size
    assert copy <= torch.cuda.max_memory_allocated() - before < 1.5 * copy
