from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.configuration import configuration_reference, load_dataclass
from nmt_distill.configuration.constraints import (
    Bounds,
    Constraint,
    Decay,
    Faults,
    LanguageTag,
    Matches,
    MultipleOf,
    NaturalInt,
    NonNegative,
    NotEmpty,
    Positive,
    PositiveInt,
    Seed,
    Share,
)
from tests.faults import faults_of

Even = Annotated[int, MultipleOf(2)]
Lower = Annotated[str, Matches("[a-z]+", "lower-case letters")]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part."""

    count: PositiveInt
    """how many"""
    rate: Decay = 0.5
    """how fast"""
    name: Lower = "part"
    """what it is called"""

    def faults(self) -> Faults:
        if self.count > 1 and self.name == "one":
            yield "name", "must not be one where count is larger"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole."""

    parts: Annotated[tuple[Part, ...], NotEmpty()]
    """of what it is made"""
    named: Mapping[str, Part] = field(default_factory=dict)
    """more of them"""
    pair: tuple[Share, Share] = (0.0, 1.0)
    """from where to where"""
    sizes: Annotated[tuple[Even, ...], NotEmpty()] | None = None
    """how large"""
    column: Annotated[int, Bounds(least=1, most=9, hint="columns are counted from 1")] = 1
    """where"""
    threads: PositiveInt | Literal["auto"] = "auto"
    """how many at once"""
    weights: dict[str, NonNegative] = field(default_factory=dict)
    """how much of each"""
    language: LanguageTag = "en"
    """of its text"""
    seed: Seed = 1
    """of all that is random"""
    patience: NaturalInt = 0
    """how long"""
    temperature: Positive = 1.0
    """how hot"""

    def faults(self) -> Faults:
        yield self._temperature_faults()
        yield self._all_part_faults()
        if self.seed == self.patience:
            yield "seed", "must differ from patience"

    def _temperature_faults(self) -> Faults:
        if self.temperature > self.column:
            yield "temperature", "must be column at most"

    def _all_part_faults(self) -> Faults:
        for number, part in enumerate(self.parts):
            yield self._part_faults(f"parts[{number}]", part)

    def _part_faults(self, where: str, part: Part) -> Faults:
        if part.rate > self.pair[1]:
            yield f"{where}.rate", "must be within the pair"


PART = {"count": 1}


@pytest.mark.parametrize(
    ("constraint", "words", "right", "wrong"),
    [
        (Bounds(least=1), "1 or more", [1, 1.5, 10**30], [0, 0.99, -1]),
        (Bounds(above=0), "above 0", [1e-9, 3], [0, -0.1]),
        (Bounds(most=5), "at most 5", [5, -9], [5.1, 6]),
        (Bounds(below=5), "below 5", [4.9, -9], [5, 6]),
        (Bounds(least=0, most=1), "from 0 to 1", [0, 0.5, 1], [-0.1, 1.1]),
        (Bounds(least=0, below=1), "from 0 to below 1", [0, 0.99], [1, -0.1]),
        (Bounds(above=0, most=1), "above 0 and at most 1", [0.1, 1], [0, 1.1]),
        (Bounds(above=0, below=1), "above 0 and below 1", [0.1, 0.9], [0, 1]),
        (MultipleOf(8), "a positive multiple of 8", [8, 800], [0, -8, 4, 12]),
        (Matches("a+", "letters a"), "letters a", ["a", "aa"], ["", "ab", "ba", "a\n"]),
        (NotEmpty(), "non-empty", [(1,), (None, None)], [()]),
    ],
)
def test_constraint_holds_and_says_itself(
    constraint: Constraint, words: str, right: list[Any], wrong: list[Any]
) -> None:
    assert str(constraint) == words
    assert [value for value in right if not constraint.holds(value)] == []
    assert [value for value in wrong if constraint.holds(value)] == []


def test_values_within_are_read() -> None:
    content = {
        "parts": [{"count": 3, "rate": 0, "name": "x"}],
        "named": {"y": PART},
        "pair": [0.25, 1],
        "sizes": [2, 4],
        "threads": 4,
        "weights": {"a": 0},
        "language": "pt-BR",
    }
    whole = load_dataclass(Whole, content, where="here")
    assert whole == Whole(
        parts=(Part(count=3, rate=0.0, name="x"),),
        named={"y": Part(count=1)},
        pair=(0.25, 1.0),
        sizes=(2, 4),
        threads=4,
        weights={"a": 0.0},
        language="pt-BR",
    )
    assert load_dataclass(Whole, {"parts": [PART], "sizes": None}, where="here").sizes is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"parts": []}, "parts must be non-empty, but is a list of 0 items instead"),
        ({"parts": [PART, {"count": 0}]}, "parts[1].count must be 1 or more, but is 0 instead"),
        ({"parts": [{}]}, "parts[0].count is missing; it must be a whole number, 1 or more"),
        (
            {"parts": [{"count": "0"}]},
            "parts[0].count must be a whole number, but is the text '0' instead; ",
        ),
        ({"parts": [{"count": 1, "name": "X1"}]}, "parts[0].name must be lower-case letters, but is the text 'X1' "),
        ({"named": {"a": {"count": -1}}}, "named.a.count must be 1 or more, but is -1 instead"),
        ({"pair": [0, 2]}, "pair[1] must be from 0 to 1, but is 2.0 instead"),
        ({"sizes": []}, "sizes must be non-empty, but is a list of 0 items instead"),
        ({"sizes": [2, 3]}, "sizes[1] must be a positive multiple of 2, but is 3 instead"),
        ({"sizes": 2}, "sizes must be a list, but is 2 instead; for a list of one write [2]"),
        ({"column": 0}, "column must be from 1 to 9, but is 0 instead; columns are counted from 1"),
        ({"threads": 0}, "threads must be a whole number, 1 or more, or auto, but is 0 instead"),
        ({"weights": {"a": -1}}, "weights.a must be 0 or more, but is -1.0 instead"),
        (
            {"language": "pt_br"},
            "language must be a language tag such as de, pt-BR or zh-Hans, but is the text ",
        ),
        ({"seed": -1}, "seed must be from 0 to 4294967295, but is -1 instead"),
        ({"seed": 2**32}, "seed must be from 0 to 4294967295, but is 4294967296 instead"),
        ({"patience": -1}, "patience must be 0 or more, but is -1 instead"),
        ({"temperature": 0}, "temperature must be above 0, but is 0.0 instead"),
    ],
)
def test_value_outside_is_told_with_its_path(content: dict[str, Any], fault: str) -> None:
    (told,) = faults_of(Whole, {"parts": [PART]} | content)
    assert told.startswith(fault)


