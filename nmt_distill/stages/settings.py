"""What of a recipe decides about each stage: its fingerprint covers these settings, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt_distill.configuration import to_content
from nmt_distill.embedding.config import TransformersEncoderConfig
from nmt_distill.files import sha256_of
from nmt_distill.languages import Direction
from nmt_distill.recipe import Recipe

_START_FILES = ("model.safetensors", "config.json", "vocab.json", "source.spm", "sentence_projection.npy")
"""files of a student that another one starts from"""

_RUN_TIME = ("batch_tokens", "num_processes", "timeout_seconds", "num_connections", "num_retries", "api_key_variable")
"""settings of teachers that change no label, but by rounding or another draw"""
_ORIGIN = ("origin", "licence")
"""what a model card tells of a teacher"""


def teacher_settings(config: Any) -> dict[str, Any]:
    """Return what a recipe says of a teacher, of translations or of vectors, as far as it decides about its answers."""
    content: dict[str, Any] = to_content(config)
    if not content.get("ensemble", True):
        del content["ensemble"]  # labels of a single model stay those that they are
    if isinstance(config, TransformersEncoderConfig):
        del content["max_tokens"]  # what is longer is an error, so it changes no vector
    return {key: value for key, value in content.items() if key not in (*_RUN_TIME, *_ORIGIN)}


def corpus_settings(recipe: Recipe, directions: Sequence[Direction]) -> dict[str, Any]:
    """Return where text comes from, with the contents of local files."""
    paths = [getattr(source, key) for source in recipe.corpus.sources for key in source.file_keys]
    files = [_sha256_or_missing(path) for path in (*paths, *recipe.corpus.held_out)]
    content: dict[str, Any] = to_content(recipe.corpus)
    if content["split"]["references"] == "human":
        del content["split"]["references"]  # corpora of pairs stay those that they are
    return content | {"directions": [str(direction) for direction in directions], "files": files}


def vocabulary_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what decides about the pieces; the nllb graph has special ones of its own."""
    graph = {"graph": "nllb"} if recipe.student.graph == "nllb" else {}
    return {"vocabulary": to_content(recipe.vocabulary)} | graph


def student_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what decides about the student's weights: its shape, its start, its training, its losses, and the
    export that chooses among its checkpoints."""
    student: dict[str, Any] = to_content(recipe.student) | {"preset": None}  # which is spelled out
    folder = recipe.student.initialize_from
    if folder is not None:
        student["files"] = [_sha256_or_missing(Path(folder) / name) for name in _START_FILES]
    validation = {"precision": recipe.export.ordered_precisions[-1], "beam_size": recipe.export.beam_size}
    return {
        "student": student,
        "training": _training_settings(recipe),
        "validation": validation,
    } | _embedding_loss(recipe)


def _training_settings(recipe: Recipe) -> dict[str, Any]:
    """Return how it learns: not how often a checkpoint is written, nor where it runs and in how much memory."""
    content: dict[str, Any] = to_content(recipe.training)
    others = ("batch_parts", "checkpoint_every", "device", "compile", "tensorboard")
    return {key: value for key, value in content.items() if key not in others} | {
        "temperature": recipe.distillation.temperature
    }


def _embedding_loss(recipe: Recipe) -> dict[str, Any]:
    """Return what decides, beside the vectors, about what a student learns of them."""
    if recipe.embedding is None:
        return {}
    content: dict[str, Any] = to_content(recipe.embedding)
    del content["teacher"], content["shard_sentences"]  # known by the vectors
    return {"embedding": content}


def export_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what decides about the exports: not what they must be worth, unless a vocabulary map is chosen by it."""
    content: dict[str, Any] = to_content(recipe.export)
    bounds = {"min_parity"} if recipe.export.vocabulary_map is not None else {"min_parity", "max_drop"}
    return {
        "export": {key: value for key, value in content.items() if key not in bounds},
        "name": recipe.name,
        "origins": _origins(recipe),
    }


def _origins(recipe: Recipe) -> list[dict[str, str]]:
    """Return what the model card tells of the teachers, which decides about nothing before it."""
    configs = [*recipe.teachers.values(), *([recipe.embedding.teacher] if recipe.embedding else [])]
    return [{key: value for key, value in to_content(config).items() if key in _ORIGIN} for config in configs]


def evaluation_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what the systems are measured on; outside test sets with the file that pins their text."""
    suites = [to_content(suite) | {"file": _sha256_or_missing(suite.suite)} for suite in recipe.evaluation.suites]
    content: dict[str, Any] = to_content(recipe.evaluation)
    return content | {"suites": suites}


def _sha256_or_missing(path: Path | str) -> str:
    return sha256_of(Path(path)) if Path(path).is_file() else "missing"
