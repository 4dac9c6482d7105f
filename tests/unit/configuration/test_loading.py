from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.configuration import load_dataclass, to_content
from nmt_distill.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class FileTeacher:
    kind: Literal["file"] = "file"
    path: str


@dataclass(frozen=True, kw_only=True)
class MarianTeacher:
    kind: Literal["marian"] = "marian"
    path: str = "model.bin"
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Student:
    model_dim: int = 256
    num_layers: int = 6
    learning_rate: float = 1e-3
    is_tied: bool = True
    activation: Literal["relu", "gelu"] = "relu"
    betas: tuple[float, float] = (0.9, 0.98)

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.learning_rate <= 0:
            yield "learning_rate", f"must be above 0, but is {self.learning_rate} instead; nothing would be learned"
        if self.model_dim % 8:
            yield "model_dim", f"must be a multiple of 8, but is {self.model_dim} instead"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    name: str
    sha256: str
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    wheel: Wheel | None = None
    rename: dict[str, str] = field(default_factory=dict)
    wheels: Mapping[str, Wheel] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Whole:
    teacher: FileTeacher | MarianTeacher
    student: Student = field(default_factory=Student)
    sources: tuple[Source, ...] = ()
    threads: int | Literal["auto"] = "auto"
    seeds: tuple[int, ...] | int = 1

    def faults(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.teacher, FileTeacher) and self.student.num_layers > 12:
            yield "student.num_layers", "must be at most 12 for a file of translations"


MINIMAL: dict[str, Any] = {"teacher": {"kind": "marian"}}