@pytest.mark.parametrize(("tag", "end"), [("pt_br", "'pt_br' instead; write pt-BR"), ("Enx!", "'Enx!' instead")])
def test_language_tag_is_told_how_it_is_written(tag: str, end: str) -> None:
    (told,) = faults_of(Whole, {"parts": [PART], "language": tag})
    assert told.endswith(end)


def test_all_constraints_that_do_not_hold_are_told() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strict:
        size: Annotated[int, Bounds(least=10), MultipleOf(4)]

    assert faults_of(Strict, {"size": 7}) == (
        "size must be 10 or more, but is 7 instead",
        "size must be a positive multiple of 4, but is 7 instead",
    )
    assert faults_of(Strict, {"size": 8}) == ("size must be 10 or more, but is 8 instead",)


def test_wrong_types_ranges_and_unknown_keys_are_told_together_at_every_level() -> None:
    faulty_part = {"coutn": 1, "rate": "fast", "name": ""}
    content = {
        "colour": "red",
        "parts": [PART, faulty_part, 5, {"count": 0, "rate": 1, "nmae": "x"}],
        "named": {"a": faulty_part | {"count": -1}},
        "pair": ["x", 7],
        "sizes": [1, "two"],
        "column": 10,
        "threads": 1.5,
        "weights": {"a": -1, "b": None},
        "seed": -1,
        "patience": "long",
        "temperature": -1,
    }
    assert sorted(fault.split()[0] for fault in faults_of(Whole, content)) == sorted([
        "colour",
        *["parts[1].coutn", "parts[1].rate", "parts[1].name"],
        "parts[2]",
        *["parts[3].count", "parts[3].rate", "parts[3].nmae"],
        *["named.a.coutn", "named.a.count", "named.a.rate", "named.a.name"],
        *["pair[0]", "pair[1]"],
        *["sizes[0]", "sizes[1]"],
        "column",
        "threads",
        *["weights.a", "weights.b"],
        "seed",
        "patience",
        "temperature",
    ])


def test_a_value_with_a_fault_silences_only_the_checks_that_look_at_it() -> None:
    content = {
        "parts": [PART | {"rate": 0.9}, PART | {"rate": 2}, "part", {"count": "x", "rate": 0.9}],
        "pair": [0, 0.75],
        "column": 0,
        "temperature": 9,
        "seed": 3,
        "patience": 3,
    }
    assert faults_of(Whole, content) == (
        "parts[1].rate must be from 0 to below 1, but is 2.0 instead",
        "parts[2] must be a section with keys, but is the text 'part' instead",
        "parts[3].count must be a whole number, but is the text 'x' instead",
        "column must be from 1 to 9, but is 0 instead; columns are counted from 1",
        "parts[0].rate must be within the pair",
        "parts[3].rate must be within the pair",
        "seed must differ from patience",
    )


FAULTY: dict[str, st.SearchStrategy[Any]] = {
    "column": st.integers(max_value=0) | st.integers(10) | st.text(),
    "seed": st.integers(max_value=-1) | st.none(),
    "patience": st.integers(max_value=-1) | st.floats(),
    "temperature": st.floats(max_value=0) | st.booleans(),
    "language": st.sampled_from(["", "e", "EN", "pt_BR", "no!"]) | st.integers(),
    "threads": st.integers(max_value=0) | st.none(),
    "parts": st.just([]) | st.integers(),
    "colour": st.none(),
}


@given(content=st.fixed_dictionaries({}, optional=FAULTY))
def test_exactly_the_faulty_keys_are_told(content: dict[str, Any]) -> None:
    told = {fault.split()[0] for fault in faults_of(Whole, {"parts": [PART]} | content)}
    assert told == set(content)


def test_reference_shows_what_holds() -> None:
    text = configuration_reference(Whole)
    for row in (
        "| `parts` | list of section, non-empty | required |",
        "| `named` | section by name | `{}` |",
        "| `pair` | list: number, from 0 to 1; number, from 0 to 1 | `[0.0, 1.0]` |",
        "| `sizes` | list of whole number, a positive multiple of 2, non-empty, or null | `null` |",
        "| `column` | whole number, from 1 to 9 | `1` |",
        '| `threads` | whole number, 1 or more, or `auto` | `"auto"` |',
        "| `weights` | number, 0 or more by name | `{}` |",
        '| `language` | text, a language tag such as de, pt-BR or zh-Hans | `"en"` |',
        "## `parts[]`",
        "| `count` | whole number, 1 or more | required |",
        "| `rate` | number, from 0 to below 1 | `0.5` |",
        '| `name` | text, lower-case letters | `"part"` |',
    ):
        assert row in text
