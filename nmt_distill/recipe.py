"""A recipe: everything that a run depends on, in one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from nmt_distill.configuration import apply_overrides, load_dataclass, read_yaml
from nmt_distill.configuration.constraints import Faults, LanguageTag, Matches, NotEmpty
from nmt_distill.corpus.config import CorpusConfig
from nmt_distill.corpus.sources import Source
from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.embedding.config import EmbeddingConfig, embedding_faults
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.config import EvaluationConfig
from nmt_distill.export.config import ExportConfig
from nmt_distill.languages import Direction
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.presets import with_preset, without_shape
from nmt_distill.teacher.config import TeacherConfig
from nmt_distill.training.config import TrainingConfig
from nmt_distill.training.phase_faults import phase_faults
from nmt_distill.vocabulary.trimming import VocabularyConfig

RECIPE_NAME = "recipe.yaml"


@dataclass(frozen=True, kw_only=True)
class DirectionConfig:
    """One of the directions that the student translates."""

    source: LanguageTag
    """language of the source text, BCP 47"""
    target: LanguageTag
    """language of the translations, BCP 47"""
    teacher: TeacherConfig | None = None
    """the large model of this direction; null takes that of the recipe"""

    @property
    def direction(self) -> Direction:
        """From which language to which."""
        return Direction(source=self.source, target=self.target)

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        if self.source == self.target:
            yield "target", f"must be another language than source, but both are {self.source}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A distillation from text to a student that is scored and exported."""

    name: Annotated[str, Matches(r"[^/\\\s.][^/\\\r\n]*", "the name of a folder, without / and no dot or space first")]
    """name of the model and of the run folder, `runs/NAME`; without it, the name of the recipe's file or folder"""
    description: str = ""
    """one sentence for people"""
    teacher: TeacherConfig | None = None
    """the large model, for all directions that name no teacher of their own; not needed to learn from human
    translations alone"""
    directions: Annotated[tuple[DirectionConfig, ...], NotEmpty()]
    """from which languages to which the student translates; with several target languages a tag such as `>>de<<` before
    the source names the target"""
    reuse: str | None = None
    """another run, by its name beside this one or by path; its finished stages are used here if their fingerprints fit,
    as are those that it has reused itself"""
    corpus: CorpusConfig
    """where text comes from, what is dropped, and what is held out"""
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    """the SentencePiece model of the student"""
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    """how the teacher labels the text, and what is stored"""
    student: StudentConfig = field(default_factory=StudentConfig)
    """shape and start of the small model"""
    embedding: EmbeddingConfig | None = None
    """sentence vectors that the student learns as well; null learns none"""
    training: TrainingConfig
    """phases, losses and settings of training"""
    export: ExportConfig = field(default_factory=ExportConfig)
    """in which formats and precisions the student is exported, and how that is checked"""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """on what the finished systems are measured"""

    @property
    def teachers(self) -> dict[Direction, TeacherConfig]:
        """The large model of each direction, in the order of the recipe."""
        given = {entry.direction: entry.teacher or self.teacher for entry in self.directions}
        return {direction: teacher for direction, teacher in given.items() if teacher is not None}  # the faults tell

    @property
    def teacher_places(self) -> dict[Direction, str]:
        """Where the teacher of each direction is set, as a dotted path."""
        own = {entry.direction: index for index, entry in enumerate(self.directions) if entry.teacher is not None}
        places = {entry.direction: "teacher" for entry in self.directions}
        return places | {direction: f"directions[{index}].teacher" for direction, index in own.items()}

    @property
    def teacher_configs(self) -> list[tuple[str, TeacherConfig | None]]:
        """Where the teacher of each direction is set, and the teacher, None where one is missing (the faults tell)."""
        places = self.teacher_places
        return [(places[entry.direction], entry.teacher or self.teacher) for entry in self.directions]

    def faults(self) -> Faults:
        """Yield what is wrong across fields."""
        yield self._direction_faults()
        yield self._source_faults()
        yield self._split_faults()
        yield self._teacher_faults()
        yield self._initialization_faults()
        yield self._search_faults()
        yield self._forced_faults()
        yield self._reverse_faults()
        yield self._vocabulary_faults()
        yield self._training_faults()
        yield self._embedding_faults()
        yield self._export_faults()

    def _direction_faults(self) -> Faults:
        met: set[Direction] = set()
        for index, entry in enumerate(self.directions):
            if entry.direction in met:
                yield (
                    f"directions[{index}]",
                    f"must differ from those before it, but is {entry.direction} again",
                )
            met.add(entry.direction)

    def _source_faults(self) -> Faults:
        for index, source in enumerate(self.corpus.sources):
            yield self._language_faults(f"corpus.sources[{index}]", source)

    @property
    def _has_pairs(self) -> bool:
        return any(source.has_pairs for source in self.corpus.sources)

    def _split_faults(self) -> Faults:
        split, where = self.corpus.split, "corpus.split.references"
        by_teacher = split.references == "teacher"
        targets = self.distillation.targets
        if targets != "teacher" and not self._has_pairs:
            yield "corpus.sources", f"must hold a source of pairs where distillation.targets is {targets}"
        elif targets != "teacher" and by_teacher:
            yield where, f"must be human where distillation.targets is {targets}, but is teacher"
        elif not by_teacher and split.num_dev + split.num_test > 0 and not self._has_pairs:
            yield (
                where,
                "must be teacher where no source has pairs, but is human: held-out text is then judged by the "
                "teacher's translations; or add a source of pairs",
            )

    def _language_faults(self, where: str, source: Source) -> Faults:
        missing = [key for key in source.language_keys if getattr(source, key) is None]
        given = len(source.language_keys) - len(missing)
        if missing and (given or len(self.directions) > 1):
            reason = "where the other language is" if given else "where the recipe has several directions"
            for key in missing:
                yield f"{where}.{key}", f"must be given {reason}"
        elif not any(source.serves(entry.direction) for entry in self.directions):
            yield (
                where,
                f"serves none of the directions ({', '.join(str(entry.direction) for entry in self.directions)})",
            )

    def _teacher_faults(self) -> Faults:
        lacking = [f"directions[{index}]" for index, entry in enumerate(self.directions) if entry.teacher is None]
        if lacking and self.teacher is None and (self.distillation.targets == "teacher" or self.teachers):
            yield (
                "teacher",
                f"must be given, since {', '.join(lacking)} has none of its own; without any teacher a model learns "
                "from people's translations (distillation.targets=human)",
            )

    def _initialization_faults(self) -> Faults:
        student, teacher = self.student, self._first_teacher
        if student.initialization == "random" or student.initialize_from is not None:
            return
        if teacher is None:
            if self.distillation.targets == "human":
                yield "student.initialization", "must be random where the recipe has no teacher"
            return
        graphs = teacher.student_graphs
        if graphs is None:
            yield "student.initialization", f"must be random where {self._first_place}.kind is {teacher.kind}"
        elif student.initialization == "teacher" and not graphs:
            yield (
                "student.initialization",
                "must be embeddings or random, since no student's graph has layers like this teacher's, but is teacher",
            )
        elif student.initialization == "teacher" and student.graph not in graphs:
            yield (
                "student.graph",
                f"must be {' or '.join(graphs)}, the graph of this teacher's weights, but is {student.graph}; or set "
                "student.initialization to embeddings or random",
            )

    @property
    def _first_teacher(self) -> TeacherConfig | None:
        """The teacher whose vocabulary and weights a student takes over: that of the first direction."""
        return self.directions[0].teacher or self.teacher

    @property
    def _first_place(self) -> str:
        return self.teacher_places[self.directions[0].direction]

    def _search_faults(self) -> Faults:
        distillation = self.distillation
        if distillation.targets != "teacher":
            return
        teachers, places = self.teachers, self.teacher_places
        searchless = [each for each, teacher in teachers.items() if not teacher.searches]
        if searchless and distillation.beam_size > 1:
            first = searchless[0]
            yield (
                "distillation.beam_size",
                f"must be 1 where {places[first]}.kind is {teachers[first].kind}, which searches in its own way, but "
                f"is {distillation.beam_size} instead",
            )
        most = distillation.beam_size
        if not searchless and distillation.sampling is None and distillation.num_candidates > most:
            yield (
                "distillation.num_candidates",
                f"must be at most beam_size ({most}), but is {distillation.num_candidates} instead",
            )

    def _forced_faults(self) -> Faults:
        if self.distillation.targets != "forced":
            return
        blind = [
            f"{place}.kind is {teacher.kind}"
            for place, teacher in self.teacher_configs
            if teacher and not teacher.shows_probabilities
        ]
        if blind:
            yield (
                "distillation.targets",
                f"must be teacher or human where {blind[0]}, which shows no probabilities of human "
                "translations, but is forced",
            )

    def _reverse_faults(self) -> Faults:
        reverse = self.distillation.filters.reverse
        if reverse is None or reverse.teacher is not None:
            return
        where, teachers = "distillation.filters.reverse.teacher", self.teachers
        for back in (direction.reversed for direction in teachers):
            if back not in teachers:
                yield where, f"must be given, since no direction is {back}"
            elif not teachers[back].shows_probabilities:
                yield where, f"must be given, since the teacher of {back} shows translations alone, no probabilities"

    def _vocabulary_faults(self) -> Faults:
        teacher = self._first_teacher
        if self.vocabulary.size is not None:
            return
        if teacher is None and self.distillation.targets == "human":
            yield "vocabulary.size", "must be given where the recipe has no teacher; 8000 to 32000 is usual"
        elif teacher is not None and not teacher.shows_probabilities:
            yield (
                "vocabulary.size",
                f"must be given where {self._first_place}.kind is {teacher.kind}: it shows no vocabulary that a "
                "student could share; 8000 to 32000 is usual",
            )

    def _training_faults(self) -> Faults:
        for index, phase in enumerate(self.training.phases):
            yield phase_faults(f"training.phases[{index}]", phase, self)

    def _embedding_faults(self) -> Faults:
        weights = [phase.embedding_weight for phase in self.training.phases]
        yield embedding_faults(self.embedding, weights, [teacher for _, teacher in self.teacher_configs])

    def _export_faults(self) -> Faults:
        if "fairseq2" in self.export.formats and self.student.graph != "nllb":
            yield (
                "export.formats",
                f"must not name fairseq2 where student.graph is {self.student.graph}: it has no such graph",
            )


