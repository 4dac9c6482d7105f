"""What a report is: systems, test sets, scores, in frozen records that go to JSON and come back."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.background import Background
from nmt_distill.evaluation.efficiency import Efficiency
from nmt_distill.evaluation.metrics import Measure, Scores
from nmt_distill.evaluation.risks import Risks
from nmt_distill.evaluation.sentence_vectors import EmbeddingScores, LanguageScores, SentenceMap
from nmt_distill.evaluation.significance import Comparison
from nmt_distill.evaluation.speed import Machine, Speed
from nmt_distill.files import read_json

FORMAT_VERSION = 5
READABLE_VERSIONS = (2, 3, 4, 5)
"""those before lack what has a default here"""

_Record = TypeVar("_Record")
Role = Literal["teacher", "student", "export", "baseline", "peer"]


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that translates."""

    name: str
    """as the tables print it"""
    role: Role
    """what it is in the story"""
    description: str = ""
    """one sentence: what it is made of, which engine runs it"""
    num_parameters: int | None = None
    """parameters of the model, shared ones counted once"""
    num_bytes: int | None = None
    """bytes on disk of what has to be shipped to translate"""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """What one system made of one line."""

    system: str
    """its name"""
    text: str | None
    """the translation"""
    chrf: float
    """its sentence chrF2++ against the reference"""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One line of a test set with what systems made of it; the text is absent where it may not be published."""

    line: int
    """counted from 1"""
    source: str | None
    """source text"""
    reference: str | None
    """human translation"""
    translations: tuple[Translation, ...]
    """of each system that is shown"""


@dataclass(frozen=True, kw_only=True)
class OutsideScore:
    """What an outside program such as COMET gives the outputs of a system."""

    metric: str
    """as the tables print it"""
    value: float
    """mean over the sentences, in the program's own unit"""
    lower: float
    """2.5 % quantile over bootstrap resamples of the test set"""
    upper: float
    """97.5 % quantile over bootstrap resamples of the test set"""
    command: str
    """the program that gave it"""


@dataclass(frozen=True, kw_only=True)
class NoisyScore:
    """One system on a test set after noise."""

    system: str
    """its name"""
    bleu: Measure
    """against the references of the noisy test set"""
    chrf: Measure
    """against the references of the noisy test set"""


@dataclass(frozen=True, kw_only=True)
class NoisyScores:
    """All systems on a test set after one kind of noise."""

    noise: str
    """which"""
    num_changed: int
    """sources that differ from the clean ones"""
    seed: int
    """of the noise"""
    systems: tuple[NoisyScore, ...]
    """in the order of the tables"""


@dataclass(frozen=True, kw_only=True)
class SystemScores:
    """One system on one test set."""

    system: str
    """its name"""
    scores: Scores
    """against the references"""
    agreement: Measure | None
    """chrF2++ of its output against the teacher's output"""
    teacher_share: float | None
    """its chrF2++ over the teacher's chrF2++, in percent"""
    risks: Risks
    """how often it fails in ways that an average hides"""
    speed: Speed | None = None
    """measured on the sources of this test set"""
    outside: tuple[OutsideScore, ...] = ()
    """scores by outside programs"""


