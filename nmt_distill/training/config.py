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
    """layer of the student; if its width differs, a trained matrix projects it to the teacher's width"""
    distance: HiddenDistance = "mse"
    """``mse``: half the mean squared difference; ``cosine``: 1 minus the cosine"""
    weight: Positive = 1.0
    """weight of the distance, summed over tokens, in the loss"""

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
    """learning rate at the end of the warm-up; it then falls linearly to 0 at the end of the phase"""
    warmup_steps: NaturalInt = 100
    """updates over which the learning rate rises from 0"""
    batch_tokens: PositiveInt = 3000
    """most target positions of one batch, padding included, and most source positions"""
    num_accumulated: PositiveInt = 1
    """batches of each process whose gradients are added up for one update"""
    trainable: Literal["all", "layers", "decoder", "decoder_and_embeddings"] = "all"
    """``layers`` freezes the embeddings, ``decoder_and_embeddings`` the encoder, ``decoder`` both"""
    kd_weight: Share = 0.5
    """weight α of the divergence from the teacher, 1 - α is that of the likelihood; 0 is plain training on the
    targets"""
    kd_weight_end: Share | None = None
    """value to which ``kd_weight`` moves linearly over the phase, such as 0 for a teacher that only guides the
    beginning; null keeps it constant"""
    kd_share: Annotated[float, Bounds(above=0, most=1)] = 1.0
    """share of a batch's target tokens on which the divergence is trained: those least probable for the student; below
    1 the projection to the vocabulary is computed twice"""
    divergence: DivergenceName = "kl"
    """``kl``: KL(teacher || student); ``reverse_kl``: KL(student || teacher); ``js``: Jensen-Shannon; ``tvd``: total
    variation; ``skew_kl``: KL from the teacher to a mixture of both"""
    beta: Annotated[float, Bounds(above=0, below=1)] = 0.5
    """for ``js``: the teacher's share of the mixture with which both are compared; 0.5 is the Jensen-Shannon
    divergence"""
    skew: Annotated[float, Bounds(above=0, below=1)] = 0.1
    """for ``skew_kl``: the teacher's share of the mixture"""
    scale_by_temperature: bool = True
    """multiply the divergence by T^2, so that its gradient has the same size at every temperature"""
    vocabulary_weight: NonNegative = 1.0
    """weight of likelihood and divergence together; 0 saves the projection to the vocabulary"""
    num_sampled: NaturalInt = 0
    """tokens drawn per batch to estimate the normaliser of likelihood and divergence; 0 computes it exactly, over all
    tokens"""
    state_weight: NonNegative = 0.0
    """weight of the term on the last decoder states, which needs stored states of the student's width
    (``distillation.keep_states``)"""
    hidden: tuple[HiddenConfig, ...] = ()
    """layers that imitate layers of the teacher, which then runs in every step (kinds `marian` and `transformers`)"""
    on_policy_share: Share = 0.0
    """share of the batches whose targets the student samples itself; the teacher runs in the step, and the divergence
    is taken over the whole vocabulary (on-policy distillation, Agarwal et al. 2024)"""
    sampling_temperature: Positive = 1.0
    """temperature of that sampling"""
    embedding_anchor: NonNegative = 0.0
    """weight of the squared distance of the embeddings from those with which training began; 0 leaves them free"""
    embedding_weight: NonNegative = 0.0
    """weight of the loss of sentence vectors (section `embedding`); the squared difference of vectors of length 1 is at
    most 4 / width, so beside a translation loss the weight is in the hundreds"""
    label_smoothing: Share = 0.0
    """probability spread evenly over the vocabulary, in the likelihood part only"""

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

    @property
    def can_divide_batches(self) -> bool:
        """Whether no record of a batch is compared with the others, so that parts of it add up to the same loss."""
        return self.kd_share == 1 and not self.embedding_weight

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
            elif pair.student_layer == 0 and self.trainable in ("layers", "decoder"):
                yield (
                    f"hidden[{index}].student_layer",
                    f"must be 1 or more where trainable is {self.trainable}, which freezes the embeddings",
                )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The phases of a training and what holds for all of them."""

    phases: Annotated[tuple[PhaseConfig, ...], NotEmpty()]
    """the phases, in order"""
    seed: Seed = 1
    """seed of random weights, the order of the data and dropout"""
    balance_exponent: Share = 1.0
    """a direction's share of an epoch is proportional to its number of records to this power (the 1 / T of sampling
    with temperature T): 1 is the natural share, 0 is equal shares"""
    adam_betas: tuple[Decay, Decay] = (0.9, 0.98)
    """Adam's decay rates of the averages of gradients and squared gradients"""
    weight_decay: NonNegative = 0.0
    """AdamW's, per unit of learning rate"""
    gradient_clip: Positive = 1.0
    """largest norm of the gradient"""
    average_decay: Decay = 0.998
    """decay of the exponential average of the weights, which is validated and kept; 0 keeps the last weights"""
    validate_every: PositiveInt = 500
    """updates between two validations: chrF of the exported student on development text; each phase also ends with
    one"""
    patience: NaturalInt = 0
    """validations without a new best score after which the whole training stops, phases that are still to come too; 0
    never stops early"""
    max_dev_sentences: PositiveInt = 500
    """development sentences that a validation translates"""
    checkpoint_every: PositiveInt = 200
    """updates between two checkpoints; a killed run goes on from the last one"""
    batch_parts: PositiveInt = 1
    """parts in which each batch is computed, one after the other: with more of them an update needs less memory and
    learns the same, up to rounding, dropout, the targets that a student samples and the tokens that ``num_sampled``
    draws, so this may be changed while a training is under way"""
    device: Device = "auto"
    """device of labelling and training: ``auto`` takes a GPU if there is one, ``cpu`` or ``cuda`` demand it"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """precision of matrix products; bfloat16 needs hardware that has it, such as a GPU or a processor with AMX, and is
    faster for widths of 256 and more; losses are always in float32"""
    compile: bool = False
    """compile the model by torch.compile; meant for GPUs: it needs a C++ compiler and some minutes before the first
    updates, and on a CPU it was slower where it was measured"""
    tensorboard: bool = False
    """also write ``metrics.jsonl`` to the run's folder ``tensorboard``; needs the extra ``tensorboard``"""

    @property
    def can_divide_batches(self) -> bool:
        """Whether the batches of all phases can be computed in parts."""
        return all(phase.can_divide_batches for phase in self.phases)

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.batch_parts > 1 and not self.can_divide_batches:
            yield (
                "batch_parts",
                "must be 1 where kd_share is below 1 or embedding_weight above 0, which compare the records of a batch "
                "with one another; set batch_tokens lower instead",
            )
