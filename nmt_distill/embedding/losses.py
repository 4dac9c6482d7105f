"""What sentence vectors cost: distance from a teacher's, and telling the true translation from all others.

N sentences, D width. Every loss is one number a sentence, (N,).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

SAME_COSINE = 1 - 1e-5
"""from which on two teacher's vectors, in float16, count as those of the same sentence"""


def mean_pool(states: Tensor, mask: Tensor) -> Tensor:
    """Average the states (N, S, D) of the tokens at which the mask (N, S) is true."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def vector_distance(vectors: Tensor, teacher: Tensor, kind: Literal["mse", "cosine"]) -> Tensor:
    """Tell how far the student's vectors (N, D) are from the teacher's (N, D).

    :param kind: ``mse``: the mean over dimensions of the squared difference (Reimers & Gurevych 2020, equation 1);
        ``cosine``: 1 less the cosine
    """
    if kind == "mse":
        return (vectors - teacher).square().mean(dim=-1)
    return 1 - F.cosine_similarity(vectors, teacher, dim=-1)


def contrastive_loss(sources: Tensor, translations: Tensor, teacher: Tensor, *, margin: float, scale: float) -> Tensor:
    """Cross-entropy of finding the true translation of a source in the batch, and the true source of a translation.

    Additive margin softmax over cosines (Feng et al. 2022, LaBSE, section 2.1), both ways added up. Other sentences of
    the batch of which the teacher has the same vector are no wrong answers.

    :param sources: (N, D) the student's vectors
    :param translations: (N, D) the student's, in the same order
    :param teacher: (N, D) the teacher's of the sources
    :param margin: taken from the cosine of true pairs
    :param scale: by which cosines are multiplied
    :returns: (N,), in nats
    """
    with torch.autocast(sources.device.type, enabled=False):  # bfloat16 has nothing between 0.996 and 1
        cosines = F.normalize(sources, dim=-1) @ F.normalize(translations, dim=-1).T
        known = F.normalize(teacher, dim=-1)
        similarities = known @ known.T
    is_true = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    is_same = (similarities > SAME_COSINE) & ~is_true
    logits = (scale * (cosines - margin * is_true)).masked_fill(is_same, -torch.inf)
    return -(logits.log_softmax(dim=1) + logits.log_softmax(dim=0)).diagonal()
