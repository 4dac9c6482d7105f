"""The vocabulary loss with an estimated normaliser: a small fraction of the projection, nearly the same gradient.

Shapes: R target tokens, D width, V vocabulary, K kept candidates, C sampled candidates of the batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nmt_distill.distillation.divergences import Divergence, SoftTargets, compare
from nmt_distill.distillation.losses import KL, NUM_SUMS, RULED_OUT, LossOptions, VocabularyLoss, hardest
from nmt_distill.distillation.output_table import wide

_GONE = -1e9


def sampled_vocabulary_loss(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    soft_targets: SoftTargets | None = None,
    *,
    num_sampled: int,
    kd_weight: float = 0.0,
    kd_share: float = 1.0,
    divergence: Divergence = KL,
    temperature: float = 1.0,
    scale_by_temperature: bool = True,
    label_smoothing: float = 0.0,
) -> VocabularyLoss:
    """Estimate :func:`nmt_distill.distillation.losses.vocabulary_loss` from some of the logits.

    A row's normaliser is split in strata (importance sampling, Jean et al. 2015, section 3): its own kept candidates
    and the targets of the whole batch are summed exactly; of all other tokens ``num_sampled`` are drawn evenly and
    stand for the rest. With every token drawn it is the full loss. Draws come from torch's random state.

    :param num_sampled: tokens to draw; drawn twice counts once
    """
    options = LossOptions(
        kd_weight=kd_weight,
        kd_share=kd_share,
        divergence=divergence,
        temperature=temperature,
        scale_by_temperature=scale_by_temperature,
        label_smoothing=label_smoothing,
    )
    options.check(soft_targets)
    vocab_size = weight.shape[0]
    targets = torch.unique(target)
    drawn = torch.unique(torch.randint(vocab_size, (num_sampled,), device=states.device))
    if num_sampled >= vocab_size:
        drawn = torch.arange(vocab_size, device=states.device)
    drawn = drawn[~torch.isin(drawn, targets)]
    candidates = torch.cat([targets, drawn])
    log_share = math.log(max(vocab_size - len(targets), 1) / max(len(drawn), 1))
    log_weights = torch.zeros(len(candidates), device=states.device)
    log_weights[len(targets) :] = log_share

    logits = (states @ weight[candidates].T + bias[candidates]).to(wide(states))  # (R, C)
    place = torch.full((vocab_size,), -1, device=states.device)
    place[candidates] = torch.arange(len(candidates), device=states.device)
    target_logits = logits.gather(1, place[target][:, None])[:, 0]
    kept = logits[:, :0]
    if soft_targets is not None:
        ids = soft_targets.token_ids
        kept = (torch.einsum("rd,rkd->rk", states, weight[ids]) + bias[ids]).to(logits.dtype)  # (R, K)
        logits = logits.masked_fill(_is_kept(ids, place, len(candidates)), _GONE)
    counted = kept
    if soft_targets is not None:  # what fills a row up is in it already
        filling = soft_targets.repeated if soft_targets.weights is None else soft_targets.weights == 0
        counted = kept if filling is None else kept.masked_fill(filling, _GONE)

    total = nll = logits.new_zeros(())
    chosen: Tensor | float = 1.0
    if kd_weight < 1 or options.selects:
        normalizer = torch.logsumexp(torch.cat([counted, logits + log_weights], dim=1), dim=1)
        row_nll = normalizer - target_logits
        nll = row_nll.sum()
        spread = (bias > RULED_OUT).to(weight.dtype)
        spread = spread / spread.sum()
        mean_logits = (states @ (spread @ weight) + spread @ bias.to(weight.dtype)).to(nll.dtype)
        likelihood = (1 - label_smoothing) * nll + label_smoothing * (normalizer - mean_logits).sum()
        total = (1 - kd_weight) * likelihood
        if options.selects:
            chosen = hardest(row_nll.detach(), kd_share)
    with torch.no_grad():
        best = torch.cat([counted, logits], dim=1).argmax(dim=1)
        agreed = best == (place[target] if soft_targets is None else 0)
    sums = [nll, agreed.sum().to(logits.dtype)]
    if soft_targets is not None:
        warm_tail = torch.logsumexp(logits / temperature + log_weights, dim=1)
        normalizer = torch.logaddexp(torch.logsumexp(counted / temperature, dim=1), warm_tail)
        log_kept = kept / temperature - normalizer[:, None]
        found = compare(divergence, soft_targets, log_kept, (warm_tail - normalizer).exp())
        distance = (found.divergence * chosen).sum()
        total = total + kd_weight * options.scale * distance
        sums += [distance, *(rows.sum() for rows in found.logged)]
    sums += [torch.zeros_like(nll)] * (NUM_SUMS - len(sums))
    return VocabularyLoss(total, *(value.detach() for value in sums))


def _is_kept(token_ids: Tensor, place: Tensor, num_candidates: int) -> Tensor:
    """Mark the candidates (R, C) that a row keeps anyway, so that none counts twice."""
    places = place[token_ids]
    marks = torch.zeros(len(token_ids), num_candidates + 1, dtype=torch.bool, device=token_ids.device)
    marks.scatter_(1, places.where(places >= 0, torch.tensor(num_candidates, device=places.device)), True)
    return marks[:, :num_candidates]
