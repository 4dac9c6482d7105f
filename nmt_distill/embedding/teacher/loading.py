"""From the settings of a teacher of sentence vectors to the teacher itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nmt_distill.devices import Device, choose_device
from nmt_distill.embedding.config import (
    CommandEncoderConfig,
    EmbeddingTeacherConfig,
    SentenceTransformersConfig,
    TransformersEncoderConfig,
    TranslationEncoderConfig,
    WheelEncoderConfig,
)
from nmt_distill.embedding.teacher.base import EmbeddingTeacher
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.command.command_line import files_of
from nmt_distill.teacher.file_hashes import decides, known_sha256
from nmt_distill.teacher.transformers.hub import local_commit


def identify_embedding_teacher(config: EmbeddingTeacherConfig) -> dict[str, Any]:
    """Name what decides about its vectors beside its settings, as far as this machine has it: files, commit."""
    if isinstance(config, CommandEncoderConfig):
        return {"files": [known_sha256(file) for file in files_of(config.command)]}
    if not isinstance(config, TransformersEncoderConfig | SentenceTransformersConfig):
        return {}
    path = Path(config.name).expanduser()
    if commit := local_commit(config.name, config.revision):
        return {"commit": commit}
    files = sorted(filter(decides, path.rglob("*"))) if path.is_dir() else []
    return {"files": [known_sha256(file) for file in files]}


def load_embedding_teacher(
    config: EmbeddingTeacherConfig, *, device: Device, translation_teacher: Teacher | None = None
) -> EmbeddingTeacher:
    """Load the teacher; each engine is imported where it is wanted.

    :param translation_teacher: of the direction, loaded, whose encoder may be wanted
    """
    match config:
        case TransformersEncoderConfig():
            from nmt_distill.embedding.teacher.transformers_encoder import TransformersEncoder

            return TransformersEncoder(
                config.name,
                revision=config.revision,
                pooling=config.pooling,
                prefix=config.prefix,
                normalize=config.normalize,
                device=choose_device(device),
                dtype=config.precision,
                max_tokens=config.max_tokens,
                batch_tokens=config.batch_tokens,
            )
        case SentenceTransformersConfig():
            from nmt_distill.embedding.teacher.sentence_transformers_encoder import SentenceTransformersEncoder

            return SentenceTransformersEncoder(
                config.name, revision=config.revision, prefix=config.prefix, device=choose_device(device)
            )
        case CommandEncoderConfig():
            from nmt_distill.embedding.teacher.command import CommandEncoder

            return CommandEncoder(config.command, mode=config.mode, timeout_seconds=config.timeout_seconds)
        case WheelEncoderConfig():
            from nmt_distill.embedding.teacher.wheel import WheelEncoder

            return WheelEncoder(config.wheel, module=config.module, factory=config.factory, method=config.method)
        case TranslationEncoderConfig():
            from nmt_distill.embedding.teacher.translation_encoder import TranslationEncoder

            if translation_teacher is None:
                raise ValueError("the translation teacher must be given where its encoder is wanted")
            return TranslationEncoder(translation_teacher, normalize=config.normalize)


def fetch_embedding_teacher(config: EmbeddingTeacherConfig) -> None:
    """Fetch what the teacher needs and this machine has not yet; look for its program, library or object.

    :raises NmtDistillError: if it cannot be had
    """
    match config:
        case TransformersEncoderConfig():
            from nmt_distill.teacher.transformers.hub import find_model

            find_model(config.name, config.revision)
        case WheelEncoderConfig() | CommandEncoderConfig():
            load_embedding_teacher(config, device="cpu").close()  # in a moment
        case SentenceTransformersConfig():
            from nmt_distill.embedding.teacher.sentence_transformers_encoder import require_sentence_transformers

            require_sentence_transformers()
        case TranslationEncoderConfig():
            pass
