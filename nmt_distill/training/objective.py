"""What one batch costs a student: the objective of a phase, as a module that can be wrapped for several devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nmt_distill.distillation.divergences import Divergence
from nmt_distill.distillation.hidden_states import hidden_loss
from nmt_distill.distillation.losses import VocabularyLoss, state_loss, vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss
from nmt_distill.embedding.term import SentenceTerm, encode
from nmt_distill.student.graph import StudentModel, output_bias
from nmt_distill.training.batches import Batch
from nmt_distill.training.config import HiddenConfig, PhaseConfig
from nmt_distill.training.supervision import Reading, Supervision

LOGGED = (
    "nll",
    "divergence",
    "kl",
    "states",
    "hidden",
    "embedding",
    "anchor",
    "agreed",
    "teacher_entropy",
    "student_entropy",
    "kept",
    "sampled",
)
"""the sums over target tokens that are logged, in this order"""
SHOWN = ("nll", "divergence", "states", "hidden", "embedding", "agreed")
"""those that are shown while training"""
ONLINE_ROWS = 128
"""target tokens that are compared at once over the whole vocabulary, of which some copies then exist"""


class Objective(nn.Module):
    """The student and the loss of the phase that is under way."""

    def __init__(
        self,
        student: StudentModel,
        *,
        temperature: float,
        has_anchor: bool = False,
        supervision: Supervision | None = None,
        phases: Iterable[PhaseConfig] = (),
        seed: int = 1,
        sentence_term: SentenceTerm | None = None,
    ) -> None:
        """Take a student over.

        :param has_anchor: keep a copy of its embeddings as they are now, which ``embedding_anchor`` holds them near
        :param supervision: the teacher in the training step, where a phase wants it
        :param phases: whose layers imitate layers of that teacher; where widths differ the student's states are
            projected by a matrix that is trained along and is no part of the student
        :param seed: of these matrices, which begin with orthogonal columns or rows
        :param sentence_term: compares sentence vectors, where a phase wants it
        :raises NmtDistillError: if the teacher has no such layer
        """
        super().__init__()
        self.student = student
        self.temperature = temperature
        self._supervision = (supervision,)  # in a tuple, so that a teacher is never a part of this module
        self.sentence_term = sentence_term
        embeddings = student.get_input_embeddings().weight
        self.register_buffer("anchor", embeddings.detach().clone() if has_anchor else None, persistent=False)
        self.projections = nn.ModuleDict()
        generator = torch.Generator().manual_seed(seed)
        for place, phase in enumerate(phases):
            for index, pair in enumerate(phase.hidden):
                width = _required(supervision).width(pair, f"training.phases[{place}].hidden[{index}]")
                if width != student.config.d_model and pair.name not in self.projections:
                    projection = nn.Linear(student.config.d_model, width, bias=False)
                    nn.init.orthogonal_(projection.weight, generator=generator)
                    self.projections[pair.name] = projection.to(embeddings.device)

    def projection_parameters(self, phase: PhaseConfig) -> Iterator[nn.Parameter]:
        """Yield what a phase trains beside the student, and freeze the rest."""
        names = dict.fromkeys(pair.name for pair in phase.hidden if pair.name in self.projections)
        self.projections.requires_grad_(False)
        for name in names:
            yield from self.projections[name].requires_grad_(True).parameters()

    def forward(self, batch: Batch, phase: PhaseConfig) -> tuple[Tensor, Tensor]:
        """Return the loss summed over target tokens, and the detached sums named in :data:`LOGGED`.

        Padding stands right of the targets, where the causal mask keeps it out of sight, so the decoder needs no mask.
        """
        if phase.is_embedding_alone:
            decoded = None
            source_states = encode(self.student, batch.source_ids, batch.source_mask)
            states = source_states.new_zeros(len(batch.target), 0)
        else:
            decoded = self.student.model(
                input_ids=batch.source_ids,
                attention_mask=batch.source_mask,
                decoder_input_ids=batch.target_input,
                use_cache=False,
                output_hidden_states=bool(phase.hidden),
            )
            source_states, states = decoded.encoder_last_hidden_state, decoded.last_hidden_state[batch.target_mask]
        total = states.new_zeros((), dtype=torch.float32)
        sums = dict.fromkeys(LOGGED, total)
        reading = None
        if phase.hidden or batch.is_sampled:
            reading = _required(self._supervision[0]).read(batch, temperature=self.temperature)
        if phase.vocabulary_weight:
            loss = self._vocabulary_loss(states, batch, phase, reading)
            total = total + phase.vocabulary_weight * loss.total
            sums |= {name: value for name, value in vars(loss).items() if name in LOGGED} | {"agreed": loss.num_agreed}
        if phase.state_weight and not batch.is_sampled:
            if batch.states is None:
                raise ValueError("state_weight is positive, but the store has no decoder states.")
            distance = state_loss(states.float(), batch.states.float())
            total = total + phase.state_weight * distance
            sums["states"] = distance.detach()
        for pair in phase.hidden:
            distance = self._hidden_loss(decoded, batch, pair, reading)
            total = total + pair.weight * distance
            sums["hidden"] = sums["hidden"] + distance.detach()
        if phase.embedding_weight:
            distance = self._sentence_loss(batch, source_states)
            total = total + phase.embedding_weight * distance
            sums["embedding"] = distance.detach()
        if phase.embedding_anchor:
            # Sums over target tokens are divided by their number, so this one counts once for each of them. (L2-SP: Li
            # et al. 2018, arXiv 1802.01483)
            distance = 0.5 * (self.student.get_input_embeddings().weight - self.anchor).square().sum() * len(states)
            total = total + phase.embedding_anchor * distance
            sums["anchor"] = distance.detach()
        if batch.is_sampled:
            sums |= {"nll": torch.zeros_like(total), "sampled": torch.full_like(total, len(states))}
        return total, torch.stack([sums[name].detach().float() for name in LOGGED])

    def _vocabulary_loss(
        self, states: Tensor, batch: Batch, phase: PhaseConfig, reading: Reading | None
    ) -> VocabularyLoss:
        """Compare with targets and soft targets; where the student sampled the targets, with the teacher alone."""
        project: Any = vocabulary_loss
        soft_targets: Any = batch.soft_targets
        if batch.is_sampled and reading is not None:
            soft_targets = reading.targets
            project = partial(vocabulary_loss, has_likelihood=False, chunk_rows=ONLINE_ROWS)
        elif phase.num_sampled:
            project = partial(sampled_vocabulary_loss, num_sampled=phase.num_sampled)
        loss: VocabularyLoss = project(
            states,
            self.student.get_input_embeddings().weight,
            output_bias(self.student),
            batch.target,
            soft_targets,
            kd_weight=phase.kd_weight,
            kd_share=phase.kd_share,
            divergence=Divergence(phase.divergence, beta=phase.beta, skew=phase.skew),
            temperature=self.temperature,
            scale_by_temperature=phase.scale_by_temperature,
            label_smoothing=phase.label_smoothing,
        )
        return loss

    def _hidden_loss(self, decoded: Any, batch: Batch, pair: HiddenConfig, reading: Reading | None) -> Tensor:
        assert reading is not None
        mask = reading.source_mask if pair.side == "encoder" else batch.target_mask
        layers = decoded.encoder_hidden_states if pair.side == "encoder" else decoded.decoder_hidden_states
        states = layers[pair.student_layer][mask]
        if pair.name in self.projections:
            states = self.projections[pair.name](states)
        return hidden_loss(states, reading.hidden(pair), pair.distance)

    def _sentence_loss(self, batch: Batch, source_states: Tensor) -> Tensor:
        if batch.vectors is None or self.sentence_term is None:
            raise ValueError("embedding_weight is positive, but the records have no sentence vectors.")
        return self.sentence_term.loss(
            self.student,
            source_ids=batch.source_ids,
            source_mask=batch.source_mask,
            source_states=source_states,
            target=None if batch.is_sampled else batch.target,
            target_mask=batch.target_mask,
            teacher=batch.vectors,
        )


def _required(supervision: Supervision | None) -> Supervision:
    if supervision is None:
        raise ValueError("hidden or on_policy_share wants the teacher in the training step, but none was given.")
    return supervision
