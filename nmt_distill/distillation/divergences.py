"""How far a student's next-token distribution is from its teacher's, known by kept tokens.

Shapes: R target tokens (rows), K kept tokens, E events (the kept tokens, then all other tokens as one). p is the
teacher's probability of an event, q the student's, both at the temperature. All values are in nats and divergences
proper: 0 where the student equals the teacher.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.config import ESTIMATED_FROM_DRAWS, DivergenceName

TAIL_FLOOR = 1e-6
"""a tail smaller than this counts as this, the teacher's as the student's (float32 cannot tell it from rounding)"""
PROB_FLOOR = 1e-8
"""a probability below this counts as this in reverse KL, the teacher's as the student's, so that what the teacher rules
out is dear to the student but not infinitely so (float16 cannot tell it from 0)"""
_GONE = -1e4
"""log-probability of what is not counted"""


@dataclass(frozen=True)
class SoftTargets:
    """The teacher's kept next-token probabilities at one temperature."""

    token_ids: Tensor
    """(R, K) int64, distinct in each row, but for tokens of probability or weight 0"""
    probs: Tensor
    """(R, K) float32"""
    tail: Tensor | None
    """(R,) float32, the probability of all other tokens; ``probs.sum(-1) + tail`` is 1. None where tokens are drawn"""
    weights: Tensor | None = None
    """(R, K) float32, where tokens are drawn: the share of the row's draws, which on average is their probability"""
    best: Tensor | None = None
    """(R,) the most probable token, where the kept ones stand in the order of their ids, each once; else None, and the
    first of those kept is"""

    def to(self, device: torch.device) -> SoftTargets:
        """Move all tensors."""
        return self._each(lambda tensor: tensor.to(device))

    def rows(self, rows: slice) -> SoftTargets:
        """Take some rows."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> SoftTargets:
        return SoftTargets(
            token_ids=change(self.token_ids),
            probs=change(self.probs),
            tail=None if self.tail is None else change(self.tail),
            weights=None if self.weights is None else change(self.weights),
            best=None if self.best is None else change(self.best),
        )

    @property
    def repeated(self) -> Tensor | None:
        """Which of the kept tokens stand further ahead in their row already, (R, K); None where none can."""
        if self.weights is not None or self.best is not None:
            return None
        ordered, places = self.token_ids.sort(dim=-1, stable=True)
        is_again = F.pad(ordered[:, 1:] == ordered[:, :-1], (1, 0))
        return torch.zeros_like(is_again).scatter(-1, places, is_again)

    @property
    def top(self) -> Tensor:
        """The most probable token of each row, (R,)."""
        return self.token_ids[:, 0] if self.best is None else self.best


class SoftTargetRows(Protocol):
    """Soft targets that are had some rows at a time: :class:`SoftTargets`, or what a teacher computes when asked."""

    def rows(self, rows: slice) -> SoftTargets:
        """Take some rows."""
        ...


@dataclass(frozen=True)
class Divergence:
    """One of the divergences, with its parameter."""

    name: DivergenceName = "kl"
    beta: float = 0.5
    """of ``js``: the teacher's share of the mixture"""
    skew: float = 0.1
    """of ``skew_kl``: the teacher's share of the mixture"""


@dataclass(frozen=True)
class Comparison:
    """What a comparison tells of each row, and the gradient of the divergence with respect to logits at temperature 1.

    That is q of each token times ``on_all``, and at kept tokens ``on_kept`` on top.
    """

    divergence: Tensor
    """(R,) the one that was asked for"""
    kl: Tensor
    """(R,) KL(p || q), whatever was asked for"""
    teacher_entropy: Tensor
    """(R,) over the events; of all tokens, on average, where they are drawn"""
    student_entropy: Tensor
    """(R,) over the events; 0 where tokens are drawn, which tell nothing of it"""
    kept: Tensor
    """(R,) the teacher's probability of the kept tokens together"""
    on_all: Tensor
    """(R,)"""
    on_kept: Tensor
    """(R, K)"""

    @property
    def logged(self) -> tuple[Tensor, ...]:
        """What is only looked at, in the order of the fields."""
        return self.kl, self.teacher_entropy, self.student_entropy, self.kept


