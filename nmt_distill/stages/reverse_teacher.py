"""The model that translates a run's labels back, by which the worst of them are left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median

from nmt_distill.distillation.reverse import ReverseScore
from nmt_distill.distillation.source_text import SourceText, read_sources
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.stages.run import Run
from nmt_distill.teacher.base import Teacher, WhiteBoxTeacher, has_room

SAMPLE_SENTENCES = 32
"""sentences on which it is seen whether a model translates back"""


def reverse_score(run: Run, direction: Direction) -> ReverseScore | None:
    """Load the reverse teacher of a direction, for what it finds of sources and labels; None where there is none."""
    teacher = run.reverse_teacher(direction)
    if teacher is None:
        return None
    assert isinstance(teacher, WhiteBoxTeacher)  # the recipe takes no other
    return lambda sources, labels: teacher.score(labels, sources)


def check_reverse_teacher(run: Run, direction: Direction, texts: Sequence[SourceText], teacher: Teacher | None) -> None:
    """Refuse a reverse teacher that does not translate back what is labelled in a direction, on a sample.

    :param texts: what will be labelled
    :param teacher: what will label it; None where the human translations are the labels
    :raises NmtDistillError: if it is a model of other languages
    """
    score = reverse_score(run, direction)
    if score is None:
        return
    fitting = (pair for pair in read_sources(texts) if teacher is None or has_room(teacher, pair[0]))
    sample = list(islice(fitting, SAMPLE_SENTENCES))
    if teacher is None:
        pairs = [(source, reference) for source, reference in sample if reference]
    else:
        found = teacher.translate([source for source, _ in sample])
        pairs = [(source, said[0].text) for (source, _), said in zip(sample, found, strict=True) if said]
    sides = [source for source, _ in pairs], [label for _, label in pairs]
    check_direction(score, *sides, direction, where=run.reverse_place(direction))


def check_direction(
    score: ReverseScore, sources: Sequence[str], labels: Sequence[str], direction: Direction, *, where: str
) -> None:
    """Refuse a model that does not translate labels back to their sources.

    For one that does, a source is more probable given its label than its label is given the source, and more probable
    than another source.

    :param direction: of the labels
    :param where: what the recipe calls the model
    :raises NmtDistillError: if it is another model
    """
    if not sources:
        return
    back = median(score(sources, labels))
    others = [*sources[1:], sources[0]]
    wrong = f"{direction.source} to {direction.target}" if median(score(labels, sources)) > back else None
    if wrong is None and len(set(sources)) > 1 and median(score(others, labels)) > back:
        wrong = "between other languages"
    if wrong is not None:
        raise NmtDistillError(
            f"{where} must translate {direction.target} to {direction.source}, but seems to translate "
            f"{wrong}: over {len(sources)} sentences it finds that more probable than the sources; name a model of the "
            "opposite direction, and its own vocabulary."
        )
