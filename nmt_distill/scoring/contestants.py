"""Systems that can be asked to translate: a teacher, a student's folder, an export, a program, a file of outputs."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from nmt_distill.computed_precision import falls_back
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.report import System
from nmt_distill.export.config import PRECISIONS
from nmt_distill.files import read_json, size_of
from nmt_distill.languages import Direction, target_tag
from nmt_distill.recipe import RECIPE_NAME, find_recipe, load_recipe
from nmt_distill.scoring.contestant import Contestant, beam
from nmt_distill.scoring.peers import command_contestant, file_contestant
from nmt_distill.teacher.base import Teacher
from nmt_distill.teacher.config import HttpTeacherConfig, TeacherConfig, TransformersTeacherConfig
from nmt_distill.teacher.loading import fetch_teacher, load_teacher
from nmt_distill.translation.engine import BATCH_TOKENS
from nmt_distill.translation.model_folder import LANGUAGES_FILE, named_exports
from nmt_distill.translation.packaged_models import find_model
from nmt_distill.translation.translator import Translator

SHIPPED = ("model.bin", "config.json", "shared_vocabulary.json", "languages.json", "*.spm", "vmap.txt")
KINDS = (
    "a folder, teacher:RECIPE, transformers:NAME, command:PROGRAM, file:PATH or a name that `nmt-distill models` lists"
)


def load_contestant(
    name: str, what: str, directions: Sequence[Direction], *, beam_size: int | None = None
) -> Contestant:
    """Load a system as the command line names it.

    :param name: as the tables print it
    :param what: a folder (an export, a student, a run, a model of transformers), ``teacher:RECIPE``,
        ``transformers:NAME``, ``command:PROGRAM``, ``file:PATH`` or the name of a packaged model
    :param directions: what it is asked for
    :param beam_size: of the search, where the system lets itself be told; None is its default
    :raises NmtDistillError: if there is no such system
    """
    kind, separator, rest = what.partition(":")
    if separator and kind == "command":
        return command_contestant(name, rest, directions)
    if (separator and kind == "file") or Path(what).is_file():
        return file_contestant(name, rest if kind == "file" else what)
    if separator and kind == "teacher":
        return _teacher_contestant(name, rest, beam_size)
    if separator and kind == "transformers":
        return _transformers_contestant(name, rest, beam_size)
    folder = find_model(what)
    if (folder / LANGUAGES_FILE).is_file():
        return export_contestant(name, folder, beam_size=beam_size)
    if (folder / RECIPE_NAME).is_file():
        exports = [folder / "export" / precision for precision in PRECISIONS]
        if made := [export for export in exports if (export / LANGUAGES_FILE).is_file()]:
            return export_contestant(name, made[-1], beam_size=beam_size)
    if (folder / "source.spm").is_file() and (folder / "vocab.json").is_file():
        return _student_contestant(name, folder, directions, beam_size)
    if (folder / "config.json").is_file():
        return _transformers_contestant(name, what, beam_size)
    meant = named_exports(folder)
    raise NmtDistillError(
        f"the system {name} must be {KINDS}, but `{what}` is none of them{'; ' if meant else '.'}{meant}"
    )


def export_contestant(
    name: str,
    folder: Path,
    *,
    beam_size: int | None = None,
    num_parameters: int | None = None,
    directions: Collection[Direction] | None = None,
    plain: bool = False,
) -> Contestant:
    """An export, as ``translate`` runs it.

    :param directions: those that it is asked for; None for all
    :param plain: whether lines are taken as they stand; then it is no system to be timed, but one to learn from
    """
    translator = Translator(folder, beam_size=beam_size, plain=plain)
    precision, computed = translator.folder.precision, translator.engine.computed_in
    taken = f"; this processor computes it in {computed}" if falls_back(precision, computed) else ""
    command = "nmt-distill translate --plain" if plain else "nmt-distill translate"
    return Contestant(
        system=System(
            name=name,
            role="student" if plain else "export",
            description=f"CTranslate2 {precision} export, as `{command}` runs it{taken}",
            num_parameters=num_parameters,
            num_bytes=sum(size_of(file) for pattern in SHIPPED for file in folder.glob(pattern)),
        ),
        translate=partial(_translate, translator),
        batch_rule=f"{BATCH_TOKENS} padded source tokens, sorted by length",
        decoding=beam(translator.beam_size),
        directions=directions,
        timed=() if plain else None,
        what=None if plain else str(folder.resolve()),
        beam_size=translator.beam_size,
    )


def _translate(translator: Translator, lines: list[str], direction: Direction) -> list[str]:
    return translator.translate(lines, source=direction.source, target=direction.target)


def _student_contestant(name: str, folder: Path, directions: Sequence[Direction], beam_size: int | None) -> Contestant:
    """A student's folder, converted into a temporary one in float32: the weights as they are, on the user's path."""
    from nmt_distill.export.ctranslate2_converter import convert_student

    pieces = read_json(folder / "vocab.json")
    tags = {direction: tag if (tag := target_tag(direction.target)) in pieces else None for direction in directions}
    place = Path(tempfile.mkdtemp(prefix="nmt-distill-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    convert_student(folder, place / "float32", precision="float32", tags=tags, name=name)
    contestant = export_contestant(name, place / "float32", beam_size=beam_size)
    system = System(
        name=name,
        role="student",
        description="a student's folder, converted to CTranslate2 float32 for this report",
        num_bytes=size_of(folder),
    )
    return replace(contestant, system=system, what=str(folder.resolve()))


def _teacher_contestant(name: str, recipe_name: str, beam_size: int | None) -> Contestant:
    recipe = load_recipe(find_recipe(recipe_name))
    width = beam_size or recipe.distillation.beam_size
    configs = recipe.teachers

    def load(direction: Direction) -> Teacher:
        if direction not in configs:
            raise NmtDistillError(
                f"the recipe {recipe.name} has no teacher of {direction}; it has {', '.join(map(str, configs))}."
            )
        return load_teacher(configs[direction], direction=direction, device=recipe.training.device)

    timed = not any(isinstance(config, HttpTeacherConfig) for config in configs.values())
    what = f"teacher:{find_recipe(recipe_name).resolve()}"
    return _of_teacher(name, list(configs.values()), load, width, what, timed=None if timed else ())


def _transformers_contestant(name: str, model: str, beam_size: int | None) -> Contestant:
    config = TransformersTeacherConfig(name=model, origin=Path(model).name, licence="not stated")

    def load(direction: Direction) -> Teacher:
        return load_teacher(config, direction=direction, device="auto")

    what = f"transformers:{Path(model).resolve() if Path(model).is_dir() else model}"
    return _of_teacher(name, [config], load, beam_size or 1, what)


def _of_teacher(
    name: str,
    configs: Sequence[TeacherConfig],
    load: Callable[[Direction], Teacher],
    beam_size: int,
    what: str,
    *,
    timed: Collection[Direction] | None = None,
) -> Contestant:
    """A teacher that is loaded when it is first asked for a direction; one is in memory at a time."""
    files = {path for config in configs for path in fetch_teacher(config)}
    origins = ", ".join(dict.fromkeys(config.origin for config in configs))
    loaded: dict[Direction, Teacher] = {}

    def translate(lines: list[str], direction: Direction) -> list[str]:
        if direction not in loaded:
            for other in loaded.values():
                other.close()
            loaded.clear()
            loaded[direction] = load(direction)
        return best_of(loaded[direction], lines, beam_size)

    search = beam(beam_size) if all(config.searches for config in configs) else "its own search"
    return Contestant(
        system=System(
            name=name,
            role="teacher",
            description=f"{origins}; {search}",
            num_bytes=sum(map(size_of, files)) or None,
        ),
        translate=translate,
        batch_rule="the teacher's own",
        decoding=search,
        timed=timed,
        what=what if timed is None else None,
        beam_size=beam_size,
    )


def best_of(teacher: Teacher, lines: Sequence[str], beam_size: int) -> list[str]:
    """Return a teacher's best translation of each line, empty where it has none."""
    found = teacher.translate(lines, beam_size=beam_size)
    return [hypotheses[0].text if hypotheses else "" for hypotheses in found]


def name_and_what(text: str) -> tuple[str, str]:
    """Split ``NAME=WHAT``; without a name it is called as the command line names it.

    :raises NmtDistillError: if either is empty
    """
    name, separator, what = text.partition("=")
    if not separator:
        return Path(text).name or text, text
    if not name.strip() or not what.strip():
        raise NmtDistillError(f"--system must be NAME=WHAT, but is `{text}`; WHAT is {KINDS}.")
    return name.strip(), what.strip()
