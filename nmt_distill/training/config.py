"""How a student is trained: budgets in steps, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from nmt_distill.configuration.constraints import (
    Bounds,
    Decay,
    Faults,
    NaturalInt,
    NonNegative,
    NotEmpty,
    Positive,
    PositiveInt,
    Seed,
    Share,
)
from nmt_distill.devices import Device
from nmt_distill.distillation.config import DivergenceName


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of training with one loss, one set of parameters that move and one learning-rate curve.

    The loss per target token is
    ``vocabulary_weight * ((1 - kd_weight) * NLL + kd_weight * D * T^2) + state_weight * E + embedding_anchor * A``,
    where D is the divergence from the teacher, E half the mean squared difference of the last decoder states, and A
    half the squared distance of the table of embeddings from what it was when training began.
    """

    num_steps: PositiveInt
    """parameter updates"""
    learning_rate: Positive
    """at the end of the warm-up; it then falls in a straight line to 0 at the end of the phase"""
    warmup_steps: NaturalInt = 100
    """updates over which the learning rate rises from 0"""
    batch_tokens: PositiveInt = 3000
    """target positions of one batch, padding included (source positions are held to the same)"""
    num_accumulated: PositiveInt = 1
    """batches whose gradients are added up for one update, on each rank"""
    trainable: Literal["all", "layers", "decoder", "decoder_and_embeddings"] = "all"
    """``layers`` freezes the embeddings, ``decoder_and_embeddings`` the encoder, ``decoder`` both"""
    kd_weight: Share = 0.5
    """share of the divergence from the teacher; 0 is plain training on the targets"""
    kd_share: Annotated[float, Bounds(above=0, most=1)] = 1.0
    """share of a batch's target tokens that the divergence is trained on: those that the student finds hardest; below 1
    the projection to the vocabulary is made twice"""
    divergence: DivergenceName = "kl"
    """``kl``: KL(teacher || student); ``reverse_kl``: KL(student || teacher); ``js``: Jensen-Shannon; ``tvd``: total
    variation; ``skew_kl``: KL from the teacher to a mixture of both"""
    beta: Annotated[float, Bounds(above=0, below=1)] = 0.5
    """of ``js``: the teacher's share of the mixture that both are compared with; 0.5 is Jensen-Shannon proper"""
    skew: Annotated[float, Bounds(above=0, below=1)] = 0.1
    """of ``skew_kl``: the teacher's share of the mixture"""
    scale_by_temperature: bool = True
    """multiply the divergence by T^2, so that its gradient keeps its size at every temperature"""
    vocabulary_weight: NonNegative = 1.0
    """weight of likelihood and divergence together; 0 saves the projection to the vocabulary"""
    num_sampled: NaturalInt = 0
    """tokens drawn per batch to estimate the normaliser of likelihood and divergence; 0 sums over all tokens"""
    state_weight: NonNegative = 0.0
    """weight of the hidden-state term, which needs decoder states of the student's width in the store"""
    embedding_anchor: NonNegative = 0.0
    """weight of the pull that holds the embeddings near those with which training began; 0 lets them go"""
    label_smoothing: Share = 0.0
    """mass spread evenly over the vocabulary, on the likelihood part only"""

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.vocabulary_weight == 0 and self.state_weight == 0:
            yield "vocabulary_weight", "must be above 0 where state_weight is 0, else there is no loss"
        if self.embedding_anchor and self.trainable in ("layers", "decoder"):
            yield "embedding_anchor", f"must be 0 where trainable is {self.trainable}, which freezes the embeddings"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The phases of a training and what holds for all of them."""

    phases: Annotated[tuple[PhaseConfig, ...], NotEmpty()]
    """one after the other"""
    seed: Seed = 1
    """of new weights, the order of the data and dropout"""
    balance_exponent: Share = 1.0
    """each direction's share of an epoch is in proportion to its number of records to this power (1 / T of sampling
    with temperature T): 1 takes all records as they are, 0 as many of each direction"""
    adam_betas: tuple[Decay, Decay] = (0.9, 0.98)
    """decay of Adam's averages of gradients and squared gradients"""
    weight_decay: NonNegative = 0.0
    """AdamW's, per unit of learning rate"""
    gradient_clip: Positive = 1.0
    """largest norm of all gradients together"""
    average_decay: Decay = 0.998
    """of the exponential average of the weights, which is what is validated and kept; 0 keeps the last weights"""
    validate_every: PositiveInt = 500
    """updates between two validations by chrF on the decoding path of users; each phase also ends with one"""
    patience: NaturalInt = 0
    """validations without a new best score after which training stops; 0 never stops early"""
    max_dev_sentences: PositiveInt = 500
    """development sentences that a validation translates"""
    checkpoint_every: PositiveInt = 200
    """updates between two checkpoints, from which a killed run goes on"""
    device: Device = "auto"
    """``auto`` takes a GPU where there is one, for labelling too; ``cpu`` or ``cuda`` insist"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of matrix products; bfloat16 needs hardware that has it, and losses are in float32 all the same"""
    compile: bool = False
    """let torch.compile make the model's code: slow to begin with, and it needs a C++ compiler"""
    tensorboard: bool = False
    """write what ``metrics.jsonl`` says to the run's folder ``tensorboard`` too; needs the extra ``tensorboard``"""
