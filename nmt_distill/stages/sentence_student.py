"""What a run's section `embedding` adds to its student: vectors to learn, a term, a score, and files in its folder."""

from __future__ import annotations

from pathlib import Path

from nmt_distill.distillation.records import Records
from nmt_distill.embedding.projection import add_projection, detached_projection
from nmt_distill.embedding.records import RecordsWithVectors
from nmt_distill.embedding.student_vectors import DESCRIPTION_NAME, SentenceVectors, read_description, write_description
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.embedding.validation import RetrievalValidation
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.stages.run import Run
from nmt_distill.stages.vectors import embedding_origin, open_vectors, settings
from nmt_distill.student.checkpoint import save_student
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.trainer import Validate


def with_projection(run: Run, student: StudentModel) -> StudentModel:
    """Give the student of a run its projection, where the recipe or the teacher's width wants one."""
    if run.recipe.embedding is None:
        return student
    dim = open_vectors(run, run.directions[0]).header.dim
    if run.recipe.embedding.projection == "always" or dim != student.config.d_model:
        start, weights = run.recipe.student.initialize_from, None
        if start is not None and (Path(start) / DESCRIPTION_NAME).is_file():
            _, weights = read_description(Path(start))
            weights = None if weights is None or weights.shape != (student.config.d_model + 1, dim) else weights
        add_projection(student, dim, seed=run.recipe.training.seed, weights=weights)
    return student


def with_vectors(run: Run, records: Records) -> Records:
    """Put the vectors of all directions beside the records."""
    if run.recipe.embedding is None:
        return records
    return RecordsWithVectors(records, [open_vectors(run, direction) for direction in run.directions])


def sentence_term(run: Run) -> SentenceTerm | None:
    """Make the term of the objective, if the recipe wants one."""
    config = run.recipe.embedding
    return None if config is None else SentenceTerm(config, has_tags=None not in run.tags.values())


def with_retrieval(run: Run, translation: Validate) -> Validate:
    """Mix retrieval accuracy into the score that chooses the best weights."""
    config = run.recipe.embedding
    if config is None:
        return translation
    limit = run.recipe.training.max_dev_sentences

    def write(student: StudentModel, projection: Vectors | None, folder: Path) -> None:
        save_student(student, run.sentencepiece_path, folder / "student")
        write_description(folder / "student", _description(run, projection is not None), projection)
        precision = run.recipe.export.ordered_precisions[-1]
        write_encoder(folder / "student", folder, precision=precision, name=run.recipe.name)

    return RetrievalValidation(
        {direction: run.held_out(direction, "dev", limit) for direction in run.directions},
        write_encoder=write,
        translation=translation,
        share=config.validation_share,
    )


def save_with_vectors(run: Run, student: StudentModel, folder: Path) -> None:
    """Write the folder of a trained student, its projection beside it."""
    with detached_projection(student) as projection:
        save_student(student, run.sentencepiece_path, folder)
    if run.recipe.embedding is not None:
        write_description(folder, _description(run, projection is not None), projection)


def _description(run: Run, has_projection: bool) -> SentenceVectors:
    header = open_vectors(run, run.directions[0]).header
    languages = {language for direction in run.directions for language in (direction.source, direction.target)}
    if not settings(run).on_translations:
        languages = {direction.source for direction in run.directions}
    return SentenceVectors(
        dim=header.dim,
        is_normalized=header.is_normalized,
        languages=tuple(sorted(languages)),
        teacher=embedding_origin(run)[0],
        has_projection=has_projection,
    )