def faults_of(content: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as raised:
        load_dataclass(Whole, content, where="recipe.yaml")
    assert str(raised.value).startswith("recipe.yaml has ")
    assert "\n" not in str(raised.value)
    return raised.value.faults


def faults_with(**content: Any) -> tuple[str, ...]:
    return faults_of(MINIMAL | content)


def test_defaults_fill_what_is_not_said() -> None:
    whole = load_dataclass(Whole, MINIMAL, where="recipe.yaml")
    assert whole == Whole(teacher=MarianTeacher())


def test_everything_said_is_read() -> None:
    content = yaml.safe_load("""
        teacher: {kind: file, path: out.txt}
        student: {model_dim: 64, learning_rate: 2, is_tied: false, activation: gelu, betas: [0.5, 1]}
        sources:
          - wheel: {name: a, sha256: ff, languages: [de, "no"]}
            rename: {pt_BR: pt}
          - {}
        threads: 4
        seeds: [1, 2]
    """)
    assert load_dataclass(Whole, content, where="recipe.yaml") == Whole(
        teacher=FileTeacher(path="out.txt"),
        student=Student(model_dim=64, learning_rate=2.0, is_tied=False, activation="gelu", betas=(0.5, 1.0)),
        sources=(
            Source(wheel=Wheel(name="a", sha256="ff", languages=("de", "no")), rename={"pt_BR": "pt"}),
            Source(),
        ),
        threads=4,
        seeds=(1, 2),
    )


def test_whole_number_becomes_float_where_a_number_is_wanted() -> None:
    student = load_dataclass(Student, {"learning_rate": 1}, where="here")
    assert isinstance(student.learning_rate, float)


def test_exponent_without_point_is_a_number_though_yaml_takes_it_for_text() -> None:
    content = yaml.safe_load("learning_rate: 2e-3")
    assert content == {"learning_rate": "2e-3"}
    assert load_dataclass(Student, content, where="here").learning_rate == 0.002


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"student": {"model_dmi": 8}}, "student.model_dmi is not a known key; did you mean `model_dim`?"),
        (
            {"student": {"xyz": 8}},
            "student.xyz is not a known key; known are: model_dim, num_layers, learning_rate, is_tied, activation, ",
        ),
        ({"student": {"a\nb": 8}}, r"student.'a\nb' is not a known key; known are: "),
        ({"student": {"": 8}}, "student.'' is not a known key; known are: "),
        ({"student": {None: 8}}, "student.null (nothing) is not a known key; known are: "),
        ({"student": {"model_dim": True}}, "student.model_dim must be a whole number, but is true instead"),
        ({"student": {"model_dim": 8.0}}, "student.model_dim must be a whole number, but is 8.0 instead"),
        (
            {"student": {"model_dim": "8"}},
            "student.model_dim must be a whole number, but is the text '8' instead; remove the quotes",
        ),
        ({"student": {"learning_rate": False}}, "student.learning_rate must be a number, but is false instead"),
        (
            {"student": {"learning_rate": "0.1"}},
            "student.learning_rate must be a number, but is the text '0.1' instead; remove the quotes",
        ),
        (
            {"student": {"learning_rate": math.inf}},
            "student.learning_rate must be a number, but is inf instead; it must be finite",
        ),
        (
            {"student": {"learning_rate": math.nan}},
            "student.learning_rate must be a number, but is nan instead; it must be finite",
        ),
        ({"student": {"learning_rate": 10**400}}, "student.learning_rate must be a number, but is 1000"),
        ({"student": {"is_tied": 1}}, "student.is_tied must be true or false, but is 1 instead"),
        (
            {"student": {"activation": "rellu"}},
            "student.activation must be one of relu, gelu, but is the text 'rellu' instead; did you mean `relu`?",
        ),
        ({"student": {"activation": None}}, "student.activation must be one of relu, gelu, but is null (nothing) "),
        ({"student": {"betas": [0.9]}}, "student.betas must be a list of 2 items, but is a list of 1 item instead"),
        ({"student": {"betas": [0.9, "x"]}}, "student.betas[1] must be a number, but is the text 'x' instead"),
        (
            {"student": None},
            "student must be a section with keys, but is null (nothing) instead; give its keys, or remove it",
        ),
        ({"student": [1]}, "student must be a section with keys, but is a list of 1 item instead"),
        ({"sources": {"wheel": None}}, "sources must be a list, but is a section with keys instead"),
        ({"sources": 5}, "sources must be a list, but is 5 instead; for a list of one write [5]"),
        ({"sources": [{}, 5]}, "sources[1] must be a section with keys, but is 5 instead"),
        ({"sources": [{"wheel": {"name": "a"}}]}, "sources[0].wheel.sha256 is missing; it must be text"),
        ({"sources": [{"wheel": 5}]}, "sources[0].wheel must be a section with keys, but is 5 instead"),
        ({"threads": "atuo"}, "threads must be a whole number or auto, but is the text 'atuo' instead"),
        ({"threads": 1.5}, "threads must be a whole number or auto, but is 1.5 instead"),
        ({"seeds": [1, "b"]}, "seeds[1] must be a whole number, but is the text 'b' instead"),
        (
            {"teacher": {"kind": "marain"}},
            "teacher.kind must be one of file, marian, but is the text 'marain' instead; did you mean `marian`?",
        ),
        ({"teacher": {"kind": 3}}, "teacher.kind must be one of file, marian, but is 3 instead"),
        ({"teacher": {"path": "x"}}, "teacher.kind is missing; it must be one of file, marian"),
        ({"teacher": {"kind": "file"}}, "teacher.path is missing; it must be text"),
        ({"teacher": "x"}, "teacher must be a section with keys, but is the text 'x' instead"),
        ({"teacher": {"kind": "marian", "sha256": 7}}, "teacher.sha256 must be text, but is 7 instead"),
    ],
)
def test_fault_is_told_with_its_path(content: dict[str, Any], fault: str) -> None:
    (told,) = faults_with(**content)
    assert told.startswith(fault)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (False, "false instead; YAML reads no, off and false as a truth value unless quoted: put the text in quotes"),
        (True, "true instead; YAML reads yes, on and true as a truth value unless quoted: put the text in quotes"),
        (datetime.date(2026, 11, 2), "the date 2026-11-02 instead; YAML reads it as a date unless quoted"),
        (1.1, "1.1 instead; YAML reads it as a number unless quoted: put the text in quotes"),
    ],
)
def test_text_that_yaml_read_as_something_else_wants_quotes(value: object, hint: str) -> None:
    (fault,) = faults_with(sources=[{"wheel": {"name": "a", "sha256": "b", "languages": ["de", value]}}])
    assert fault.startswith(f"sources[0].wheel.languages[1] must be text, but is {hint}")


def test_unquoted_no_as_a_name_wants_quotes() -> None:
    (fault,) = faults_with(sources=[{"rename": yaml.safe_load("no: nb")}])
    assert fault.startswith("sources[0].rename.false must have text as its key, but false is none; YAML reads no, off")


def test_values_of_a_mapping_are_checked() -> None:
    (fault,) = faults_with(sources=[{"rename": {"pt": ["x"]}}])
    assert fault == "sources[0].rename.pt must be text, but is a list of 1 item instead"
    (fault,) = faults_with(sources=[{"rename": ["x"]}])
    assert fault == "sources[0].rename must be a section with keys, but is a list of 1 item instead"


