"""Losses over the vocabulary and over decoder states: sums over target tokens, in nats.

Shapes: R target tokens (rows; sentences end to end, without padding), D width, V vocabulary, K kept candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nmt_distill.distillation.divergences import Divergence, SoftTargetRows, SoftTargets, compare
from nmt_distill.distillation.output_table import OutputTable, wide

RULED_OUT = -1e3
"""a token whose bias is below this is never predicted, and label smoothing passes it over"""
KL = Divergence()
NUM_SUMS = 7
"""of one pass, besides the total: see :class:`VocabularyLoss`"""


@dataclass(frozen=True)
class VocabularyLoss:
    """What one pass over the vocabulary tells: sums over rows; without soft targets, 0 where only they could tell."""

    total: Tensor
    """scalar with gradient: ``(1 - kd_weight) * nll_smoothed + kd_weight * divergence * temperature**2``"""
    nll: Tensor
    """scalar: negative log-likelihood of the targets, without label smoothing"""
    num_agreed: Tensor
    """scalar: rows where no token is more probable than the teacher's best, or than the target without soft targets"""
    divergence: Tensor
    """scalar: the divergence that is trained, over the rows that it is trained on"""
    kl: Tensor
    """scalar: KL(teacher || student) at the temperature, tail as one bucket, whatever is trained"""
    teacher_entropy: Tensor
    """scalar: as :class:`~nmt_distill.distillation.divergences.Comparison` has it, like the next two"""
    student_entropy: Tensor
    """scalar"""
    kept: Tensor
    """scalar"""


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """What decides about the loss besides tensors; :func:`vocabulary_loss` explains it."""

    kd_weight: float
    kd_share: float
    divergence: Divergence
    temperature: float
    scale_by_temperature: bool
    label_smoothing: float
    has_likelihood: bool = True

    def check(self, soft_targets: SoftTargetRows | None) -> None:
        """Refuse what cannot be.

        :raises ValueError: if ``kd_weight`` is not in [0, 1], or positive without soft targets
        """
        if not 0 <= self.kd_weight <= 1:
            raise ValueError(f"kd_weight must be in [0, 1], but is {self.kd_weight} instead.")
        if self.kd_weight > 0 and soft_targets is None:
            raise ValueError(f"kd_weight is {self.kd_weight}, but there are no soft targets.")

    @property
    def nll_weight(self) -> float:
        """Of the likelihood."""
        return 1 - self.kd_weight if self.has_likelihood else 0.0

    @property
    def smoothing(self) -> float:
        """Mass of the likelihood's target that is spread."""
        return self.label_smoothing if self.nll_weight > 0 else 0.0

    @property
    def selects(self) -> bool:
        """Whether the divergence is trained on some of the rows only."""
        return self.kd_share < 1 and self.kd_weight > 0

    @property
    def scale(self) -> float:
        """What the divergence is multiplied by besides its weight."""
        return self.temperature**2 if self.scale_by_temperature else 1.0


def vocabulary_loss(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    soft_targets: SoftTargetRows | None = None,
    *,
    kd_weight: float = 0.0,
    kd_share: float = 1.0,
    divergence: Divergence = KL,
    temperature: float = 1.0,
    scale_by_temperature: bool = True,
    label_smoothing: float = 0.0,
    has_likelihood: bool = True,
    chunk_rows: int = 512,
) -> VocabularyLoss:
    """Project decoder states to the vocabulary and compare with targets and teacher, a chunk of rows at a time.

    The loss is that of Kim & Rush (2016, section 3.1) with the temperature of Hinton et al. (2015): the divergence over
    the K kept tokens and one bucket for all others, so that it is 0 where the student equals the teacher and never more
    than the full divergence. Gradients are formed in the same pass: at no time is there more than one float32 copy of
    the logits of one chunk. (At a temperature other than 1 there are two, of chunks half as long.)

    :param states: (R, D) last decoder states of the student
    :param weight: (V, D) output table
    :param bias: (V,) output bias, a constant
    :param target: (R,) int64
    :param soft_targets: asked for one chunk of rows after the other
    :param kd_weight: share of the divergence, in [0, 1]; 0 without soft targets
    :param kd_share: share of the rows that the divergence is trained on, those with the highest negative log-likelihood
        (Wang et al. 2021, selection within the batch); below 1 the projection is made once more to find them
    :param scale_by_temperature: multiply the divergence by the square of the temperature
    :param label_smoothing: mass spread evenly over the tokens that the bias does not rule out, on the likelihood part
        only
    :param has_likelihood: false leaves the likelihood out of the total, where targets are no model to follow
    :param chunk_rows: rows that are projected at once; more of them are slower on a processor, whose caches they leave
    :raises ValueError: if ``kd_weight`` is not in [0, 1], or positive without soft targets, or if drawn tokens do not
        tell the divergence
    """
    options = LossOptions(
        kd_weight=kd_weight,
        kd_share=kd_share,
        divergence=divergence,
        temperature=temperature,
        scale_by_temperature=scale_by_temperature,
        label_smoothing=label_smoothing,
        has_likelihood=has_likelihood,
    )
    options.check(soft_targets)
    device = states.device.type
    if states.dtype == torch.float32 and torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))  # a GPU's norms leave float32: its products would be slow
    chosen = None
    with torch.autocast(device, enabled=False):  # it would round products of float32 logits too
        if options.selects:
            with torch.no_grad():
                chosen = hardest(_row_nll(states, weight, bias, target, chunk_rows), kd_share)
        given = (states, weight, bias, target, soft_targets, chosen, options, chunk_rows)
        total, sums = _VocabularyLoss.apply(*given)  # type: ignore[no-untyped-call]
    return VocabularyLoss(total, *sums.unbind())


