"""What a contest measures of systems that the test invents, and that a recipe's keys ask for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nmt_distill.evaluation.config import EvaluationConfig
from nmt_distill.evaluation.outside_metrics import OutsideMetricConfig
from nmt_distill.evaluation.report import System
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.languages import Direction
from nmt_distill.scoring import contest as contest_module
from nmt_distill.scoring import scoreboard
from nmt_distill.scoring.contest import Contest
from nmt_distill.scoring.contestant import Contestant
from nmt_distill.scoring.trial import Trial

ENGLISH = Direction(source="en", target="en")
LINES = ["turn on the light.", "where is the cat?", "stop", "go to the window now."]
TEXT = TestText("toy", ENGLISH, "invented", "CC0-1.0", True, LINES, LINES)


def contestant(name: str, *, what: str | None = None) -> Contestant:
    """Return a system that says what it is told, but only of small letters."""
    return Contestant(
        System(name=name, role="student"),
        lambda lines, _: ["?" if line.isupper() else line for line in lines],
        batch_rule="all at once",
        decoding="greedy",
        what=what,
    )


def contest(**options: Any) -> Contest:
    return Contest(**({"contestants": [contestant("small")], "focus": "small", "teacher": None} | options))


def test_nothing_more_than_asked_for() -> None:
    scores = contest().score(TEXT)
    assert scores.robustness == ()
    assert scores.systems[0].outside == ()
    assert scores.systems[0].speed is None
    assert "tok:13a" in scores.systems[0].scores.bleu.signature
    assert contest().efficiency(TEXT) == ()


def test_noise_is_translated_and_scored() -> None:
    upper, spaces = contest(noises=("upper_case", "no_final_punctuation"), tokenizer="char").score(TEXT).robustness
    assert (upper.noise, upper.num_changed, spaces.num_changed) == ("upper_case", 4, 3)
    assert upper.systems[0].chrf.value < 5  # it knows no capitals
    assert spaces.systems[0].chrf.value == pytest.approx(100)  # the references lose their last mark too
    assert "tok:char" in upper.systems[0].bleu.signature


def test_outside_metric_speed_and_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import sys\nfor line in sys.stdin: print(1)\n", encoding="utf-8")
    metric = OutsideMetricConfig(name="ONE", command=f"{sys.executable} {tmp_path / 'one.py'}")
    row = contest(outside_metrics=[metric], speed_repetitions=2, tokenizer="char").score(TEXT).systems[0]
    assert [(score.metric, score.value) for score in row.outside] == [("ONE", 1)]
    assert row.speed is not None
    assert len(row.speed.all_seconds) == 2
    assert "tok:char" in row.scores.bleu.signature


def test_efficiency_is_asked_of_systems_that_a_process_can_load(monkeypatch: pytest.MonkeyPatch) -> None:
    trials: list[Trial] = []
    monkeypatch.setattr(contest_module, "run_trial", trials.append)
    monkeypatch.setattr(contest_module, "available_cores", lambda: 4)
    systems = [contestant("bound to this process"), contestant("small", what="runs/small")]
    contest(contestants=systems, efficiency_sentences=2).efficiency(TEXT)
    assert [(trial.name, trial.what, trial.num_cores) for trial in trials] == [
        ("small", "runs/small", 1),
        ("small", "runs/small", 4),
    ]
    assert list(trials[0].sentences) == [LINES[0], LINES[2]]  # evenly spaced
    assert trials[0].repetitions == 3


def test_keys_of_a_recipe_reach_the_contest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scoreboard, "load_sentencepiece", lambda path: SimpleNamespace(encode=lambda lines: lines))
    metric = OutsideMetricConfig(name="ONE", command="one")
    config = EvaluationConfig(
        speed_repetitions=5, efficiency_sentences=7, tokenizer="char", noises=("typos",), outside_metrics=(metric,)
    )
    run: Any = SimpleNamespace(recipe=SimpleNamespace(evaluation=config), sentencepiece_path=tmp_path / "joint.spm")
    made = scoreboard.contest_of(run, [contestant("teacher"), contestant("small")], focus="small", comparisons=[])
    assert (made.speed_repetitions, made.efficiency_sentences, made.tokenizer) == (5, 7, "char")
    assert (made.noises, made.outside_metrics, made.teacher) == (("typos",), (metric,), "teacher")
    assert scoreboard.contest_of(run, [contestant("small")], focus="small", comparisons=[]).teacher is None
