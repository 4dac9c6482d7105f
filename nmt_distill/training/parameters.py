"""Which parameters of a student a phase trains."""

from __future__ import annotations

from torch import Tensor

from nmt_distill.embedding.projection import MODULE as PROJECTION
from nmt_distill.student.graph import StudentModel, learned_parameters
from nmt_distill.training.config import PhaseConfig

_FROZEN: dict[str, tuple[str, ...]] = {
    "all": (),
    "layers": ("model.shared.",),
    "decoder_and_embeddings": ("model.encoder.",),
    "decoder": ("model.shared.", "model.encoder."),
}
"""by what a phase trains, how the names of parameters begin that do not move"""


def trainable_parameters(student: StudentModel, phase: PhaseConfig) -> list[Tensor]:
    """Freeze what the phase does not train, and return the parameters that it does."""
    chosen: list[Tensor] = []
    student.requires_grad_(False)
    frozen = _FROZEN[phase.trainable]
    if not phase.embedding_weight:
        frozen += (PROJECTION,)
    if phase.is_embedding_alone:
        frozen += ("model.decoder.",)
    for name, parameter in learned_parameters(student):
        moves = not name.startswith(frozen)
        parameter.requires_grad_(moves)
        if moves:
            chosen.append(parameter)
    return chosen
