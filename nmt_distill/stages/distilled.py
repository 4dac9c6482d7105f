"""The distilled stage: from a run's text and teacher to labels and, where the teacher shows them, soft targets."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any

from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilters
from nmt_distill.distillation.labelling import Labelling, tell
from nmt_distill.distillation.labels import Rank
from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.selection import Similarity, rank_hypotheses
from nmt_distill.distillation.source_text import Share, SourceText, read_sources
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import sentence_bleu, sentence_chrf, sentence_ter
from nmt_distill.evaluation.pairwise import expected_chrf
from nmt_distill.files import read_lines, write_lines
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.recipe import Recipe
from nmt_distill.stages.reverse_teacher import check_reverse_teacher, reverse_score
from nmt_distill.stages.run import Run
from nmt_distill.teacher.base import OnlineTeacher, Teacher, WhiteBoxTeacher, has_room
from nmt_distill.teacher.config import TransformersTeacherConfig
from nmt_distill.teacher.place import settings_at
from nmt_distill.training.phase_faults import needed_zeros, require_state_width
from nmt_distill.vocabulary.shared import SharedVocabulary
from nmt_distill.vocabulary.trimming import forced_pieces

SAMPLE_SENTENCES = 32
"""sentences on which a converted copy of a teacher is compared with the teacher"""
MIN_AGREEMENT = 0.9
"""smallest share of them that must be the same; near ties and lower precision turn a few"""


def label_corpus(run: Run) -> dict[str, Any]:
    """Label the training text of a run, and its monolingual text where a teacher does it, one direction after another.

    :returns: the counts of each direction
    """
    summaries = {}
    for direction in run.directions:
        with settings_at(run.recipe.teacher_places[direction]):
            summaries[str(direction)] = _label_direction(run, direction)
    run.release_teachers()
    return summaries


def _label_direction(run: Run, direction: Direction) -> dict[str, Any]:
    say_which(run, direction)
    prepare_labelling(run, direction)
    write_references(run, direction)
    labelling = make_labelling(run, direction)
    summary = labelling.run(source_texts(run, direction), run.labels(direction), direction=direction)
    tell(summary, run.recipe.distillation)
    return summary


def prepare_labelling(run: Run, direction: Direction) -> None:
    """Check the teacher, and keep the vocabulary that a student can share with it."""
    _check_teacher(run, direction)
    if vocabulary := _vocabulary(run, direction):
        if run.recipe.vocabulary.size is not None and direction == run.directions[0]:
            forced_pieces(vocabulary.model, run.recipe.vocabulary.size - len({*run.tags.values()} - {None}))
        vocabulary.save(run.labels(direction))


def write_references(run: Run, direction: Direction) -> None:
    """Let the teacher translate the held-out sentences of a direction, where the recipe wants references of it.

    They are labelled like training text; sentences that get no label are left out. The folder of the labels gets
    ``dev.<language>`` and ``test.<language>`` for both languages, the target last, so that it shows what is done.

    :raises NmtDistillError: if no sentence of a part has a label
    """
    split, folder = run.recipe.corpus.split, run.labels(direction)
    wanted = [part for part in ("dev", "test") if not (folder / f"{part}.{direction.target}").exists()]
    if split.references == "human" or not wanted:
        return
    labelling = make_labelling(run, direction)
    labels = {}
    for part in wanted:
        sources = list(read_lines(run.text(direction, part, direction.source)))
        labels[part] = labelling.first_labels(sources)
        if sources and not labels[part]:
            raise NmtDistillError(
                f"no sentence of {run.text(direction, part, direction.source)} gets a label of the teacher; a file of "
                "translations must hold these sentences too, else loosen distillation.filters or raise "
                "distillation.max_source_tokens."
            )
        say(f"{part} text: the teacher translated {len(labels[part]):,} of {len(sources):,} held-out sentences")
    labelling.close_teacher(folder, [])  # may find that answers were out of step
    run.release_teachers()
    for part, pairs in labels.items():
        for side, language in enumerate((direction.source, direction.target)):
            write_lines(folder / f"{part}.{language}", [pair[side] for pair in pairs])


def label_share(run: Run, share: Share) -> None:
    """Label what falls to one of several processes; :func:`label_corpus` afterwards finds it done."""
    for direction in run.directions:
        say_which(run, direction)
        with settings_at(run.recipe.teacher_places[direction]):
            _check_teacher(run, direction)
            make_labelling(run, direction).label(source_texts(run, direction), run.labels(direction), share=share)


def say_which(run: Run, direction: Direction) -> None:
    """Tell which of several directions comes now."""
    if len(run.directions) > 1:
        say(f"-- {direction.source} to {direction.target}")


def _check_teacher(run: Run, direction: Direction) -> None:
    """Refuse now what would only show after hours of labelling."""
    if run.recipe.student.initialization != "random" and direction == run.directions[0]:
        from nmt_distill.stages.student_start import inheritance_of

        inheritance_of(run)
    _check_phases(run, direction)
    if run.recipe.distillation.targets == "teacher":
        _check_converted_copy(run, direction)
    check_reverse_teacher(run, direction, source_texts(run, direction), _translating_teacher(run, direction))


def _check_phases(run: Run, direction: Direction) -> None:
    """Refuse phases that want of the teacher what only its files tell that it has not."""
    phases = run.recipe.training.phases
    teacher = run.teacher(direction) if direction in run.recipe.teachers else None
    if isinstance(teacher, WhiteBoxTeacher) and direction == run.directions[0]:
        require_state_width(phases, model_dim=run.recipe.student.model_dim, state_dim=teacher.state_dim)
    if isinstance(teacher, OnlineTeacher) and any(phase.runs_teacher for phase in phases):
        from nmt_distill.training.supervision import require_layers, require_one_vocabulary

        require_layers(teacher, phases)
        if direction == run.directions[0]:
            require_one_vocabulary({each: _vocabulary(run, each) for each in run.directions})


def _translating_teacher(run: Run, direction: Direction) -> Teacher | None:
    return run.teacher(direction) if run.recipe.distillation.targets == "teacher" else None


def _asked_teacher(run: Run, direction: Direction) -> Teacher | None:
    """Return what translates, or tells its distributions over human translations."""
    return run.teacher(direction) if run.recipe.distillation.targets != "human" else None


def source_texts(run: Run, direction: Direction) -> list[SourceText]:
    """Name the text of a direction that is labelled."""
    source, target = direction.source, direction.target
    texts = [SourceText(run.text(direction, "train", source), run.text(direction, "train", target))]
    if run.recipe.distillation.targets == "teacher":
        texts.append(SourceText(run.text(direction, "mono", source), None))
    return texts


def make_labelling(run: Run, direction: Direction) -> Labelling:
    """Load the teacher and all else that labels the text of a direction."""
    config, target = run.recipe.distillation, direction.target
    teacher = _asked_teacher(run, direction)
    vocabulary = _vocabulary(run, direction)
    ter = partial(sentence_ter, target=target)
    return Labelling(
        config,
        teacher=teacher,
        rank=_ranking(config, target),
        filters=LabelFilters(config.filters, target=target, chrf=sentence_chrf, ter=ter),
        reverse=reverse_score(run, direction),
        encode=vocabulary.encode if vocabulary else getattr(teacher, "encode", None),
        header=_header(run, direction, vocabulary, teacher) if vocabulary else None,
    )


def _vocabulary(run: Run, direction: Direction) -> SharedVocabulary | None:
    """Return the vocabulary that a student can share with its teacher, None where the teacher shows none."""
    if direction not in run.recipe.teachers:
        return None
    teacher = run.teacher(direction)
    vocabulary = teacher.vocabulary if isinstance(teacher, WhiteBoxTeacher) else None
    if vocabulary is None and direction == run.directions[0]:
        _refuse_shared_ids(run.recipe)
    return vocabulary


def _check_converted_copy(run: Run, direction: Direction) -> None:
    """Refuse a converted copy that is another model than its original, on a sample of the text to be labelled."""
    if not isinstance(run.recipe.teachers[direction], TransformersTeacherConfig):
        return
    from nmt_distill.teacher.ctranslate2.teacher import agreement
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher

    teacher = run.teacher(direction)
    if not (isinstance(teacher, TransformersTeacher) and teacher.is_converted):
        return
    sources = (source for source, _ in read_sources(source_texts(run, direction)))
    sample = list(islice((source for source in sources if has_room(teacher, source)), SAMPLE_SENTENCES))
    share = agreement(teacher.first, sample)
    if share < MIN_AGREEMENT:
        raise NmtDistillError(
            f"CTranslate2's copy of the teacher says what the teacher would say in only {share:.0%} of {len(sample)} "
            "sentences; set teacher.engine=transformers."
        )


def _refuse_shared_ids(recipe: Recipe) -> None:
    """Refuse what only a shared vocabulary makes possible, which for some kinds of teacher their files alone tell."""
    wanted = [
        f"training.phases[{index}].{key}"
        for index, phase in enumerate(recipe.training.phases)
        for key in needed_zeros(phase)
    ]
    if recipe.vocabulary.size is None:
        wanted.append("vocabulary.size (8000 to 32000 is usual)")
    if wanted:
        raise NmtDistillError(
            "this teacher has no single SentencePiece model for source and target, so a student cannot share its ids "
            f"and learns from its translations alone; set {', '.join(wanted)}."
        )


def _header(run: Run, direction: Direction, vocabulary: SharedVocabulary, teacher: Teacher | None) -> StoreHeader:
    config = run.recipe.distillation
    white_box = teacher if isinstance(teacher, WhiteBoxTeacher) else None
    return StoreHeader(
        teacher=teacher.fingerprint if teacher else "",
        vocabulary=vocabulary.fingerprint,
        direction=str(direction),
        temperature=config.temperature,
        num_kept=config.num_kept if white_box else 0,
        state_dim=white_box.state_dim if white_box and config.keep_states else 0,
        vocab_size=vocabulary.num_ids,
        kept=config.kept,
        probs_precision=config.probs_precision,
    )


def _ranking(config: DistillationConfig, target: str) -> Rank:
    """Return how candidates are ranked: by likeness to the reference, by consensus, or by score."""
    if config.choose_by == "mbr":
        return lambda candidates, _: rank_hypotheses(candidates, None, consensus=expected_chrf)
    likeness: dict[str, Similarity] = {"chrf": sentence_chrf, "bleu": partial(sentence_bleu, target=target)}
    return partial(rank_hypotheses, similarity=likeness.get(config.choose_by))
