"""Ten thousand lines of anything: no crash, as many lines, and what must come through comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nmt_distill import Translator
from tests.integration.commands import run_command

LINES = 100
"""of one example; there are a hundred examples"""
WITHOUT_SHRINKING: dict[str, Any] = {
    "phases": [Phase.generate],
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
"""a hundred lines are made smaller for longer than anybody waits; the message names the line"""
PLACEHOLDERS = ("{name}", "{{ count }}", "%(size)s", "%1$s", "https://example.org/a?b=c", "me@example.org", "`make it`")
UNMISTAKABLE = ("{name}", "%(size)s", "%1$s")
"""placeholders that stay what they are whatever stands beside them"""
MARKUP = (
    "<b>",
    "</b>",
    "<br/>",
    "<a href='x'>",
    "</a>",
    "<",
    "</",
    "&amp;",
    "<!-- -->",
    "{",
    "}}",
    "{n, plural, one {",
    "`",
)
WORDS = (
    "the",
    "house",
    "Light",
    "ON",
    "42",
    "3.5",
    "e.g.",
    "Straße",
    "日本語",
    "مرحبا",
    "😀",
    "\u200f",
    "\u202e",
    "\u0301",
)

anything = st.text(st.characters(exclude_categories=()), max_size=60)
"""every plane of Unicode, control characters, halves of characters"""
fragments = st.sampled_from([
    *PLACEHOLDERS,
    *MARKUP,
    *WORDS,
    " ",
    "  ",
    ". ",
    "!",
    "\t",
    "\x00",
    "\u2028",
    "\x85",
    "\r",
])
broken = st.lists(fragments, max_size=12).map("".join)
"""markup and placeholders in no order"""
ordered = st.lists(st.sampled_from([*PLACEHOLDERS, "the", "house", "Light", "on"]), min_size=1, max_size=8).map(
    " ".join
)
"""placeholders between words, so that it is plain which there are"""


def answers(export: Path, lines: list[str]) -> list[str]:
    """Translate without a beam."""
    return Translator(export, threads=1, beam_size=1).translate(lines)


@pytest.mark.slow
@settings(max_examples=60, **WITHOUT_SHRINKING)
@given(st.lists(st.one_of(anything, broken), min_size=LINES, max_size=LINES))
def test_lines_of_anything_are_answered_one_by_one(toy_export: Path, lines: list[str]) -> None:
    found = answers(toy_export, lines)
    assert len(found) == len(lines)
    assert all(isinstance(answer, str) for answer in found)
    for answer in found:
        answer.encode()  # no half of a character is left
    assert [answer for line, answer in zip(lines, found, strict=True) if not line] == [""] * lines.count("")
    for line, answer in zip(lines, found, strict=True):
        for placeholder in UNMISTAKABLE:
            assert answer.count(placeholder) == line.count(placeholder), (line, answer)


@pytest.mark.slow
@settings(max_examples=40, **WITHOUT_SHRINKING)
@given(st.lists(ordered, min_size=LINES, max_size=LINES))
def test_placeholders_come_through_or_the_line_stays(toy_export: Path, lines: list[str]) -> None:
    for line, answer in zip(lines, answers(toy_export, lines), strict=True):
        counts = [[text.count(each) for each in PLACEHOLDERS] for text in (line, answer)]
        assert counts[0] == counts[1], (line, answer)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["the house is on. ", "x", "{name} ", "<b>", "日"])
def test_a_line_of_a_megabyte_is_answered(toy_export: Path, unit: str) -> None:
    line = (unit * (1_000_000 // len(unit.encode()) + 1))[: 1_000_000 // len(unit.encode()) * len(unit)]
    (answer,) = answers(toy_export, [line])
    assert answer
    assert answer.count("{name}") == line.count("{name}")


@pytest.mark.slow
def test_halves_of_characters_in_json_are_no_trouble(toy_export: Path, tmp_path: Path) -> None:
    source = tmp_path / "strings.json"
    source.write_text('{"a": "the \\ud800 house", "b": "on \\udfff{name}"}', encoding="ascii")
    out = tmp_path / "out.json"
    finished = run_command("translate", "--model", toy_export, "--file", source, "--output", out, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    strings = json.loads(out.read_text(encoding="utf-8"))
    assert strings.keys() == {"a", "b"}
    assert strings["b"].count("{name}") == 1
    assert (strings["a"].count("\ud800"), strings["b"].count("\udfff")) == (1, 1)
