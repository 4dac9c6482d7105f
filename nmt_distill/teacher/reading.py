"""What is kept of next-token distributions, for every teacher whose logits can be read.

Shapes: R rows (target tokens, sentences end to end), V vocabulary, K kept tokens or draws, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Kept, TeacherOutput

CUMULATED = 1 << 22
"""probabilities that are added up in float64 at once"""

Distributions = Callable[[Sequence[int]], Iterator[tuple[Tensor, Tensor]]]
"""places of sentence pairs to logits (R, V) and decoder states (R, D) of their target tokens, a chunk of rows at a
time; the logits are given away"""


def read_distributions(
    source_ids: Sequence[Sequence[int]],
    target_ids: Sequence[Sequence[int]],
    distributions: Distributions,
    *,
    batches: Sequence[Sequence[int]],
    vocab_size: int,
    num_kept: int,
    kept: Kept,
    temperature: float,
    keep_states: bool,
) -> TeacherOutput:
    """Read a teacher's distributions over given targets; see :meth:`nmt_distill.teacher.base.WhiteBoxTeacher`.

    :param batches: places of the pairs that are read together
    :raises NmtDistillError: if more of the most probable tokens are to be kept than there are tokens
    """
    if kept == "top" and num_kept > vocab_size:
        raise NmtDistillError(
            f"num_kept must be at most the teacher's {vocab_size} ids, but is {num_kept} instead; "
            "lower distillation.num_kept."
        )
    parts: list[tuple[Tensor, ...]] = [()] * len(target_ids)
    with torch.inference_mode():
        for places in batches:
            choose = _choice(kept, num_kept, [(source_ids[row], target_ids[row]) for row in places])
            found = []
            for logits, states in distributions(places):
                if temperature != 1:
                    logits /= temperature
                found.append((*choose(logits), states.half() if keep_states else states[:, :0]))
            lengths = [len(target_ids[row]) for row in places]
            pieces = [torch.split(torch.cat(tensors).cpu(), lengths) for tensors in zip(*found, strict=True)]
            for row, part in zip(places, zip(*pieces, strict=True), strict=True):
                parts[row] = part
    token_ids, probs, states = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    if not bool(probs.isfinite().all()):
        raise NmtDistillError(
            "the teacher's probabilities are not finite; with teacher.precision float16 its states may be too large: "
            "set float32 or bfloat16, otherwise its weights are damaged."
        )
    if not bool(states.isfinite().all()):
        raise NmtDistillError(
            "the teacher's last states are larger than 65,504, more than float16 holds, in which they are stored; set "
            "distillation.keep_states to false."
        )
    return TeacherOutput(
        token_ids=token_ids.numpy(),
        probs=probs.numpy(),
        tail=(1 - probs.sum(dim=-1)).clamp(min=0).numpy() if kept == "top" else None,
        states=states.numpy() if keep_states else None,
    )


def most_probable(logits: Tensor, num_kept: int) -> tuple[Tensor, Tensor]:
    """Return the most probable tokens (R, K), best first, and their probabilities; logits (R, V) are overwritten."""
    best, token_ids = logits.topk(num_kept, dim=-1)
    highest = best[:, :1].clone()
    total = logits.sub_(highest).exp_().sum(dim=-1, keepdim=True)
    return token_ids, best.sub_(highest).exp_().div_(total)


def draw(logits: Tensor, num_draws: int, shifts: Tensor) -> tuple[Tensor, Tensor]:
    """Draw tokens (R, K) from the distribution of each row, ascending, and return their probabilities too.

    Systematic sampling: K points at even distances, all moved by one random number, are looked up in the distribution
    function. A token of probability p then comes K p times on average, as with independent draws with replacement (the
    random sampling of Anshumann et al. 2025, section 4), but never more than one time off, so that the same number of
    draws tells much more.

    :param logits: (R, V), overwritten
    :param shifts: (R,) float32, from 0 to below 1, of each row
    """
    token_ids, probs = [], []
    steps = torch.arange(num_draws, dtype=torch.float64, device=logits.device)
    size = max(1, CUMULATED // logits.shape[1])
    for chunk, own in zip(torch.split(logits, size), torch.split(shifts, size), strict=True):
        weights = chunk.sub_(chunk.max(dim=-1, keepdim=True).values).exp_()
        cumulative = weights.cumsum(dim=-1, dtype=torch.float64)
        total = cumulative[:, -1:]
        points = (own.double()[:, None] + steps) * (total / num_draws)
        token_ids.append(torch.searchsorted(cumulative, points, right=True))
        probs.append(weights.gather(1, token_ids[-1]) / total.to(weights.dtype))
    return torch.cat(token_ids), torch.cat(probs)


def _choice(
    kept: Kept, num_kept: int, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return what turns the logits of some pairs of ids, chunk by chunk, into kept tokens and their probabilities."""
    if kept == "top":
        return lambda logits: most_probable(logits, num_kept)
    shifts = np.concatenate([_shifts(source, target) for source, target in pairs])
    done = 0

    def draw_next(logits: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal done
        own = torch.from_numpy(shifts[done : done + len(logits)]).to(logits.device)
        done += len(logits)
        return draw(logits, num_kept, own)

    return draw_next


def _shifts(source_ids: Sequence[int], target_ids: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return a random number for each target token, always the same ones for the same pair, whatever its company.

    In float32, so that a point below the total in float64 is still below it after rounding.
    """
    return np.random.default_rng([*source_ids, *target_ids]).random(len(target_ids), np.float32)
