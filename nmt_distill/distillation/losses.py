"""Losses over the vocabulary and over decoder states: sums over target tokens, in nats.

Shapes: R target tokens (rows; sentences end to end, without padding), D width, V vocabulary, K kept candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TAIL_FLOOR = 1e-6
"""a tail smaller than this counts as this, the teacher's as the student's (float32 cannot tell it from rounding)"""
RULED_OUT = -1e3
"""a token whose bias is below this is never predicted, and label smoothing passes it over"""


@dataclass(frozen=True)
class SoftTargets:
    """The teacher's kept next-token probabilities at one temperature."""

    token_ids: Tensor
    """(R, K) int64, distinct in each row"""
    probs: Tensor
    """(R, K) float32"""
    tail: Tensor
    """(R,) float32, the probability of all other tokens; ``probs.sum(-1) + tail`` is 1"""


@dataclass(frozen=True)
class VocabularyLoss:
    """What one pass over the vocabulary tells."""

    total: Tensor
    """scalar with gradient: ``(1 - kd_weight) * nll_smoothed + kd_weight * kl * temperature**2``"""
    nll: Tensor
    """scalar: negative log-likelihood of the targets, without label smoothing"""
    kl: Tensor
    """scalar: KL(teacher || student) at the temperature, tail as one bucket; 0 without soft targets"""
    num_agreed: Tensor
    """scalar: rows whose most probable token is the teacher's (with soft targets) or the target (without)"""


def vocabulary_loss(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    soft_targets: SoftTargets | None = None,
    *,
    kd_weight: float = 0.0,
    temperature: float = 1.0,
    label_smoothing: float = 0.0,
    chunk_rows: int = 512,
) -> VocabularyLoss:
    """Project decoder states to the vocabulary and compare with targets and teacher, a chunk of rows at a time.

    The loss is that of Kim & Rush (2016, section 3.1) with the temperature of Hinton et al. (2015): the KL divergence
    over the K kept tokens and one bucket for all others, so that it is 0 where the student equals the teacher and never
    more than the full divergence. Gradients are formed in the same pass: at no time is there more than one float32 copy
    of the logits of one chunk (two at a temperature other than 1).

    :param states: (R, D) last decoder states of the student
    :param weight: (V, D) output table
    :param bias: (V,) output bias, a constant
    :param target: (R,) int64
    :param kd_weight: share of the divergence, in [0, 1]; 0 without soft targets
    :param label_smoothing: mass spread evenly over the tokens that the bias does not rule out, on the likelihood part
        only
    :raises ValueError: if ``kd_weight`` is not in [0, 1], or positive without soft targets
    """
    if not 0 <= kd_weight <= 1:
        raise ValueError(f"kd_weight must be in [0, 1], but is {kd_weight} instead.")
    if kd_weight > 0 and soft_targets is None:
        raise ValueError(f"kd_weight is {kd_weight}, but there are no soft targets.")
    options = (kd_weight, temperature, label_smoothing, chunk_rows)
    soft = (
        (None, None, None) if soft_targets is None else (soft_targets.token_ids, soft_targets.probs, soft_targets.tail)
    )
    return VocabularyLoss(*_VocabularyLoss.apply(states, weight, bias, target, *soft, *options))  # type: ignore[no-untyped-call]


