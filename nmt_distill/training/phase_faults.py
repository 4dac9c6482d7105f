"""What a phase of training needs to have of labels, student and teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from nmt_distill.configuration.constraints import Faults
from nmt_distill.distillation.config import ESTIMATED_FROM_DRAWS, DistillationConfig
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.config import StudentConfig
from nmt_distill.teacher.config import TeacherConfig
from nmt_distill.training.config import PhaseConfig


class Surroundings(Protocol):
    """The parts of a recipe that a phase depends on; each is looked at where it matters, for it may have faults."""

    @property
    def distillation(self) -> DistillationConfig:
        """What the teacher hands down."""
        ...

    @property
    def student(self) -> StudentConfig:
        """The small model."""
        ...

    @property
    def teacher_configs(self) -> list[tuple[str, TeacherConfig | None]]:
        """Where the teacher of each direction is set, and the teacher, None where one is missing."""
        ...


def phase_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    """Yield what a phase needs and does not get.

    :param where: path of the phase in the recipe
    """
    yield _soft_target_faults(where, phase, recipe)
    yield _state_faults(where, phase, recipe)
    yield _online_faults(where, phase, recipe)
    yield _layer_faults(where, phase, recipe)


def needed_zeros(phase: PhaseConfig) -> Iterator[str]:
    """Yield what must be set in a phase where student and teacher share no ids, such as ``kd_weight=0``."""
    for key in ("kd_weight", "kd_weight_end", "state_weight", "on_policy_share"):
        if getattr(phase, key) and (phase.compares or not key.startswith("kd_weight")):
            yield f"{key}=0"
    if phase.hidden:
        yield "hidden=[]"


def require_state_width(phases: Sequence[PhaseConfig], *, model_dim: int, state_dim: int) -> None:
    """Refuse decoder states that are not as wide as the student's, which the teacher's files alone tell.

    :param model_dim: width of the student
    :param state_dim: width of the states that the teacher hands down
    :raises NmtDistillError: if a phase would compare them
    """
    wanting = [f"training.phases[{index}].state_weight" for index, phase in enumerate(phases) if phase.state_weight]
    if wanting and model_dim != state_dim:
        raise NmtDistillError(
            f"{', '.join(wanting)} must be 0 where student.model_dim is {model_dim} and the teacher's decoder states "
            f"are {state_dim} wide; hidden, which projects the student's states, takes layers of other widths."
        )


def _soft_target_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    if not phase.needs_soft_targets:
        return
    key = "kd_weight" if phase.kd_weight else "kd_weight_end"
    if recipe.distillation.targets == "human" or recipe.distillation.num_kept == 0:
        yield (
            f"{where}.{key}",
            "must be 0 where there are no soft targets (distillation.targets=teacher or forced, num_kept > 0)",
        )
    else:
        yield _sequence_level_faults(f"{where}.{key}", recipe)
        yield _divergence_faults(f"{where}.divergence", phase, recipe)


def _divergence_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    if recipe.distillation.kept == "drawn" and phase.divergence not in ESTIMATED_FROM_DRAWS:
        yield (
            where,
            f"must be {' or '.join(ESTIMATED_FROM_DRAWS)} where distillation.kept is drawn, but is "
            f"{phase.divergence} instead: tokens drawn by the teacher tell nothing of those that the student "
            "alone finds probable",
        )


def _state_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    if not phase.state_weight:
        return
    if recipe.distillation.targets == "human" or not recipe.distillation.keep_states:
        yield (
            f"{where}.state_weight",
            "must be 0 where no states are kept (distillation.targets=teacher or forced, keep_states)",
        )
    else:
        yield _sequence_level_faults(f"{where}.state_weight", recipe)


def _sequence_level_faults(where: str, recipe: Surroundings) -> Faults:
    place, teacher = recipe.teacher_configs[0]
    if teacher is not None and not teacher.shows_probabilities:
        yield (
            where,
            f"must be 0 where {place}.kind is {teacher.kind}: it shows translations alone, no probabilities",
        )


def _online_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    if not phase.runs_teacher:
        return
    others = [
        f"{place} is not given" if teacher is None else f"{place}.kind is {teacher.kind}"
        for place, teacher in recipe.teacher_configs
        if teacher is None or not teacher.runs_online
    ]
    wanted = {"hidden": ("empty", bool(phase.hidden)), "on_policy_share": ("0", phase.on_policy_share > 0)}
    for key, (nothing, is_wanted) in wanted.items():
        if others and is_wanted:
            yield (
                f"{where}.{key}",
                f"must be {nothing} where {others[0]}: it wants a teacher that can be run in the training step, of "
                "kind marian or transformers",
            )


def _layer_faults(where: str, phase: PhaseConfig, recipe: Surroundings) -> Faults:
    for index, pair in enumerate(phase.hidden):
        student = recipe.student
        most = student.num_encoder_layers if pair.side == "encoder" else student.num_decoder_layers
        if pair.student_layer > most:
            yield (
                f"{where}.hidden[{index}].student_layer",
                f"must be at most {most}, the student's {pair.side} layers, but is {pair.student_layer} instead",
            )