class _VocabularyLoss(torch.autograd.Function):
    """Forward computes the gradients as well, for the logits are gone when backward comes."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        soft: SoftTargetRows | None,
        chosen: Tensor | None,
        options: LossOptions,
        chunk_rows: int,
    ) -> tuple[Tensor, Tensor]:
        need_states, need_weight = ctx.needs_input_grad[:2]
        states_gradient = torch.empty_like(states) if need_states else None
        weight_gradient = torch.zeros_like(weight, dtype=wide(states)) if need_weight else None
        total, sums = (torch.zeros(size, dtype=wide(states), device=states.device) for size in ((), NUM_SUMS))
        if soft is not None and options.temperature != 1:
            chunk_rows = max(chunk_rows // 2, 1)
        table = OutputTable(states, weight, bias, chunk_rows)
        for start in range(0, states.shape[0], chunk_rows):
            rows = slice(start, start + chunk_rows)
            chunk = states[rows]
            part, others, gradient = _chunk(
                table.logits(chunk),
                target[rows],
                None if soft is None else soft.rows(rows),
                None if chosen is None else chosen[rows],
                options,
            )
            total += part
            sums += others
            gradient = table.narrowed(gradient)
            if states_gradient is not None:
                torch.mm(gradient, table.weight, out=states_gradient[rows])
            if weight_gradient is not None:
                if chunk.dtype == weight_gradient.dtype:
                    weight_gradient.addmm_(gradient.T, chunk)
                else:
                    weight_gradient += gradient.T @ chunk
        if options.smoothing:
            share = options.nll_weight * options.smoothing
            total += _smooth(states, weight, bias, share, states_gradient, weight_gradient)
        ctx.save_for_backward(states_gradient, weight_gradient)
        ctx.weight_dtype = weight.dtype
        ctx.mark_non_differentiable(sums)
        return total, sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return (
            None if states_gradient is None else states_gradient * scale.to(states_gradient.dtype),
            None if weight_gradient is None else (weight_gradient * scale).to(ctx.weight_dtype),
            *([None] * 6),
        )


def _exponentiate(logits: Tensor, maximum: Tensor) -> Tensor:
    """Take exponentials of logits (R, V) in place, those of the maxima (R, 1) being 1, and return their sums (R, 1)."""
    return logits.sub_(maximum).exp_().sum(dim=-1, keepdim=True)


def _smooth(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    share: float,
    states_gradient: Tensor | None,
    weight_gradient: Tensor | None,
) -> Tensor:
    """Add to the gradients what label smoothing does to the mean of the logits, and return what it adds to the loss.

    That mean is linear in the states, so it takes two products of vectors instead of passes over all logits.

    :param share: of the loss; spread evenly over the tokens that the bias does not rule out
    """
    possible = (bias > RULED_OUT).to(wide(states))
    spread = possible / possible.sum()
    mean_row, state_sum = spread @ weight.to(spread.dtype), states.sum(dim=0, dtype=spread.dtype)
    if states_gradient is not None:
        states_gradient -= (share * mean_row).to(states_gradient.dtype)
    if weight_gradient is not None:
        weight_gradient.addr_(spread, state_sum, alpha=-share)
    return -share * (state_sum @ mean_row + len(states) * (spread @ bias.to(spread.dtype)))


def _row_nll(states: Tensor, weight: Tensor, bias: Tensor, target: Tensor, chunk_rows: int) -> Tensor:
    """Return the negative log-likelihood (R,) of each target, a chunk of logits at a time."""

    table = OutputTable(states, weight, bias, chunk_rows)

    def of_chunk(own: Tensor, wanted: Tensor) -> Tensor:
        logits = table.logits(own)
        target_logit, maximum = logits.gather(1, wanted[:, None]), logits.amax(dim=-1, keepdim=True)
        return (_exponentiate(logits, maximum).log() + maximum - target_logit)[:, 0]

    chunks = zip(torch.split(states, chunk_rows), torch.split(target, chunk_rows), strict=True)
    return torch.cat([of_chunk(*chunk) for chunk in chunks])


def hardest(row_nll: Tensor, share: float) -> Tensor:
    """Mark with 1 a share of the rows (R,), at least one: those with the highest negative log-likelihood."""
    chosen = torch.zeros_like(row_nll)
    count = math.ceil(share * len(row_nll) - 1e-9)  # 0.1 * 30 is a little more than 3
    chosen[row_nll.topk(min(max(count, 1), len(row_nll))).indices] = 1
    return chosen


def _chunk(
    logits: Tensor, target: Tensor, soft: SoftTargets | None, chosen: Tensor | None, options: LossOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the total of one chunk, its other sums, and the gradient with respect to the logits, which it overwrites.

    Total and gradient lack what label smoothing takes from the mean of the logits: :func:`_smooth` adds it.

    :param chosen: (R,) 1 for rows that the divergence is trained on, 0 for others; None trains it on all
    """
    temperature, nll_weight = options.temperature, options.nll_weight
    maximum = logits.amax(dim=-1, keepdim=True)
    target_logit = logits.gather(1, target[:, None])
    best_logit = target_logit if soft is None else logits.gather(1, soft.top[:, None])
    warm = logits / temperature if soft is not None and temperature != 1 else None
    kept_logits = None if soft is None else logits.gather(1, soft.token_ids)

    gradient = logits
    normalizer = _exponentiate(gradient, maximum)
    log_normalizer = normalizer.log() + maximum
    nll = (log_normalizer - target_logit).sum()
    total = nll_weight * ((1 - options.smoothing) * nll + options.smoothing * log_normalizer.sum())
    sums = [nll, (best_logit >= maximum).sum().to(nll.dtype)]
    on_all: Tensor | float = nll_weight
    on_kept = None
    if soft is not None and kept_logits is not None:
        warm_normalizer = normalizer if warm is None else _exponentiate(warm, maximum / temperature)
        log_warm = log_normalizer if warm is None else warm_normalizer.log() + maximum / temperature
        found = compare(options.divergence, soft, kept_logits / temperature - log_warm)
        divergence = (found.divergence if chosen is None else found.divergence * chosen).sum()
        sums += [divergence, *(rows.sum() for rows in found.logged)]
        if options.kd_weight > 0:
            total = total + options.kd_weight * options.scale * divergence
            factor = options.kd_weight * options.scale / temperature * (1 if chosen is None else chosen[:, None])
            on_kept = factor * found.on_kept
            if warm is None:
                on_all = nll_weight + factor * found.on_all[:, None]
            else:
                warm *= factor * found.on_all[:, None] / warm_normalizer
    gradient *= on_all / normalizer
    if soft is not None and on_kept is not None:
        if warm is not None:
            gradient += warm
        gradient.scatter_add_(1, soft.token_ids, on_kept)
    if nll_weight:
        gradient.scatter_add_(1, target[:, None], torch.full_like(target_logit, -nll_weight * (1 - options.smoothing)))
    sums += [torch.zeros_like(nll)] * (NUM_SUMS - len(sums))
    return total, torch.stack(sums), gradient


def state_loss(states: Tensor, teacher_states: Tensor) -> Tensor:
    """Half the squared distance of student and teacher states, summed over tokens (R, D) and averaged over D.

    Rows of the teacher that are not a number (a target that it was not asked about) cost nothing.
    """
    known = ~teacher_states[:, 0].isnan()
    difference = states[known] - teacher_states[known].to(states.dtype)
    return 0.5 * difference.square().sum() / states.shape[-1]
