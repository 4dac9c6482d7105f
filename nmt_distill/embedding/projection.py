"""The matrix between a student's pooled states and its sentence vectors, which is trained along with the student.

While a student is trained, the matrix is a module of it, so that whatever holds for weights holds for the matrix:
averages, checkpoints, the choice of the best. On disk it stands beside the student (:mod:`.student_vectors`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nmt_distill.embedding.losses import mean_pool
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.student.graph import StudentModel

MODULE = "sentence_projection"
"""its name in a student, and how the names of its parameters begin"""


def add_projection(student: StudentModel, dim: int, *, seed: int, weights: Vectors | None = None) -> None:
    """Give a student a projection to vectors of a width.

    :param seed: of the weights, orthogonal rows or columns without bias
    :param weights: (d + 1, D) to begin with instead, as :func:`detached_projection` gives them
    """
    projection = nn.Linear(student.config.d_model, dim)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        nn.init.orthogonal_(projection.weight, generator=generator)
        projection.bias.zero_()
        if weights is not None:
            projection.weight.copy_(torch.from_numpy(weights[:-1].T.copy()))
            projection.bias.copy_(torch.from_numpy(weights[-1].copy()))
    setattr(student, MODULE, projection.to(student.device))


@contextlib.contextmanager
def detached_projection(student: StudentModel) -> Iterator[Vectors | None]:
    """Take the projection off a student while a block runs, so that transformers saves what it knows.

    :returns: float32 (d + 1, D), the bias last; None where there is none
    """
    projection = getattr(student, MODULE, None)
    if projection is None:
        yield None
        return
    weight, bias = projection.weight.detach().float().cpu().numpy(), projection.bias.detach().float().cpu().numpy()
    delattr(student, MODULE)
    try:
        yield np.concatenate([weight.T, bias[None]])
    finally:
        setattr(student, MODULE, projection)


def sentence_vectors(student: StudentModel, states: Tensor, mask: Tensor) -> Tensor:
    """Make vectors (N, D) of encoder states (N, S, d) of the tokens at which the mask (N, S) is true."""
    pooled = mean_pool(states, mask)
    projection = getattr(student, MODULE, None)
    return pooled if projection is None else projection(pooled)
