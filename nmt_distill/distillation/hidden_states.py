"""How far hidden states of a student are from those of its teacher: sums over tokens.

Shapes: R tokens (rows; sentences end to end, without padding), D width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nmt_distill.distillation.config import HiddenDistance


def hidden_loss(states: Tensor, teacher_states: Tensor, distance: HiddenDistance) -> Tensor:
    """Sum the distance of each row of the student from the teacher's; 0 where both are the same.

    ``mse`` is half the mean squared difference, as of decoder states
    (:func:`nmt_distill.distillation.losses.state_loss`), ``cosine`` is 1 less the cosine, which no length matters to.

    :param states: (R, D) of the student, projected to the teacher's width where it is another
    :param teacher_states: (R, D)
    """
    states, teacher_states = states.float(), teacher_states.float()
    if distance == "cosine":
        return (1 - F.cosine_similarity(states, teacher_states, dim=-1)).sum()
    return 0.5 * (states - teacher_states).square().sum() / states.shape[-1]
