"""A student on disk: a folder that ``AutoModelForSeq2SeqLM`` and ``AutoTokenizer`` of transformers load anywhere."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    M2M100ForConditionalGeneration,
    MarianMTModel,
    MarianTokenizer,
)
from transformers.utils import logging as transformers_logging

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder
from nmt_distill.student.graph import SpecialIds, StudentModel
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

PAD_PIECE = "<pad>"


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep bars and advice of transformers off the terminal, such as that a tokenizer wants sacremoses."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*sacremoses.*")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()


def special_ids(sentencepiece_path: Path) -> SpecialIds:
    """Tell the special ids of a student over this SentencePiece model; padding that it lacks follows its last piece."""
    processor = load_sentencepiece(sentencepiece_path)
    size, pad = processor.vocab_size(), processor.pad_id()
    pad = size if pad < 0 else pad
    return SpecialIds(end=processor.eos_id(), unknown=processor.unk_id(), pad=pad, vocab_size=max(size, pad + 1))


def save_student(student: StudentModel, sentencepiece_path: Path, folder: Path) -> None:
    """Write a student folder atomically: safetensors, configs, and the vocabulary in MarianTokenizer's layout."""
    with atomic_folder(folder) as partial, quiet_transformers():
        student.save_pretrained(partial, safe_serialization=True)
        processor = load_sentencepiece(sentencepiece_path)
        pieces = [processor.id_to_piece(index) for index in range(processor.vocab_size())]
        if processor.pad_id() < 0:
            pieces.append(PAD_PIECE)
        vocabulary = {piece: index for index, piece in enumerate(pieces)}
        for name in ("source.spm", "target.spm"):
            shutil.copyfile(sentencepiece_path, partial / name)
        (partial / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        tokenizer = MarianTokenizer(
            source_spm=str(partial / "source.spm"),
            target_spm=str(partial / "target.spm"),
            vocab=str(partial / "vocab.json"),
            eos_token=processor.id_to_piece(processor.eos_id()),
            unk_token=processor.id_to_piece(processor.unk_id()),
            pad_token=pieces[student.config.pad_token_id],
            bos_token=processor.id_to_piece(processor.eos_id()),  # CTranslate2's nllb needs one, and starts with it
            model_max_length=student.config.max_position_embeddings,
        )
        tokenizer.save_pretrained(partial)


def load_student(folder: Path) -> StudentModel:
    """Load a student folder.

    :raises NmtDistillError: if the folder holds no student, or a damaged one
    """
    _require_config(folder)
    try:
        with quiet_transformers():
            student = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises what its parts raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise NmtDistillError(
            f"{folder} cannot be loaded as a student ({reason}); name the folder `student` of a run, or train it again."
        ) from None
    if not isinstance(student, MarianMTModel | M2M100ForConditionalGeneration):
        raise NmtDistillError(f"{folder} holds no student, but a {type(student).__name__}; name one of a run.")
    return student.eval()


def max_positions(folder: Path) -> int:
    """Tell how many positions, source or target tokens, the student in a folder was made for.

    :raises NmtDistillError: if the folder holds no model
    """
    _require_config(folder)
    positions: int = AutoConfig.from_pretrained(folder, local_files_only=True).max_position_embeddings
    return positions


def _require_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise NmtDistillError(f"{folder} holds no student (no config.json); train one there first.")
