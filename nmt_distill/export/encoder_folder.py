"""The encoder of a student alone, as ``nmt-distill embed`` reads it: the folder ``encoder`` of an export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ctranslate2.converters import TransformersConverter
from ctranslate2.converters.converter import Converter
from ctranslate2.specs import TransformerEncoderModelSpec

from nmt_distill.embedding.encoder import EncoderFolder
from nmt_distill.embedding.student_vectors import DESCRIPTION_NAME, SentenceVectors, read_description, write_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.ctranslate2_converter import SENTENCEPIECE_NAME, convert
from nmt_distill.files import atomic_folder
from nmt_distill.student.checkpoint import max_positions
from nmt_distill.translation.model_folder import ENCODER_FOLDER, write_checksums


def write_encoder(
    student_folder: Path, export_folder: Path, *, precision: str, name: str, force: bool = False
) -> EncoderFolder:
    """Write the folder ``encoder`` into an export; it appears whole or not at all.

    A student that was not trained for sentence vectors is written too: its mean states are what others are compared
    with, and serve for nothing else.

    :param precision: one of those of :mod:`nmt_distill.export.config`
    :raises NmtDistillError: if the folder exists and ``force`` is false, or the student cannot be converted
    """
    folder = export_folder / ENCODER_FOLDER
    if folder.exists() and not force:
        raise NmtDistillError(f"{folder} exists; give --force to replace it.")
    with atomic_folder(folder) as partial:
        converter = _EncoderConverter(student_folder)
        convert(converter, partial, student_folder, precision)
        shutil.copyfile(student_folder / "source.spm", partial / SENTENCEPIECE_NAME)
        if (student_folder / DESCRIPTION_NAME).is_file():
            described, projection = read_description(student_folder)
        else:
            described, projection = _untrained(converter.model_dim), None
        write_description(partial, described, projection)
        about = EncoderFolder(
            path=partial,
            name=name,
            precision=precision,
            max_tokens=max_positions(student_folder),
            model_dim=converter.model_dim,
        )
        about.write()
        write_checksums(partial)
    return about


def _untrained(model_dim: int) -> SentenceVectors:
    return SentenceVectors(dim=model_dim, is_normalized=True, languages=(), teacher="", has_projection=False)


class _EncoderConverter(Converter):  # type: ignore[misc]
    """CTranslate2's own converter of the whole model, of which the encoder is kept."""

    def __init__(self, student_folder: Path) -> None:
        self._whole: Any = TransformersConverter(str(student_folder))
        self._folder = student_folder
        self.model_dim = 0

    def _load(self) -> TransformerEncoderModelSpec:
        whole = self._whole._load()
        vocabulary = json.loads((self._folder / "vocab.json").read_text(encoding="utf-8"))
        encoder = TransformerEncoderModelSpec(whole.encoder)
        num_rows, self.model_dim = whole.encoder.embeddings[0].weight.shape
        names = sorted(vocabulary, key=vocabulary.__getitem__)
        encoder.register_vocabulary(names[:num_rows])  # without a padding that comes last, which the converter drops
        for key in ("unk_token", "eos_token", "bos_token", "layer_norm_epsilon"):
            value = getattr(whole.config, key)
            if value is not None:
                setattr(encoder.config, key, value)
        return encoder