class _VocabularyLoss(torch.autograd.Function):
    """Forward computes the gradients as well, for the logits are gone when backward comes."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        token_ids: Tensor | None,
        probs: Tensor | None,
        tail: Tensor | None,
        kd_weight: float,
        temperature: float,
        label_smoothing: float,
        chunk_rows: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        need_states, need_weight = ctx.needs_input_grad[:2]
        states_gradient = torch.empty_like(states) if need_states else None
        weight_gradient = torch.zeros_like(weight, dtype=_wide(states)) if need_weight else None
        total, nll, kl, agreed = (torch.zeros((), dtype=_wide(states), device=states.device) for _ in range(4))
        possible = (bias > RULED_OUT).to(_wide(states))
        spread = possible / possible.sum()
        for start in range(0, states.shape[0], chunk_rows):
            rows = slice(start, start + chunk_rows)
            soft = None if token_ids is None else (token_ids[rows], probs[rows], tail[rows])  # type: ignore[index]
            chunk = states[rows]
            logits = torch.addmm(bias.to(chunk.dtype), chunk, weight.to(chunk.dtype).T).to(_wide(states))
            parts, gradient = _chunk(logits, target[rows], soft, spread, kd_weight, temperature, label_smoothing)
            for sum_so_far, part in zip((total, nll, kl, agreed), parts, strict=True):
                sum_so_far += part
            gradient = gradient.to(chunk.dtype)
            if states_gradient is not None:
                torch.mm(gradient, weight.to(chunk.dtype), out=states_gradient[rows])
            if weight_gradient is not None:
                if chunk.dtype == weight_gradient.dtype:
                    weight_gradient.addmm_(gradient.T, chunk)
                else:
                    weight_gradient += gradient.T @ chunk
        ctx.save_for_backward(states_gradient, weight_gradient)
        ctx.weight_dtype = weight.dtype
        ctx.mark_non_differentiable(nll, kl, agreed)
        return total, nll, kl, agreed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return (
            None if states_gradient is None else states_gradient * scale.to(states_gradient.dtype),
            None if weight_gradient is None else (weight_gradient * scale).to(ctx.weight_dtype),
            *([None] * 9),
        )


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _chunk(
    logits: Tensor,
    target: Tensor,
    soft: tuple[Tensor, Tensor, Tensor] | None,
    spread: Tensor,
    kd_weight: float,
    temperature: float,
    label_smoothing: float,
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Compute the sums of one chunk and the gradient of its total with respect to the logits, which it overwrites.

    :param spread: (V,) where label smoothing puts its mass; sums to 1
    """
    maximum, best = logits.max(dim=-1, keepdim=True)
    nll_weight = 1 - kd_weight
    smoothing = label_smoothing if nll_weight > 0 else 0.0
    mean_logit = logits @ spread if smoothing else None
    target_logit = logits.gather(1, target[:, None])[:, 0]
    warm = None
    if soft is not None and temperature != 1:
        warm = logits / temperature
    kept_logits = None if soft is None else logits.gather(1, soft[0])

    gradient = logits.sub_(maximum).exp_()
    normalizer = gradient.sum(dim=-1, keepdim=True)
    gradient /= normalizer
    log_normalizer = (normalizer.log() + maximum)[:, 0]
    nll = (log_normalizer - target_logit).sum()
    likelihood = nll
    if mean_logit is not None:
        likelihood = (1 - smoothing) * nll + smoothing * (log_normalizer - mean_logit).sum()

    kl = nll.new_zeros(())
    agreed = (best[:, 0] == (target if soft is None else soft[0][:, 0])).sum().to(nll.dtype)
    if soft is None or kd_weight == 0:
        if soft is not None and kept_logits is not None:
            kl = _kl(kept_logits / temperature, _log_normalizer(warm, log_normalizer), *soft[1:])[0]
        if nll_weight != 1:
            gradient *= nll_weight
    else:
        assert kept_logits is not None
        token_ids, probs, tail = soft
        kl, kept, tail_ratio = _kl(kept_logits / temperature, _log_normalizer(warm, log_normalizer), probs, tail)
        # d KL / d z: q - p on kept tokens, q (1 - tail / q_tail) on the others; times T from T^2 / T
        if warm is None:
            gradient *= nll_weight + kd_weight * (1 - tail_ratio[:, None])
        else:
            cold = warm.softmax(dim=-1).mul_(kd_weight * temperature * (1 - tail_ratio[:, None]))
            gradient.mul_(nll_weight).add_(cold)
        correction = kd_weight * temperature * (kept * tail_ratio[:, None] - probs)
        gradient.scatter_add_(1, token_ids, correction.to(gradient.dtype))
    if nll_weight:
        on_target = torch.full_like(target_logit, -nll_weight * (1 - smoothing))
        gradient.scatter_add_(1, target[:, None], on_target[:, None])
        if smoothing:
            gradient -= nll_weight * smoothing * spread
    total = nll_weight * likelihood + kd_weight * temperature**2 * kl
    return (total, nll, kl, agreed), gradient


def _log_normalizer(warm: Tensor | None, at_one: Tensor) -> Tensor:
    return at_one if warm is None else torch.logsumexp(warm, dim=-1)


def _kl(kept_logits: Tensor, log_normalizer: Tensor, probs: Tensor, tail: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum KL(p || q) over kept tokens and the tail bucket; also q on kept tokens (R, K) and tail / q_tail (R,)."""
    log_kept = kept_logits - log_normalizer[:, None]
    kept = log_kept.exp()
    student_tail = (1 - kept.sum(dim=-1)).clamp(min=TAIL_FLOOR)
    probs, tail = probs.to(kept.dtype), tail.to(kept.dtype)
    teacher_tail = tail.clamp(min=TAIL_FLOOR)  # as the student's, so that equals cost nothing
    on_kept = torch.xlogy(probs, probs) - torch.where(probs > 0, probs * log_kept, 0)
    on_tail = tail * (teacher_tail / student_tail).log()
    return on_kept.sum() + on_tail.sum(), kept, teacher_tail / student_tail


def state_loss(states: Tensor, teacher_states: Tensor) -> Tensor:
    """Half the squared distance of student and teacher states, summed over tokens (R, D) and averaged over D.

    Rows of the teacher that are not a number (a target that it was not asked about) cost nothing.
    """
    known = ~teacher_states[:, 0].isnan()
    difference = states[known] - teacher_states[known].to(states.dtype)
    return 0.5 * difference.square().sum() / states.shape[-1]