def test_objects_by_name_are_read_and_checked() -> None:
    content = {"wheels": {"a": {"name": "n", "sha256": "s"}}}
    assert load_dataclass(Source, content, where="here").wheels == {"a": Wheel(name="n", sha256="s")}
    (fault,) = faults_with(sources=[{"wheels": {"a": {"name": "n"}}}])
    assert fault == "sources[0].wheels.a.sha256 is missing; it must be text"


def test_long_text_is_cut_in_the_message() -> None:
    (fault,) = faults_with(seeds="x" * 1000)
    assert len(fault) < 200


def test_all_faults_are_told_together_and_ranges_with_types() -> None:
    faults = faults_of({
        "teecher": 1,
        "student": {"model_dim": 7, "num_layers": "six", "learning_rate": -1.0},
        "sources": [{"wheel": {}}],
        "color": "red",
    })
    assert [fault.split()[0] for fault in faults] == [
        "teecher",
        "color",
        "student.num_layers",
        "student.learning_rate",
        "student.model_dim",
        "sources[0].wheel.name",
        "sources[0].wheel.sha256",
    ]


def test_missing_key_that_was_only_mistyped_is_told_once() -> None:
    (fault,) = faults_of({"teachr": {"kind": "marian"}})
    assert fault == "teachr is not a known key; did you mean `teacher`?"


def test_own_faults_of_a_nested_object_begin_with_its_path() -> None:
    (fault,) = faults_with(student={"learning_rate": -1})
    assert fault == "student.learning_rate must be above 0, but is -1.0 instead; nothing would be learned"


def test_own_faults_across_objects_are_asked_of_the_outer_one() -> None:
    (fault,) = faults_of({"teacher": {"kind": "file", "path": "x"}, "student": {"num_layers": 13}})
    assert fault == "student.num_layers must be at most 12 for a file of translations"


@pytest.mark.parametrize("teacher", [{"kind": "fiel"}, {"kind": 1}, 5])
def test_no_fault_is_made_up_from_a_value_that_could_not_be_read(teacher: object) -> None:
    (fault,) = faults_of({"teacher": teacher, "student": {"num_layers": 13}})
    assert fault.startswith("teacher")


def test_content_that_is_no_mapping() -> None:
    with pytest.raises(RecipeError, match=r"^here has 1 fault: the content must be a section with keys, but is 5 "):
        load_dataclass(Whole, 5, where="here")  # type: ignore[arg-type]


def test_field_of_a_type_that_yaml_cannot_hold_is_a_programming_error() -> None:
    odd = dataclasses.make_dataclass("Odd", [("field", bytes)], frozen=True, kw_only=True)
    with pytest.raises(TypeError, match="cannot have a field of type <class 'bytes'>"):
        load_dataclass(odd, {"field": "x"}, where="here")


texts = st.text(max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
wheels = st.builds(Wheel, name=texts, sha256=texts, languages=st.lists(texts, max_size=3).map(tuple))
wholes = st.builds(
    Whole,
    teacher=st.one_of(st.builds(FileTeacher, path=texts), st.builds(MarianTeacher, sha256=st.none() | texts)),
    student=st.builds(
        Student,
        model_dim=st.integers(1, 100).map(lambda number: 8 * number),
        num_layers=st.integers(0, 12),
        learning_rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
        is_tied=st.booleans(),
        activation=st.sampled_from(["relu", "gelu"]),
        betas=st.tuples(floats, floats),
    ),
    sources=st.lists(
        st.builds(Source, wheel=st.none() | wheels, rename=st.dictionaries(texts, texts, max_size=3)), max_size=3
    ).map(tuple),
    threads=st.integers() | st.just("auto"),
    seeds=st.lists(st.integers()).map(tuple) | st.integers(),
)


@given(whole=wholes)
def test_content_reads_back_to_the_same_object(whole: Whole) -> None:
    content = to_content(whole)
    assert load_dataclass(Whole, content, where="here") == whole
    assert to_content(load_dataclass(Whole, content, where="here")) == content


keys = texts | st.sampled_from(["teacher", "student", "sources", "kind", "wheel", "seeds"])
scalars = st.none() | st.booleans() | st.integers() | floats | texts | st.dates()
contents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


@given(content=contents)
def test_whatever_stands_in_yaml_is_refused_in_words(content: Any) -> None:
    with pytest.raises(RecipeError) as raised:
        load_dataclass(Wheel, content, where="here")
    assert all(" " in fault and "\n" not in fault for fault in raised.value.faults)
