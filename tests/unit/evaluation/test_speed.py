"""Speed by a clock that the test winds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation import speed as speed_module
from nmt_distill.evaluation.speed import Speed, machine, measure_speed


def measured(seconds: list[float], monkeypatch: pytest.MonkeyPatch, **options: int) -> tuple[Speed, list[int]]:
    """Measure a system whose passes, warm-up first, take the given seconds."""
    now = [0.0]
    passes = iter(seconds)
    calls: list[int] = []

    def translate(sentences: list[str]) -> list[str]:
        calls.append(len(sentences))
        now[0] += next(passes)
        return [sentence.upper() for sentence in sentences]

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    speed = measure_speed(
        translate,
        ["one two", "three", "four five six", "seven"],
        num_threads=2,
        batch_rule="all at once",
        decoding="greedy",
        count_tokens=lambda sentences: sum(len(sentence.split()) for sentence in sentences),
        token_unit="words",
        **options,
    )
    return speed, calls


def test_median_of_the_repetitions_without_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    speed, calls = measured([100, 4, 1, 2], monkeypatch, warm_up=3)
    assert calls == [3, 4, 4, 4]
    assert speed.all_seconds == (4, 1, 2)
    assert speed.seconds == 2
    assert (speed.num_sentences, speed.sentences_per_second) == (4, 2)
    assert (speed.num_tokens, speed.tokens_per_second, speed.token_unit) == (7, 3.5, "words")
    assert (speed.num_threads, speed.batch_rule, speed.decoding, speed.num_warm_up) == (2, "all at once", "greedy", 3)


def test_warm_up_and_repetitions_change_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured([1, 1, 1, 1, 1], monkeypatch, warm_up=0, repetitions=5)[1] == [4] * 5
    assert measured([1, 1], monkeypatch, warm_up=1000, repetitions=1)[1] == [4, 4]


def test_without_a_counter_there_are_no_tokens() -> None:
    speed = measure_speed(lambda lines: lines, ["a"], num_threads=1, batch_rule="one", decoding="greedy")
    assert speed.num_tokens is None
    assert speed.tokens_per_second is None
    assert speed.seconds > 0


def test_bad_requests_are_refused() -> None:
    def time_it(sentences: list[str], repetitions: int = 1, warm_up: int = 0) -> Speed:
        return measure_speed(
            lambda lines: lines[1:], sentences, num_threads=1, batch_rule="", decoding="", repetitions=repetitions,
            warm_up=warm_up,
        )  # fmt: skip

    with pytest.raises(NmtDistillError, match="There are no sentences to measure speed on"):
        time_it([])
    with pytest.raises(NmtDistillError, match="`repetitions` must be at least 1, but is 0 instead"):
        time_it(["a"], repetitions=0)
    with pytest.raises(NmtDistillError, match="`warm_up` must be at least 0, but is -1 instead"):
        time_it(["a"], warm_up=-1)
    with pytest.raises(NmtDistillError, match="The system answered 2 sentences with 1 line"):
        time_it(["a", "b"])


def test_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text("processor\t: 0\nmodel name\t: Example CPU @ 2 GHz\n", encoding="utf-8")
    monkeypatch.setattr(speed_module, "_CPU_INFO", information)
    assert machine().processor == "Example CPU @ 2 GHz"
    assert machine().num_cores >= 1
    monkeypatch.setattr(speed_module, "_CPU_INFO", tmp_path / "missing")
    assert machine().processor
