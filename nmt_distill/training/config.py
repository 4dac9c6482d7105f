"""How a student is trained: budgets in steps, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from nmt_distill.distillation.config import DivergenceName, HiddenDistance


@dataclass(frozen=True, kw_only=True)
class HiddenConfig:
    """A layer of the student that imitates a layer of the teacher, which is run in the training step.

    Layer 0 is what the first layer reads; the last is the output of encoder or decoder, after any norm at its end.
    """

    side: Literal["encoder", "decoder"] = "encoder"
    """``encoder``: on every source token; ``decoder``: on every target token"""
    teacher_layer: NaturalInt
    """layer of the teacher"""
    student_layer: NaturalInt
    """layer of the student; where its width is another, a matrix that is trained along projects it to the teacher's"""
    distance: HiddenDistance = "mse"
    """``mse``: half the mean squared difference; ``cosine``: 1 less the cosine"""
    weight: Positive = 1.0
    """of the distance, summed over tokens, in the loss"""

    @property
    def name(self) -> str:
        """Names the pair of layers, which share a projection in all phases."""
        return f"{self.side}_{self.student_layer}_{self.teacher_layer}"


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of training with one loss, one set of parameters that move and one learning-rate curve.

    The loss per target token is
    ``vocabulary_weight * ((1 - kd_weight) * NLL + kd_weight * D * T^2) + state_weight * E + embedding_anchor * A``,
    where D is the divergence from the teacher, E half the mean squared difference of the last decoder states, and A
    half the squared distance of the table of embeddings from what it was when training began; the distances of
    ``hidden`` and ``embedding_weight`` times the term of the section `embedding`, a mean over sentences, come on top. A
    batch that the student has sampled the targets of has D, ``hidden`` and the vectors of its sources alone.
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
    kd_weight_end: Share | None = None
    """what ``kd_weight`` moves to in a straight line over the phase, such as 0 for a teacher that only guides the
    beginning; null keeps it as it is"""
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
    hidden: tuple[HiddenConfig, ...] = ()
    """layers that imitate layers of the teacher, which is run in every step for it (kinds `marian` and
    `transformers`)"""
    on_policy_share: Share = 0.0
    """share of the batches whose targets the student samples itself, for the teacher, which is run in the step, to
    compare with over the whole vocabulary (on-policy distillation, Agarwal et al. 2024); 0 runs no teacher for it"""
    sampling_temperature: Positive = 1.0
    """of that sampling: divides the student's logits"""
    embedding_anchor: NonNegative = 0.0
    """weight of the pull that holds the embeddings near those with which training began; 0 lets them go"""
    embedding_weight: NonNegative = 0.0
    """weight of the sentence vectors of the section `embedding`; the squared difference of vectors of length 1 is a
    mean over their width and so at most 4 / width, so beside a translation loss the weight is in the hundreds"""
    label_smoothing: Share = 0.0
    """mass spread evenly over the vocabulary, on the likelihood part only"""

    @property
    def compares(self) -> bool:
        """Whether the divergence from the teacher is ever trained."""
        return self.vocabulary_weight > 0 and max(self.kd_weight, self.kd_weight_end or 0) > 0

    @property
    def needs_soft_targets(self) -> bool:
        """Whether it is trained on what a store has of the teacher."""
        return self.compares and self.on_policy_share < 1

    @property
    def runs_teacher(self) -> bool:
        """Whether the teacher is run in the training step."""
        return bool(self.hidden) or self.on_policy_share > 0

    @property
    def is_embedding_alone(self) -> bool:
        """Whether sentence vectors are all that is trained, so that no decoder is run."""
        return self.embedding_weight > 0 and not (self.vocabulary_weight or self.state_weight or self.hidden)

    @property
    def leaves_layers_out(self) -> bool:
        """Whether some layers may have no part in the loss: hidden states do not need what stands above them."""
        return bool(self.hidden) and not (self.vocabulary_weight or self.state_weight)

    def at(self, step: int) -> PhaseConfig:
        """Return the phase with the ``kd_weight`` of a step: the first has that of the recipe, the last its end.

        :param step: updates done already in this phase
        """
        if self.kd_weight_end is None:
            return self
        way = step / max(self.num_steps - 1, 1)
        return replace(self, kd_weight=(1 - way) * self.kd_weight + way * self.kd_weight_end)

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if not (self.vocabulary_weight or self.state_weight or self.hidden or self.embedding_weight):
            yield "vocabulary_weight", "must be above 0 where state_weight is 0, else there is no loss"
        if self.embedding_weight and self.trainable == "decoder":
            yield "embedding_weight", "must be 0 where trainable is decoder, which freezes the encoder"
        yield self._online_faults()
        if self.embedding_anchor and self.trainable in ("layers", "decoder"):
            yield "embedding_anchor", f"must be 0 where trainable is {self.trainable}, which freezes the embeddings"

    def _online_faults(self) -> Faults:
        if self.on_policy_share and not self.compares:
            yield (
                "on_policy_share",
                "must be 0 where kd_weight or vocabulary_weight is 0: on targets that the student samples there is "
                "nothing but the divergence to learn from",
            )
        for index, pair in enumerate(self.hidden):
            if pair.side == "encoder" and self.trainable == "decoder":
                yield f"hidden[{index}].side", "must be decoder where trainable is decoder, which freezes the encoder"


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
    """of matrix products; bfloat16 needs hardware that has it, such as a GPU or a processor with AMX, and pays for
    students of 256 units and more; losses are in float32 all the same"""
    compile: bool = False
    """let torch.compile make the model's code; meant for GPUs: it needs a C++ compiler and minutes before the first
    updates, and on a CPU made training slower where it was measured"""
    tensorboard: bool = False
    """write what ``metrics.jsonl`` says to the run's folder ``tensorboard`` too; needs the extra ``tensorboard``"""
