"""Where a training stands, as a checkpoint keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.objective import LOGGED, SHOWN


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

    def end_phase(self, phases: Sequence[PhaseConfig]) -> None:
        """Go on to the next phase; the rest of an epoch is left out where batches of another size divide it."""
        (epoch, index), ended = self.position, phases[self.phase]
        self.phase, self.step = self.phase + 1, 0
        self.finished |= self.phase == len(phases)
        if not self.finished and phases[self.phase].batch_tokens != ended.batch_tokens:
            self.position = (epoch + bool(index), 0)

    def means(self) -> dict[str, float]:
        """Return what is logged, per target token since the last validation."""
        num_tokens = max(self.num_tokens, 1)
        return {name: value / num_tokens for name, value in zip(LOGGED, self.sums, strict=True)}

    def describe(self, score_name: str) -> str:
        """Return the means that a progress line shows, and the best score by the name given."""
        told = ", ".join(f"{name} {value:.3f}" for name, value in self.means().items() if value and name in SHOWN)
        return told if self.best_score is None else f"{told}, best {score_name} {self.best_score:.2f}"
