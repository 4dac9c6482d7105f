"""Targets that the student samples itself: which batches get them, and the sampling.

What is drawn depends on seed, phase, step and place of the batch in the step alone, and on the student's weights; the
state of torch's generators stays as it is. (Agarwal et al. 2024, *On-Policy Distillation of Language Models*, algorithm
1: no gradient goes through the sampling.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig

from nmt_distill.distillation.records import Array
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel

Draw = Sequence[int]
"""seed, phase, step and place of a batch in the step"""


def is_on_policy(share: float, draw: Draw) -> bool:
    """Decide whether the targets of a batch are sampled, of all batches a share."""
    return bool(np.random.default_rng(draw).random() < share)


def longest_sample(target_lengths: Sequence[int], *limits: int | None) -> int:
    """Return how many tokens a sample may have: half as many again as the longest target of the batch, and 8.

    :param limits: what neither student nor teacher has room beyond; None is no limit
    """
    longest = 8 + 3 * max(target_lengths) // 2
    return min([longest, *(limit for limit in limits if limit is not None)])


def sample_targets(
    student: StudentModel,
    source_ids: Tensor,
    source_mask: Tensor,
    *,
    max_tokens: int,
    temperature: float,
    never: Sequence[int],
    draw: Draw,
) -> list[Array]:
    """Draw a translation of each source from the student, with dropout off.

    :param source_ids: (N, S), tags included
    :param source_mask: (N, S)
    :param max_tokens: what is longer is cut there, without an end of sentence
    :param never: ids that are not drawn
    :returns: the ids of each, up to the end of sentence
    :raises NmtDistillError: if the student's weights are not finite, so that there is nothing to draw from
    """
    if not all(bool(parameter.isfinite().all()) for parameter in student.parameters()):
        raise NmtDistillError(
            "the student can sample nothing, because its weights are not finite: look at what it started from. The "
            "last checkpoint is kept."
        )
    ids, device = student.config, source_ids.device
    was_training = student.training
    student.eval()
    # generate draws from the global generator, which goes on afterwards as if nothing had been drawn
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(int(np.random.default_rng([*draw, 1]).integers(1 << 62)))
        drawn = student.generate(
            input_ids=source_ids,
            attention_mask=source_mask.long(),
            generation_config=GenerationConfig(
                do_sample=True,
                temperature=temperature,
                top_k=0,
                max_length=max_tokens + 1,  # the start counts
                suppress_tokens=[int(token) for token in never] or None,
                pad_token_id=ids.pad_token_id,
                eos_token_id=ids.eos_token_id,
                decoder_start_token_id=ids.decoder_start_token_id,
            ),
        )
    student.train(was_training)
    return [_up_to_end(row[1:], ids.eos_token_id) for row in drawn.cpu().numpy()]


def _up_to_end(row: Array, end_id: int) -> Array:
    """Cut a row behind its first end of sentence; what follows there is padding."""
    ends = np.flatnonzero(row == end_id)
    return row[: ends[0] + 1] if len(ends) else row
