"""What the class answers to arguments that a program may hand it."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nmt_distill
from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.sentence import Candidate
from nmt_distill.translation.translator import Translator


@pytest.fixture(scope="module")
def translator(toy_export: Path) -> Translator:
    return Translator(toy_export, threads=1)


def test_the_package_names_what_the_library_offers() -> None:
    assert {"Candidate", "NmtDistillError", "Translator", "__version__"} <= {*dir(nmt_distill)}
    assert nmt_distill.Translator is Translator
    assert nmt_distill.NmtDistillError is NmtDistillError
    assert nmt_distill.Candidate is Candidate
    with pytest.raises(AttributeError, match="has no attribute 'translator_'"):
        _ = nmt_distill.translator_


@pytest.mark.parametrize("setting", ["threads", "beam_size"])
@pytest.mark.parametrize("value", ["2", 2.5, True])
def test_settings_of_another_type_are_told(toy_export: Path, setting: str, value: Any) -> None:
    settings = {"threads": 1, setting: value}
    with pytest.raises(NmtDistillError, match=rf"`{setting}` must be a whole number from 1 to 256, but is {value!r}"):
        Translator(toy_export, **settings)


@pytest.mark.parametrize("value", ["2", 2.5, True])
def test_counts_of_another_type_are_told(translator: Translator, value: Any) -> None:
    expected = rf"`num_candidates` must be a whole number from 1 to 256, but is {value!r} instead"
    with pytest.raises(NmtDistillError, match=expected):
        translator.candidates(["stop"], num_candidates=value)
    with pytest.raises(NmtDistillError, match=rf"`window` must be at least 1, but is {value!r} instead"):
        translator.translate_lines(["stop"], window=value)


def test_so_many_candidates_are_refused(translator: Translator) -> None:
    with pytest.raises(NmtDistillError, match="`num_candidates` must be a whole number from 1 to 256, but is 257"):
        translator.candidates(["stop"], num_candidates=257)


@pytest.mark.parametrize("lines", [None, 5])
def test_what_holds_no_lines_is_told(translator: Translator, lines: Any) -> None:
    for function in (translator.translate, translator.candidates, translator.translate_lines):
        with pytest.raises(TypeError, match=r"`lines` must be several texts, such as a list; for one write \[text\]"):
            function(lines)


def test_markdown_is_true_or_not(translator: Translator) -> None:
    marked: Any = "yes"
    assert translator.translate(["*Stop*"], markdown=marked) == translator.translate(["*Stop*"], markdown=True)


def test_lines_may_come_from_any_iterable(translator: Translator) -> None:
    lines = ["Stop the music", "Open the door"]
    answers = translator.translate(lines)
    assert translator.translate(line for line in lines) == answers
    assert translator.translate(tuple(lines)) == answers
    assert translator.translate(np.array(lines)) == answers
    assert translator.translate(dict.fromkeys(lines)) == answers
    one: Any = np.int64(1)
    found = translator.candidates((line for line in lines), num_candidates=one)
    assert [row[0].text for row in found] == answers


@pytest.mark.parametrize("name", ["source", "target"])
def test_a_language_of_another_type_is_told(translator: Translator, name: str) -> None:
    with pytest.raises(TypeError, match=rf"`{name}` must be a language tag such as 'de', but is 5 instead"):
        translator.translate(["stop"], **{name: 5})  # type: ignore[arg-type]


def test_a_stream_tells_a_wrong_language_at_once(translator: Translator) -> None:
    with pytest.raises(NmtDistillError, match="`xx` is not a language of this model"):
        translator.translate_lines(iter([]), target="xx")


def test_a_stream_may_be_marked_up(translator: Translator) -> None:
    lines = ["# Stop [the music](a.md)"]
    assert list(translator.translate_lines(lines, markdown=True)) == translator.translate(lines, markdown=True)


def test_it_says_what_it_is(translator: Translator, toy_export: Path) -> None:
    assert repr(translator) == f"Translator({str(toy_export)!r}: en-pt-BR)"
    assert [*map(str, translator.directions)] == ["en-pt-BR"]
    assert repr(Candidate(text="x")) == "Candidate(text='x', log_prob=0.0, num_tokens=0)"


def test_it_stays_in_its_process(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    for function in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a Translator cannot be pickled or copied; make one in each process"):
            function(translator)
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)
    with pytest.raises(NmtDistillError, match="this Translator was made in another process; make one in each"):
        translator.translate(["stop"])
