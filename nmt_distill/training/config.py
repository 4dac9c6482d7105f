"""How a student is trained: budgets in steps, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nmt_distill.devices import Device


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of training with one loss, one set of parameters that move and one learning-rate curve.

    The loss per target token is
    ``vocabulary_weight * ((1 - kd_weight) * NLL + kd_weight * KL * T^2) + state_weight * E``,
    where E is half the mean squared difference of the last decoder states.
    """

    num_steps: int
    """parameter updates"""
    learning_rate: float
    """at the end of the warm-up; it then falls in a straight line to 0 at the end of the phase"""
    warmup_steps: int = 100
    """updates over which the learning rate rises from 0"""
    batch_tokens: int = 3000
    """target positions of one batch, padding included (source positions are held to the same)"""
    num_accumulated: int = 1
    """batches whose gradients are added up for one update, on each rank"""
    trainable: Literal["all", "decoder"] = "all"
    """``decoder`` freezes embeddings and encoder"""
    kd_weight: float = 0.5
    """share of the divergence from the teacher, in [0, 1]; 0 is plain training on the targets"""
    vocabulary_weight: float = 1.0
    """weight of likelihood and divergence together; 0 saves the projection to the vocabulary"""
    num_sampled: int = 0
    """tokens drawn per batch to estimate the normaliser of likelihood and divergence; 0 sums over all tokens"""
    state_weight: float = 0.0
    """weight of the hidden-state term, which needs decoder states of the student's width in the store"""
    label_smoothing: float = 0.0
    """mass spread evenly over the vocabulary, on the likelihood part only"""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose values cannot be."""
        for name in ("num_steps", "batch_tokens", "num_accumulated"):
            if getattr(self, name) < 1:
                yield name, f"must be at least 1, but is {getattr(self, name)} instead"
        if self.learning_rate <= 0:
            yield "learning_rate", f"must be positive, but is {self.learning_rate} instead"
        if self.warmup_steps < 0:
            yield "warmup_steps", f"must be at least 0, but is {self.warmup_steps} instead"
        for name in ("kd_weight", "label_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                yield name, f"must be in [0, 1], but is {getattr(self, name)} instead"
        for name in ("vocabulary_weight", "state_weight", "num_sampled"):
            if getattr(self, name) < 0:
                yield name, f"must be at least 0, but is {getattr(self, name)} instead"
        if self.vocabulary_weight == 0 and self.state_weight == 0:
            yield "vocabulary_weight", "must be positive where state_weight is 0, else there is no loss"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The phases of a training and what holds for all of them."""

    phases: tuple[PhaseConfig, ...]
    """one after the other"""
    seed: int = 1
    """of new weights, the order of the data and dropout"""
    adam_betas: tuple[float, float] = (0.9, 0.98)
    """decay of Adam's averages of gradients and squared gradients"""
    weight_decay: float = 0.0
    """AdamW's, per unit of learning rate"""
    gradient_clip: float = 1.0
    """largest norm of all gradients together"""
    average_decay: float = 0.998
    """of the exponential average of the weights, which is what is validated and kept; 0 keeps the last weights"""
    validate_every: int = 500
    """updates between two validations by chrF on the decoding path of users; each phase also ends with one"""
    patience: int = 0
    """validations without a new best score after which training stops; 0 never stops early"""
    max_dev_sentences: int = 500
    """development sentences that a validation translates"""
    checkpoint_every: int = 200
    """updates between two checkpoints, from which a killed run goes on"""
    device: Device = "auto"
    """``auto`` takes a GPU where there is one, for labelling too; ``cpu`` or ``cuda`` insist"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of matrix products; bfloat16 needs hardware that has it"""

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose values cannot be."""
        if not self.phases:
            yield "phases", "must hold at least one phase"
        for name in ("validate_every", "max_dev_sentences", "checkpoint_every"):
            if getattr(self, name) < 1:
                yield name, f"must be at least 1, but is {getattr(self, name)} instead"
        if not 0 <= self.average_decay < 1:
            yield "average_decay", f"must be in [0, 1), but is {self.average_decay} instead"
        if self.gradient_clip <= 0:
            yield "gradient_clip", f"must be positive, but is {self.gradient_clip} instead"
        if self.patience < 0:
            yield "patience", f"must be at least 0, but is {self.patience} instead"
