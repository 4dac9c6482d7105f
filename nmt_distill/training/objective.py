"""What one batch costs a student: the objective of a phase, as a module that can be wrapped for several devices."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from nmt_distill.distillation.divergences import Divergence
from nmt_distill.distillation.losses import state_loss, vocabulary_loss
from nmt_distill.distillation.sampled_loss import sampled_vocabulary_loss
from nmt_distill.student.graph import StudentModel, output_bias
from nmt_distill.training.batches import Batch
from nmt_distill.training.config import PhaseConfig

LOGGED = ("nll", "divergence", "kl", "states", "anchor", "agreed", "teacher_entropy", "student_entropy", "kept")
"""the sums over target tokens that are logged, in this order"""
SHOWN = ("nll", "divergence", "states", "agreed")
"""those that are shown while training"""


class Objective(nn.Module):
    """The student and the loss of the phase that is under way."""

    def __init__(self, student: StudentModel, *, temperature: float, has_anchor: bool = False) -> None:
        """Take a student over.

        :param has_anchor: keep a copy of its embeddings as they are now, which ``embedding_anchor`` holds them near
        """
        super().__init__()
        self.student = student
        self.temperature = temperature
        embeddings = student.get_input_embeddings().weight
        self.register_buffer("anchor", embeddings.detach().clone() if has_anchor else None, persistent=False)

    def forward(self, batch: Batch, phase: PhaseConfig) -> tuple[Tensor, Tensor]:
        """Return the loss summed over target tokens, and the detached sums named in :data:`LOGGED`.

        Padding stands right of the targets, where the causal mask keeps it out of sight, so the decoder needs no mask.
        """
        decoded = self.student.model(
            input_ids=batch.source_ids,
            attention_mask=batch.source_mask,
            decoder_input_ids=batch.target_input,
            use_cache=False,
        )
        states = decoded.last_hidden_state[batch.target_mask]
        total = states.new_zeros((), dtype=torch.float32)
        sums = dict.fromkeys(LOGGED, total)
        if phase.vocabulary_weight:
            weight, bias = self.student.get_input_embeddings().weight, output_bias(self.student)
            project = vocabulary_loss
            if phase.num_sampled:
                project = partial(sampled_vocabulary_loss, num_sampled=phase.num_sampled)
            loss = project(
                states,
                weight,
                bias,
                batch.target,
                batch.soft_targets,
                kd_weight=phase.kd_weight,
                kd_share=phase.kd_share,
                divergence=Divergence(phase.divergence, beta=phase.beta, skew=phase.skew),
                temperature=self.temperature,
                scale_by_temperature=phase.scale_by_temperature,
                label_smoothing=phase.label_smoothing,
            )
            total = total + phase.vocabulary_weight * loss.total
            sums |= {name: value for name, value in vars(loss).items() if name in LOGGED} | {"agreed": loss.num_agreed}
        if phase.state_weight:
            if batch.states is None:
                raise ValueError("state_weight is positive, but the store has no decoder states.")
            distance = state_loss(states.float(), batch.states.float())
            total = total + phase.state_weight * distance
            sums["states"] = distance.detach()
        if phase.embedding_anchor:
            # Sums over target tokens are divided by their number, so this one counts once for each of them. (L2-SP: Li
            # et al. 2018, arXiv 1802.01483)
            distance = 0.5 * (self.student.get_input_embeddings().weight - self.anchor).square().sum() * len(states)
            total = total + phase.embedding_anchor * distance
            sums["anchor"] = distance.detach()
        return total, torch.stack([sums[name].float() for name in LOGGED])