@dataclass(frozen=True, kw_only=True)
class TestSetScores:
    """All systems on one test set."""

    __test__ = False

    name: str
    """as the tables print it"""
    source: str
    """language of the sources, BCP 47"""
    target: str
    """language of the translations, BCP 47"""
    num_sentences: int
    """how many sentences it has"""
    origin: str
    """where the text is from, and how the sample is drawn"""
    licence: str
    """of the text"""
    text_may_be_published: bool
    """whether its sentences may stand in a report that is kept in a repository"""
    systems: tuple[SystemScores, ...]
    """in the order of the tables"""
    reference_risks: Risks
    """the same counts for the references, to compare with"""
    references_by: Literal["human", "teacher"] = "human"
    """who has translated them: of the teacher's references the scores say how well it is imitated"""
    comparisons: tuple[Comparison, ...] = ()
    """tests of significance"""
    examples: tuple[Sentence, ...] = ()
    """sentences evenly spaced over the set, not chosen by score"""
    focus: str | None = None
    """the system whose worst sentences are shown"""
    worst: tuple[Sentence, ...] = ()
    """where the focus loses most chrF2++ against the teacher"""
    changed: tuple[Sentence, ...] = ()
    """where the output of the focus differs most from the teacher's, whatever the references say"""
    robustness: tuple[NoisyScores, ...] = ()
    """the same sentences after noise"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the written report says."""

    title: str
    """heading"""
    systems: tuple[System, ...]
    """every system that appears in a test set"""
    test_sets: tuple[TestSetScores, ...]
    """in the order of the report"""
    machine: Machine
    """where speed was measured"""
    command: str
    """the command that makes the report again"""
    teacher: str | None = None
    """name of the system that agreement and share refer to"""
    imitator: str | None = None
    """name of the system that reads lines as the teacher does, whose share tells what distillation kept; None where the
    focus of each test set does"""
    speed_reference: str | None = None
    """name of the system whose speed counts as 1"""
    embeddings: tuple[EmbeddingScores, ...] = ()
    """what sentence vectors are worth, where the student has any"""
    sentence_maps: tuple[SentenceMap, ...] = ()
    """pictures of them"""
    languages: LanguageScores | None = None
    """how well a head on the student's states tells languages apart; None where that was not measured"""
    notes: tuple[str, ...] = ()
    """what a reader must know"""
    created: str = ""
    """date, ISO 8601"""
    efficiency: tuple[Efficiency, ...] = ()
    """latency, throughput and memory of systems in processes of their own"""
    background: Background = field(default_factory=Background)
    """how the students came about"""
    format_version: int = FORMAT_VERSION
    """of the JSON"""

    def system(self, name: str) -> System:
        """Return the system of that name.

        :raises NmtDistillError: if there is none
        """
        for system in self.systems:
            if system.name == name:
                return system
        raise NmtDistillError(f"The report has no system `{name}`; it has {', '.join(s.name for s in self.systems)}.")

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-like content."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: Any, where: str = "The report") -> Report:
        """Make a report from JSON-like content.

        :param where: what the content is called in messages
        :raises NmtDistillError: if it is none, with the dotted path of the first fault
        """
        version = content.get("format_version") if isinstance(content, dict) else None
        if version not in READABLE_VERSIONS:
            raise NmtDistillError(
                f"{where}: `format_version` must be {FORMAT_VERSION}, but is {version!r} instead; make the report "
                "again by `nmt-distill evaluate`."
            )
        return decode_record(Report, content, where)

    def without_private_text(self) -> Report:
        """Return the report as it may be kept in a repository: lines of test sets that forbid it only as numbers."""
        test_sets = tuple(
            test_set
            if test_set.text_may_be_published
            else dataclasses.replace(
                test_set,
                examples=(),
                worst=tuple(map(_without_text, test_set.worst)),
                changed=tuple(map(_without_text, test_set.changed)),
            )
            for test_set in self.test_sets
        )
        return dataclasses.replace(self, test_sets=test_sets)


def decode_record(kind: type[_Record], content: Any, where: str) -> _Record:
    """Turn JSON-like content into a frozen record.

    :param where: what the content is called in messages
    :raises NmtDistillError: with the dotted path of the first fault
    """
    return typing.cast(_Record, _decode(kind, content, where, ""))


def read_report(path: Path) -> Report:
    """Read a report from its JSON file.

    :raises NmtDistillError: if the file is missing, damaged or no report
    """
    return Report.from_json(read_json(path), str(path))


def _without_text(sentence: Sentence) -> Sentence:
    translations = tuple(dataclasses.replace(translation, text=None) for translation in sentence.translations)
    return dataclasses.replace(sentence, source=None, reference=None, translations=translations)


def _decode(kind: Any, value: Any, where: str, at: str) -> Any:
    """Turn JSON-like ``value`` into ``kind``: a record, tuple, literal, union with None or plain value."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        prefix = f"{at}." if at else ""
        for field in dataclasses.fields(kind):
            has_default = {field.default, field.default_factory} != {dataclasses.MISSING}
            if field.name not in value and not has_default:
                raise NmtDistillError(f"{where}: `{prefix}{field.name}` is missing.")
        for key in value:
            if key not in hints:
                raise NmtDistillError(f"{where}: `{prefix}{key}` is not a field of a report.")
        return kind(**{key: _decode(hints[key], item, where, prefix + key) for key, item in value.items()})
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (kept,) = (argument for argument in arguments if argument is not type(None))
        return _decode(kept, value, where, at)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item, where, f"{at}.{index}") for index, item in enumerate(value))
    if origin is Literal and value in arguments:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise NmtDistillError(f"{where}: `{at}` is {value!r:.60}, which does not belong there.")