def compare(measure: Divergence, soft: SoftTargets, log_kept: Tensor, student_tail: Tensor | None = None) -> Comparison:
    """Compare a student with its teacher.

    :param log_kept: (R, K) log q of the kept tokens
    :param student_tail: (R,) q of all other tokens together; None takes what is missing to 1
    """
    probs = soft.probs.to(log_kept.dtype)
    if soft.tail is None:
        assert soft.weights is not None
        return _compare_draws(measure, probs, soft.weights.to(log_kept.dtype), log_kept)
    if (repeated := soft.repeated) is not None:
        log_kept = log_kept.masked_fill(repeated, _GONE)  # its probability is counted once
    kept, tail = log_kept.exp(), soft.tail.to(log_kept.dtype)
    if student_tail is None:
        student_tail = 1 - kept.sum(dim=-1)
    student_tail, teacher_tail = student_tail.clamp(min=TAIL_FLOOR), tail.clamp(min=TAIL_FLOOR)
    log_student_tail, log_teacher_tail = student_tail.log(), teacher_tail.log()
    negative_entropy = torch.xlogy(probs, probs).sum(dim=-1)
    cross_entropy = torch.where(probs > 0, probs * log_kept, 0).sum(dim=-1)
    kl = negative_entropy - cross_entropy + tail * (log_teacher_tail - log_student_tail)
    if measure.name == "kl":
        ratio = teacher_tail / student_tail
        divergence, on_all, on_kept = kl, 1 - ratio, kept * ratio[:, None] - probs
    else:
        rounding = 16 * torch.finfo(kept.dtype).eps  # of the sum that the student's tail was taken from
        student_tail = torch.where((student_tail - teacher_tail).abs() <= rounding, teacher_tail, student_tail)
        log_student_tail = student_tail.log()
        events = torch.cat([probs, teacher_tail[:, None]], dim=-1)
        divergence, slopes = _MEASURES[measure.name](
            measure, events, torch.cat([log_kept, log_student_tail[:, None]], dim=-1)
        )
        tail_slope = slopes[:, -1] / student_tail
        on_all, on_kept = tail_slope - slopes.sum(dim=-1), slopes[:, :-1] - kept * tail_slope[:, None]
    return Comparison(
        divergence=divergence,
        kl=kl,
        teacher_entropy=-negative_entropy - tail * log_teacher_tail,
        student_entropy=-(kept * log_kept).sum(dim=-1) - student_tail * log_student_tail,
        kept=1 - tail,
        on_all=on_all,
        on_kept=on_kept,
    )


def _compare_draws(measure: Divergence, probs: Tensor, weights: Tensor, log_student: Tensor) -> Comparison:
    """Take the mean over draws in place of the sum over all tokens times p: on average the same.

    Only what is a mean under p can be had in this way: KL, and KL from a mixture.
    """
    if measure.name not in ESTIMATED_FROM_DRAWS:
        raise ValueError(
            f"{measure.name} cannot be estimated from drawn tokens; it must be {' or '.join(ESTIMATED_FROM_DRAWS)}."
        )
    log_probs = probs.clamp(min=torch.finfo(probs.dtype).tiny).log()
    kl = (weights * (log_probs - log_student)).sum(dim=-1)
    if measure.name == "kl":
        divergence, slopes = kl, -weights
    else:
        log_mixed = _log_mixture(probs, log_student, measure.skew)
        divergence = (weights * (log_probs - log_mixed)).sum(dim=-1)
        slopes = -(1 - measure.skew) * weights * (log_student - log_mixed).exp()
    return Comparison(
        divergence=divergence,
        kl=kl,
        teacher_entropy=-(weights * log_probs).sum(dim=-1),
        student_entropy=torch.zeros_like(kl),
        kept=torch.where(weights > 0, probs, 0).sum(dim=-1),
        on_all=-slopes.sum(dim=-1),
        on_kept=slopes,
    )


# Each of these takes p (R, E) and log q (R, E) and returns the divergence (R,) and its derivative with respect to log q
# (R, E). Terms that are 0 in sum, since p and q sum to 1, make every part 0 where p = q and no value less than 0.


def _reverse_kl(_: Divergence, p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    p, counts = p.clamp(min=PROB_FLOOR), log_q > math.log(PROB_FLOOR)
    q = log_q.exp().clamp(min=PROB_FLOOR)
    distance = q * (log_q.clamp(min=math.log(PROB_FLOOR)) - p.log())
    return (distance - q + p).sum(dim=-1), torch.where(counts, distance, 0)


def _jensen_shannon(measure: Divergence, p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    log_m = _log_mixture(p, log_q, measure.beta)
    slopes = (1 - measure.beta) * log_q.exp() * (log_q - log_m)
    return (measure.beta * (torch.xlogy(p, p) - p * log_m) + slopes).sum(dim=-1), slopes


def _total_variation(_: Divergence, p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    q = log_q.exp()
    rounding = 64 * torch.finfo(p.dtype).eps  # without it a student that equals its teacher would be pushed about
    excess = ((q - p).abs() - rounding * (q + p)).clamp(min=0)
    return excess.sum(dim=-1) / 2, torch.where(excess > 0, (q - p).sign() * q / 2, 0)


def _skew_kl(measure: Divergence, p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    log_m = _log_mixture(p, log_q, measure.skew)
    slopes = (1 - measure.skew) ** 2 * (log_q - log_m).exp() * (log_q.exp() - p)
    return (torch.xlogy(p, p) - p * log_m - p + log_m.exp()).sum(dim=-1), slopes


def _log_mixture(p: Tensor, log_q: Tensor, share: float) -> Tensor:
    """Return the logarithm of ``share * p + (1 - share) * q``."""
    return torch.logaddexp(p.log() + math.log(share), log_q + math.log1p(-share))


_MEASURES: dict[str, Callable[[Divergence, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "reverse_kl": _reverse_kl,
    "js": _jensen_shannon,
    "tvd": _total_variation,
    "skew_kl": _skew_kl,
}
