"""Settings of a teacher that name what is not on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.teacher.config import (
    CandidatesTeacherConfig,
    CTranslate2TeacherConfig,
    Fairseq2TeacherConfig,
    MarianTeacherConfig,
    TeacherConfig,
    TransformersTeacherConfig,
)
from nmt_distill.teacher.transformers.hub import may_be_fetched

_FILES = ("model", "vocabulary", "target_vocabulary", "path")
_FAIRSEQ2_FILES = (".yaml", ".pt", ".safetensors")


def missing_paths(config: TeacherConfig) -> Iterator[tuple[str, Path]]:
    """Yield each setting that names a file or folder of this machine that is not there, and its path.

    A name that a hub may know, and what lies in a wheel, is left to those.
    """
    for key, path in _named(config):
        given = path.expanduser()
        if not (given.is_file() if key in _FILES else given.exists()):
            yield key, path


def _named(config: TeacherConfig) -> Iterator[tuple[str, Path]]:
    match config:
        case MarianTeacherConfig(folder=str(folder)):
            yield "folder", Path(folder)
        case MarianTeacherConfig(model=str(model), vocabulary=str(vocabulary), wheel=None):
            yield "model", Path(model)
            yield "vocabulary", Path(vocabulary)
        case TransformersTeacherConfig():
            if not may_be_fetched(config.name):
                yield "name", Path(config.name)
            yield from ((f"ensemble[{index}]", Path(folder)) for index, folder in enumerate(config.ensemble))
        case Fairseq2TeacherConfig():
            named = {"name": config.name} | {f"ensemble[{index}]": name for index, name in enumerate(config.ensemble)}
            yield from ((key, Path(name)) for key, name in named.items() if name.endswith(_FAIRSEQ2_FILES))
            if config.vocabulary is not None:
                yield "vocabulary", Path(config.vocabulary)
        case CTranslate2TeacherConfig():
            yield "folder", Path(config.folder) / "model.bin"
            yield "vocabulary", Path(config.vocabulary)
            if config.target_vocabulary is not None:
                yield "target_vocabulary", Path(config.target_vocabulary)
        case CandidatesTeacherConfig():
            yield "path", Path(config.path)
        case _:
            pass
