"""What a recipe names on this machine and is not there: told all at once, before hours of work that end without it.

Each fault begins with the dotted path of its key. A name that a hub may know is looked up there when it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.embedding.config import SentenceTransformersConfig, TransformersEncoderConfig
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_sets import load_suite, missing_files
from nmt_distill.recipe import Recipe
from nmt_distill.stages.run import EMBEDDING_TEACHER, REVERSE_TEACHER
from nmt_distill.teacher.config import TeacherConfig
from nmt_distill.teacher.missing_paths import missing_paths
from nmt_distill.teacher.transformers.hub import may_be_fetched


def source_file_faults(recipe: Recipe) -> Iterator[str]:
    """Tell of files of text that the corpus is made from, or keeps out of training."""
    for index, source in enumerate(recipe.corpus.sources):
        for key in source.file_keys:
            path = Path(getattr(source, key))
            if not path.exists():
                yield _fault(f"corpus.sources[{index}].{key}", path)
    for index, held_out in enumerate(recipe.corpus.held_out):
        if not Path(held_out).exists():
            yield _fault(f"corpus.held_out[{index}]", Path(held_out))


def teacher_file_faults(recipe: Recipe) -> Iterator[str]:
    """Tell of files of teachers, the one that translates back and that of sentence vectors included."""
    teachers: dict[str, TeacherConfig] = {place: teacher for place, teacher in recipe.teacher_configs if teacher}
    if (reverse := recipe.distillation.filters.reverse) and reverse.teacher:
        teachers[REVERSE_TEACHER] = reverse.teacher
    for place, teacher in teachers.items():
        for key, path in missing_paths(teacher):
            yield _fault(f"{place}.{key}", path)
    if recipe.embedding is not None:
        match recipe.embedding.teacher:
            case TransformersEncoderConfig(name=name) | SentenceTransformersConfig(name=name):
                if not may_be_fetched(name) and not Path(name).expanduser().exists():
                    yield _fault(f"{EMBEDDING_TEACHER}.name", Path(name))


def student_file_faults(recipe: Recipe) -> Iterator[str]:
    """Tell of the student that another one starts from."""
    folder = recipe.student.initialize_from
    if folder is not None and not Path(folder).exists():
        yield _fault("student.initialize_from", Path(folder))


def suite_file_faults(recipe: Recipe) -> Iterator[str]:
    """Tell of test sets: their YAML, and the files of the recipe's directions in their folders."""
    for index, config in enumerate(recipe.evaluation.suites):
        place = f"evaluation.suites[{index}]"
        try:
            suite = load_suite(Path(config.suite))
        except NmtDistillError as error:
            yield f"{place}.suite: {str(error).removesuffix('.')}"
            continue
        lacking = [
            path.name
            for entry in recipe.directions
            for path in missing_files(suite, Path(config.folder), entry.direction)
        ]
        if lacking:
            yield (
                f"{place}.folder is {config.folder}, which lacks {', '.join(dict.fromkeys(lacking))}; how to get them: "
                + suite.how_to_get.removesuffix(".")
            )


def _fault(place: str, path: Path) -> str:
    return f"{place} names {path}, which {'is a folder' if path.is_dir() else 'does not exist'}"
