"""A student folder to the folder that ``translate`` reads, by CTranslate2's own converter."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import ctranslate2
from ctranslate2.converters import TransformersConverter
from ctranslate2.converters.converter import Converter

from nmt_distill.computed_precision import fallbacks_untold
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import PRECISIONS
from nmt_distill.files import atomic_folder
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import max_positions
from nmt_distill.translation.model_folder import ModelFolder

SENTENCEPIECE_NAME = "joint.spm"


def convert_student(
    student_folder: Path,
    folder: Path,
    *,
    precision: str,
    tags: Mapping[Direction, str | None],
    name: str,
    beam_size: int = 1,
    force: bool = False,
) -> ModelFolder:
    """Convert a student; the folder appears whole or not at all.

    :param precision: one of :data:`~nmt_distill.export.config.PRECISIONS`
    :param tags: the directions, and the piece that is put before the source
    :param beam_size: the one that was validated, which becomes the default of ``translate``
    :raises NmtDistillError: if the folder exists and ``force`` is false, the precision is unknown, or the student
        cannot be converted
    """
    if precision not in PRECISIONS:
        raise NmtDistillError(f"the precision must be one of {', '.join(PRECISIONS)}, but is {precision} instead.")
    if folder.exists() and not force:
        raise NmtDistillError(f"{folder} exists; give --force to replace it.")
    positions = max_positions(student_folder)
    with atomic_folder(folder) as partial:
        convert(TransformersConverter(str(student_folder)), partial, student_folder, precision)
        shutil.copyfile(student_folder / "source.spm", partial / SENTENCEPIECE_NAME)
        described = ModelFolder(
            path=partial,
            sentencepiece=partial / SENTENCEPIECE_NAME,
            tags=dict(tags),
            beam_size=beam_size,
            max_source_tokens=positions,
            max_target_tokens=positions,
            precision=precision,
            name=name,
        )
        described.write_languages()
    return described


def computed_in(folder: Path) -> dict[str, str]:
    """Tell in which precision CTranslate2 computes with a converted model here, which may lack the model's own.

    :returns: by device: ``cpu``, and ``cuda`` where there is a GPU
    """
    devices = ("cpu", "cuda") if ctranslate2.get_cuda_device_count() else ("cpu",)
    with fallbacks_untold():
        return {device: str(ctranslate2.Translator(str(folder), device=device).compute_type) for device in devices}


def convert(converter: Converter, folder: Path, student_folder: Path, precision: str) -> None:
    """Let a converter of CTranslate2 write what it makes of a student.

    :raises NmtDistillError: if it cannot
    """
    with _quiet():
        try:
            converter.convert(str(folder), quantization=precision, force=True)
        except (ValueError, KeyError, RuntimeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise NmtDistillError(f"CTranslate2 cannot convert {student_folder}: {reason}") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and notes of the converter's libraries away from the terminal."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
