"""Learning rate over the steps of a phase, and the exponential average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from nmt_distill.progress import say
from nmt_distill.training.config import PhaseConfig


def learning_rate(step: int, *, peak: float, warmup_steps: int, num_steps: int) -> float:
    """Rise in a straight line to ``peak`` over the warm-up, then fall in a straight line to 0 after the last step.

    :param step: updates done already in this phase
    """
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return peak * max(num_steps - step, 0) / max(num_steps - warmup_steps, 1)


def tell_of_long_warmup(number: int, phase: PhaseConfig) -> None:
    """Say so where a phase is over before its learning rate has risen, as in a trial with fewer updates.

    :param number: of the phase, from 1
    """
    if phase.warmup_steps >= phase.num_steps:
        say(
            f"phase {number} has {phase.num_steps:,} updates and a warm-up of {phase.warmup_steps:,}: its learning "
            f"rate never reaches {phase.learning_rate:g}; lower warmup_steps if that is not meant"
        )


class WeightAverage:
    """An exponential average of parameters; young averages forget faster."""

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.num_updates = 0
        self.values = [parameter.detach().clone() for parameter in self.parameters]

    def load(self, values: Sequence[Tensor], num_updates: int) -> None:
        """Go on from an average that was kept, wherever its tensors lie."""
        for own, value in zip(self.values, values, strict=True):
            own.copy_(value)
        self.num_updates = num_updates

    def update(self) -> None:
        """Take in the parameters as they are."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the parameters their average inside the block."""
        own = [parameter.detach().clone() for parameter in self.parameters]
        self._assign(self.values)
        try:
            yield
        finally:
            self._assign(own)

    def keep(self) -> None:
        """Give the parameters their average for good."""
        self._assign(self.values)

    def _assign(self, values: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)
