"""A run: one recipe in one folder, with its stages, its text and its teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt_distill.configuration import to_content
from nmt_distill.corpus.prepare import FORMAT_VERSION as CORPUS_FORMAT
from nmt_distill.distillation.config import STORE_FORMAT
from nmt_distill.embedding.config import VECTORS_FORMAT, TranslationEncoderConfig
from nmt_distill.embedding.teacher.loading import fetch_embedding_teacher, identify_embedding_teacher
from nmt_distill.evaluation.plot import PLOT_FOLDER
from nmt_distill.evaluation.report import FORMAT_VERSION as REPORT_FORMAT
from nmt_distill.files import read_json, read_lines
from nmt_distill.languages import Direction, target_tags
from nmt_distill.ranks import Ranks
from nmt_distill.recipe import Recipe
from nmt_distill.stages.reuse import reused_runs
from nmt_distill.stages.settings import (
    corpus_settings,
    evaluation_settings,
    export_settings,
    student_settings,
    teacher_settings,
    vocabulary_settings,
)
from nmt_distill.stages.stage import Stage
from nmt_distill.teacher.base import OnlineTeacher, Teacher
from nmt_distill.teacher.config import TeacherConfig, TransformersTeacherConfig
from nmt_distill.teacher.loading import fetch_teacher, identify_teacher, load_teacher
from nmt_distill.teacher.place import settings_at

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SENTENCEPIECE = "joint.spm"
KEPT_IDS = "kept_ids.json"
TRAINING = "training"
TENSORBOARD = "tensorboard"
EXPORT_FORMAT = 2
"""version of what the export stage leaves"""
REVERSE_TEACHER = "distillation.filters.reverse.teacher"
"""path of the reverse teacher in a recipe"""
EMBEDDING_TEACHER = "embedding.teacher"
"""path of the teacher of sentence vectors in a recipe"""

Work = Callable[["Run"], dict[str, Any]]
"""makes the artefacts of one stage of a run; what it returns is kept in the stamp"""


class Run:
    """One recipe in one folder, with its stages, its text and its teacher."""

    def __init__(
        self,
        recipe: Recipe,
        run_folder: Path,
        work: Mapping[str, Work],
        *,
        force: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        """Find out what is valid; nothing is computed or fetched yet.

        :param work: what each stage does, by the name of the stage
        :param force: whether the export is made again, whatever stands there
        :param ranks: the processes that train the student
        """
        self.recipe, self.run_folder, self.ranks = recipe, run_folder, ranks or Ranks()
        self.tags = target_tags([entry.direction for entry in recipe.directions])
        self.directions = tuple(self.tags)
        self._work = work
        self._loaded: tuple[Direction, Teacher] | None = None
        self._reverse: tuple[Direction, Teacher] | None = None
        self._identities: list[tuple[TeacherConfig, dict[str, Any]]] = []
        teachers = {str(direction): self._teacher_settings(config) for direction, config in recipe.teachers.items()}

        self.corpus = self._stage(
            "corpus", corpus_settings(recipe, self.directions), ("corpus",), version=CORPUS_FORMAT
        )
        self.distilled = self._stage(
            "distilled",
            {"distillation": self._distillation_settings(), "teachers": teachers},
            ("distilled",),
            inputs=(self.corpus,),
            version=STORE_FORMAT,
            resumable=True,
        )
        self.vectors = self._vectors_stage(teachers)
        self.vocabulary = self._stage(
            "vocabulary",
            vocabulary_settings(recipe) | {"teachers": teachers},
            ("vocabulary",),
            inputs=(self.distilled,),
        )
        self.student = self._stage(
            "student",
            student_settings(recipe) | {"teachers": teachers},
            ("student", "metrics.jsonl"),
            inputs=(self.corpus, self.distilled, self.vocabulary, *self._vectors),
            scratch=(TRAINING,),
            resumable=True,
        )
        self.export = self._stage(
            "export",
            export_settings(recipe),
            ("export",),
            inputs=(self.corpus, self.student),
            version=EXPORT_FORMAT,
            replace=force,
        )
        self.scores = self._stage(
            "scores",
            evaluation_settings(recipe),
            ("scores.json", "report.md", "report.html", PLOT_FOLDER),
            inputs=(self.corpus, self.export),
            version=REPORT_FORMAT,
        )
        self.stages = [self.corpus, self.distilled, *self._vectors, self.vocabulary, self.student]
        self.stages += [self.export, self.scores]

    def _vectors_stage(self, teachers: dict[str, Any]) -> Stage | None:
        """The stage that embeds the corpus, where the recipe wants sentence vectors."""
        config = self.recipe.embedding
        if config is None:
            return None
        self._embedder: dict[str, Any] = teacher_settings(config.teacher) | identify_embedding_teacher(config.teacher)
        own = teachers if isinstance(config.teacher, TranslationEncoderConfig) else None
        return self._stage(
            "vectors",
            {"teacher": self._embedder, "shard_sentences": config.shard_sentences, "teachers": own},
            ("vectors",),
            inputs=(self.distilled,),
            version=VECTORS_FORMAT,
            resumable=True,
        )

    @property
    def _vectors(self) -> tuple[Stage, ...]:
        return () if self.vectors is None else (self.vectors,)

    def _stage(
        self,
        name: str,
        settings: Any,
        artefacts: tuple[str, ...],
        *,
        inputs: tuple[Stage, ...] = (),
        scratch: tuple[str, ...] = (),
        version: int = 1,
        resumable: bool = False,
        replace: bool = False,
    ) -> Stage:
        stage = Stage(
            name=name,
            work=partial(self._work[name], self),
            settings=settings,
            artefacts=artefacts,
            run_folder=self.run_folder,
            inputs=inputs,
            scratch=scratch,
            version=version,
            resumable=resumable,
            replace=replace,
        )
        if self.recipe.reuse and stage.stamp() is None and not replace:
            others = reused_runs(self.run_folder, self.recipe.reuse)
            if other := next((folder for folder in others if stage.stamp(folder) is not None), None):
                stage.run_folder, stage.reused = other, True
        return stage

    def _teacher_settings(self, config: TeacherConfig) -> dict[str, Any]:
        """What a recipe says of a teacher, and what names the contents that decide about it.

        What is fetched later is named then, see :attr:`teacher_files`.
        """
        content = teacher_settings(config) | identify_teacher(config)
        self._identities.append((config, content))
        return content

    def _distillation_settings(self) -> dict[str, Any]:
        """What decides about the labels, with the files of a teacher that only translates back."""
        content: dict[str, Any] = to_content(self.recipe.distillation)
        reverse = self.recipe.distillation.filters.reverse
        if reverse is not None and reverse.teacher is not None:
            content["filters"]["reverse"]["teacher"] = self._teacher_settings(reverse.teacher)
        return content

    def text(self, direction: Direction, part: str, language: str) -> Path:
        """Path of the ``train``, ``dev``, ``test`` or ``mono`` text of a direction in one of its languages."""
        return self.corpus.path / str(direction) / f"{part}.{language}"

    def held_out(self, direction: Direction, part: str, limit: int | None = None) -> tuple[list[str], list[str]]:
        """Read held-out sources of a direction, and the translations to judge others by."""
        folder = self.labels(direction)
        if self.recipe.corpus.split.references == "human":
            folder = self.corpus.path / str(direction)
        names = (f"{part}.{language}" for language in (direction.source, direction.target))
        sources, references = (list(read_lines(folder / name)) for name in names)
        return sources[:limit], references[:limit]

    def labels(self, direction: Direction) -> Path:
        """Path of the folder that holds the distilled corpus of a direction."""
        return self.distilled.path / str(direction)

    def distilled_text(self, direction: Direction) -> tuple[Path, Path]:
        """Paths of the sources of the distilled corpus of a direction, and of their labels."""
        folder = self.labels(direction)
        return folder / f"distilled.{direction.source}", folder / f"distilled.{direction.target}"

    @cached_property
    def teacher_files(self) -> dict[Direction, tuple[Path, ...]]:
        """The files of each direction's teacher; what is not here yet is fetched, for a reverse teacher too."""
        files: dict[Direction, tuple[Path, ...]] = {}
        for direction, teacher in self.recipe.teachers.items():
            with settings_at(self.recipe.teacher_places[direction]):
                files[direction] = fetch_teacher(teacher)
        if (reverse := self.recipe.distillation.filters.reverse) and reverse.teacher:
            with settings_at(REVERSE_TEACHER):
                fetch_teacher(reverse.teacher)
        for config, content in self._identities:  # the stages look into these settings
            content |= identify_teacher(config)
        if self.recipe.embedding is not None:
            with settings_at(EMBEDDING_TEACHER):
                fetch_embedding_teacher(self.recipe.embedding.teacher)
            self._embedder |= identify_embedding_teacher(self.recipe.embedding.teacher)
        for stage in self.stages:
            if stage.reused and stage.stamp() is None:  # what was fetched is another model than the other run had
                stage.run_folder, stage.reused = self.run_folder, False
        return files

    def _pinned(self, config: TeacherConfig) -> TeacherConfig:
        """Name the commit of a model on the hub that the stages were told of, so that no other is loaded later."""
        commits = [content.get("commit") for known, content in self._identities if known == config]
        if isinstance(config, TransformersTeacherConfig) and commits and commits[0]:
            return replace(config, revision=commits[0])
        return config

    def teacher(self, direction: Direction) -> Teacher:
        """The teacher of a direction; one is in memory at a time, the last that was asked for."""
        if self._loaded is None or self._loaded[0] != direction:
            self.release_teachers()
            config = self._pinned(self.recipe.teachers[direction])
            with settings_at(self.recipe.teacher_places[direction]):
                teacher = load_teacher(config, direction=direction, device=self.recipe.training.device)
            self._loaded = (direction, teacher)
        return self._loaded[1]

    def online_teacher(self, direction: Direction) -> OnlineTeacher:
        """Load the teacher of a direction for the training step, where nothing is searched for."""
        config = self._pinned(self.recipe.teachers[direction])
        if isinstance(config, TransformersTeacherConfig):
            config = replace(config, engine="transformers")
        teacher = load_teacher(config, direction=direction, device=self.recipe.training.device)
        assert isinstance(teacher, OnlineTeacher)  # the recipe was checked for it
        return teacher

    def release_teachers(self) -> None:
        """Close what is loaded and give its memory back."""
        for loaded in (self._loaded, self._reverse):
            if loaded is not None:
                loaded[1].close()
        self._loaded = self._reverse = None

    def reverse_teacher(self, direction: Direction) -> Teacher | None:
        """What translates the labels of a direction back, loaded; None where the recipe wants none."""
        reverse = self.recipe.distillation.filters.reverse
        if reverse is None:
            return None
        back = direction.reversed
        if self._reverse is None or self._reverse[0] != direction:
            self._reverse = None
            config = self._pinned(reverse.teacher or self.recipe.teachers[back])
            if isinstance(config, TransformersTeacherConfig):
                config = replace(config, engine="transformers")  # nothing is searched for
            with settings_at(self.reverse_place(direction)):
                teacher = load_teacher(config, direction=back, device=self.recipe.training.device)
            self._reverse = (direction, teacher)
        return self._reverse[1]

    def reverse_place(self, direction: Direction) -> str:
        """Where the recipe sets what translates the labels of a direction back, as a dotted path."""
        reverse = self.recipe.distillation.filters.reverse
        has_own = reverse is not None and reverse.teacher is not None
        return REVERSE_TEACHER if has_own else self.recipe.teacher_places[direction.reversed]

    @property
    def sentencepiece_path(self) -> Path:
        """The student's SentencePiece model."""
        return self.vocabulary.path / SENTENCEPIECE

    def kept_ids(self) -> npt.NDArray[np.int64] | None:
        """The teacher's ids that the student keeps, or None for all."""
        import numpy as np

        path = self.vocabulary.path / KEPT_IDS
        return np.array(read_json(path), dtype=np.int64) if path.is_file() else None
