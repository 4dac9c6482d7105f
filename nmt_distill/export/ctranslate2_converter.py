"""A student folder to the folder that ``translate`` reads, by CTranslate2's own converter."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ctranslate2.converters import TransformersConverter

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder
from nmt_distill.languages import Direction
from nmt_distill.model_folder import ModelFolder
from nmt_distill.student.checkpoint import max_positions

SENTENCEPIECE_NAME = "joint.spm"
_QUANTIZATION = {"float32": None, "int8": "int8"}


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

    :param precision: ``float32`` or ``int8``
    :param tags: the directions, and the piece that is put before the source
    :param beam_size: the one that was validated, which becomes the default of ``translate``
    :raises NmtDistillError: if the folder exists and ``force`` is false, the precision is unknown, or the student
        cannot be converted
    """
    if precision not in _QUANTIZATION:
        raise NmtDistillError(f"the precision must be one of {', '.join(_QUANTIZATION)}, but is {precision} instead.")
    if folder.exists() and not force:
        raise NmtDistillError(f"{folder} exists; give --force to replace it.")
    positions = max_positions(student_folder)
    with atomic_folder(folder) as partial:
        with _quiet():
            try:
                TransformersConverter(str(student_folder)).convert(
                    str(partial), quantization=_QUANTIZATION[precision], force=True
                )
            except (ValueError, KeyError, RuntimeError) as error:
                reason = f"it has no {error}" if isinstance(error, KeyError) else error
                raise NmtDistillError(f"CTranslate2 cannot convert {student_folder}: {reason}") from None
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and notes of the converter's libraries away from the terminal."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
