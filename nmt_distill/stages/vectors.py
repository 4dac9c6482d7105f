"""The vectors stage: from the sources of a run's labels to the sentence vectors of another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nmt_distill.embedding.config import EmbeddingConfig, TranslationEncoderConfig
from nmt_distill.embedding.teacher.base import EmbeddingTeacher
from nmt_distill.embedding.teacher.loading import load_embedding_teacher
from nmt_distill.embedding.vectors import VectorsHeader, VectorStore, write_vectors
from nmt_distill.files import read_lines, sha256_of
from nmt_distill.languages import Direction
from nmt_distill.progress import job, say
from nmt_distill.stages.run import EMBEDDING_TEACHER, Run
from nmt_distill.teacher.place import settings_at


def embed_corpus(run: Run) -> dict[str, Any]:
    """Embed the source of every label, one direction after another.

    :returns: how many vectors of which size each direction has
    """
    config = settings(run)
    say("embedding teacher: {}; licence: {}".format(*embedding_origin(run)))
    teacher: EmbeddingTeacher | None = None
    found = {}
    for direction in run.directions:
        if teacher is None or isinstance(config.teacher, TranslationEncoderConfig):
            teacher = embedding_teacher(run, direction)
        header = _embed_direction(run, direction, teacher)
        found[str(direction)] = {
            "num_vectors": header.num_vectors,
            "dim": header.dim,
            "is_normalized": header.is_normalized,
        }
    if teacher is not None:
        teacher.close()
    run.release_teachers()
    return found


def settings(run: Run) -> EmbeddingConfig:
    """Return the section `embedding` of a run that has one."""
    if run.recipe.embedding is None:
        raise ValueError("the recipe has no section `embedding`")
    return run.recipe.embedding


def embedding_teacher(run: Run, direction: Direction) -> EmbeddingTeacher:
    """Load the model whose vectors a student learns; that of a direction where it is the translation teacher."""
    config = settings(run).teacher
    own = run.teacher(direction) if isinstance(config, TranslationEncoderConfig) else None
    with settings_at(EMBEDDING_TEACHER):
        return load_embedding_teacher(config, device=run.recipe.training.device, translation_teacher=own)


def embedding_origin(run: Run) -> tuple[str, str]:
    """Say where the model comes from whose vectors a student learns, and what is known of its licence."""
    config = settings(run).teacher
    if not isinstance(config, TranslationEncoderConfig):
        return config.origin, config.licence
    teachers = run.recipe.teachers.values()
    origins = dict.fromkeys(f"the encoder of {teacher.origin}" for teacher in teachers)
    return ", ".join(origins), ", ".join(dict.fromkeys(teacher.licence for teacher in teachers))


def vectors_folder(run: Run, direction: Direction) -> Path:
    """Path of the folder that holds the vectors of a direction."""
    if run.vectors is None:
        raise ValueError("the recipe has no section `embedding`")
    return run.vectors.path / str(direction)


def open_vectors(run: Run, direction: Direction) -> VectorStore:
    """Open the vectors of a direction.

    :raises NmtDistillError: if they are of another text than the labels
    """
    store = VectorStore(vectors_folder(run, direction))
    store.require("run `train` again, which embeds the corpus first", corpus=sha256_of(_sources(run, direction)))
    return store


def _sources(run: Run, direction: Direction) -> Path:
    return run.labels(direction) / f"distilled.{direction.source}"


def _embed_direction(run: Run, direction: Direction, teacher: EmbeddingTeacher) -> VectorsHeader:
    path = _sources(run, direction)
    total = sum(1 for _ in read_lines(path))
    with job(f"embedding {direction}", total=total) as running:
        return write_vectors(
            vectors_folder(run, direction),
            read_lines(path),
            teacher.embed,
            teacher=teacher.fingerprint,
            corpus=sha256_of(path),
            shard_sentences=settings(run).shard_sentences,
            advance=running.advance,
        )
