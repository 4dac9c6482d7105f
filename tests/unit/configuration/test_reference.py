from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from nmt_distill.configuration import configuration_reference, field_documentation
from nmt_distill.configuration.__main__ import main


@dataclass(frozen=True, kw_only=True)
class LineFile:
    """Text, one sentence
    a line.

    More that the reference leaves out.
    """

    kind: Literal["lines"] = "lines"
    """one sentence a line"""
    path: str
    """where it is: a | b"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns."""

    kind: Literal["tsv"] = "tsv"
    """separated by tabs"""
    column: int = 0
    """counted from 0,
    from the left"""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Nothing."""

    seed: int = 1
    """of all that is random"""


@dataclass(frozen=True, kw_only=True)
class Student(Base):
    """The small model."""

    precision: Literal["int8", "float32"] | None = None
    """how it is stored"""
    weights: tuple[float, float] = (0.5, 1.0)
    """of the losses"""
    rate: float = 0.1
    no_help: bool = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything."""

    sources: tuple[LineFile | Table, ...]
    """where text comes from"""
    student: Student = field(default_factory=lambda: Student(rate=0.5, seed=7))
    """what is trained"""
    rename: dict[str, str] = field(default_factory=dict)
    """other names"""
    teacher: Table = field(default_factory=Table)
    """who knows"""


def test_every_key_below_is_documented_once() -> None:
    rows = field_documentation(Settings)
    assert list(rows) == [
        "sources",
        "student",
        "rename",
        "teacher",
        "sources[]{lines}.kind",
        "sources[]{lines}.path",
        "sources[]{tsv}.kind",
        "sources[]{tsv}.column",
        "student.seed",
        "student.precision",
        "student.weights",
        "student.rate",
        "student.no_help",
        "teacher.kind",
        "teacher.column",
    ]


def test_types_defaults_and_help() -> None:
    rows = field_documentation(Settings)
    assert rows["sources"] == ("list of section of kind `lines`, `tsv`", "required", "where text comes from")
    assert rows["rename"] == ("text by name", "{}", "other names")
    assert rows["sources[]{lines}.path"] == ("text", "required", "where it is: a | b")
    assert rows["sources[]{tsv}.column"] == ("whole number", "0", "counted from 0, from the left")
    assert rows["student.precision"] == ("`int8`, `float32` or null", "null", "how it is stored")
    assert rows["student.weights"] == ("list: number; number", "[0.5, 1.0]", "of the losses")
    assert rows["student.no_help"] == ("true/false", "true", "")
    assert rows["teacher"].default == "kind: tsv"


def test_default_of_an_outer_field_counts_for_the_inner_ones() -> None:
    rows = field_documentation(Settings)
    assert rows["student.rate"].default == "0.5"
    assert rows["student.seed"] == ("whole number", "7", "of all that is random")


def test_reference_is_markdown_with_a_table_a_section() -> None:
    text = configuration_reference(Settings, title="Recipes")
    assert text.startswith("# Recipes\n\nEverything.\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
    assert "## `sources[]{lines}`\n\nText, one sentence a line.\n\n| key " in text
    assert "| `path` | text | required | where it is: a \\| b |\n" in text
    assert text.count("\n## ") == 4
    assert "| `student` | section | see below | what is trained |" in text
    assert "\n\nSections: [`sources[]{lines}`](#sourceslines) · [`sources[]{tsv}`](#sourcestsv) · " in text


def test_section_that_stands_twice_is_told_once() -> None:
    text = configuration_reference(Settings)
    assert text.endswith("## `teacher`\n\nColumns.\n\nKeys as in [`sources[]{tsv}`](#sourcestsv).\n")


def test_module_writes_the_reference_of_a_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "configuration.md"
    assert main(["nmt_distill.languages:Direction", str(path)]) == 0
    assert "| `source` | text | required | language of the source text, BCP 47 |" in path.read_text(encoding="utf-8")
    assert main(["Direction"]) == 2
    assert capsys.readouterr().err == (
        "error: give a class and a file, such as nmt_distill.recipe:Recipe docs/configuration.md.\n"
    )
