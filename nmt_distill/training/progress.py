"""Where a training stands, as a checkpoint keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nmt_distill.training.objective import LOGGED


@dataclass
class Progress:
    """Where a training stands: everything that its next step depends on besides tensors."""

    phase: int = 0
    step: int = 0
    """updates done in this phase"""
    position: tuple[int, int] = (0, 0)
    """epoch and batch that come next"""
    best_score: float | None = None
    num_worse: int = 0
    """validations since the best one"""
    sums: list[float] = field(default_factory=lambda: [0.0] * len(LOGGED))
    """what is logged, summed over the target tokens since the last validation"""
    num_tokens: int = 0
    """target tokens since the last validation"""
    finished: bool = False