def load_recipe(path: Path, overrides: Sequence[str] = (), *, export_profile: Path | None = None) -> Recipe:
    """Read a recipe and apply ``--set`` overrides.

    :param export_profile: YAML whose keys take the place of those of the recipe's section ``export``
    :raises RecipeError: with every fault at once
    """
    content: dict[str, Any] = read_yaml(path)
    content.setdefault("name", path.resolve().parent.name if path.name == RECIPE_NAME else path.stem)
    if export_profile is not None:
        content["export"] = dict(content.get("export") or {}) | read_yaml(export_profile)
    if any(override.partition("=")[0].strip() == "student.preset" for override in overrides):
        content["student"] = without_shape(content.get("student") or {})  # a preset that is chosen now replaces it
    content = apply_overrides(content, overrides)
    if "student" in content:
        content["student"] = with_preset(content["student"])
    return load_dataclass(Recipe, content, where=str(path))


def find_recipe(name: str) -> Path:
    """Find a recipe: a path, then ``recipes/NAME/recipe.yaml`` here, then the recipes inside the installed package.

    :raises NmtDistillError: if there is none; the message lists the known names
    """
    path = Path(name)
    if path.is_file():
        return path
    folders = [Path("recipes"), Path(__file__).parent / "recipes", Path(__file__).parent.parent / "recipes"]
    for folder in folders:
        if (folder / name / RECIPE_NAME).is_file():
            return folder / name / RECIPE_NAME
    if Path(f"{name}.yaml").is_file():
        raise NmtDistillError(f"`{name}` is neither a file nor a recipe; did you mean {name}.yaml?")
    known = sorted({found.parent.name for folder in folders for found in folder.glob(f"*/{RECIPE_NAME}")})
    raise NmtDistillError(f"`{name}` is neither a file nor a recipe; there are: {', '.join(known)}.")
