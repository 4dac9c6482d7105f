"""Latency by a clock that the test winds."""

from __future__ import annotations

import time

import pytest

from nmt_distill.evaluation.efficiency import WARM_UP, measure_latency, percentile


def test_latency_is_one_sentence_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    calls: list[str] = []
    seconds = {"a": [9, 1, 2, 6], "b": [9, 4, 4, 4]}  # warm-up, then three passes

    def translate(lines: list[str]) -> list[str]:
        (line,) = lines
        now[0] += seconds[line][calls.count(line)]
        calls.append(line)
        return [line.upper()]

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    speed, slow = measure_latency(translate, ["a", "b"], num_threads=1, decoding="greedy")
    assert calls == ["a", "b"] * 4
    assert speed.all_seconds == (5, 6, 10)
    assert speed.seconds == 6
    assert slow == 4  # the medians of the sentences are 2 and 4
    assert (speed.batch_rule, speed.num_warm_up) == ("1 sentence", 2)
    assert WARM_UP >= 2


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3, 1, 2], 50, 2), ([3, 1, 2], 95, 3), (range(1, 101), 95, 95), ([7], 95, 7), ([1, 2], 0, 1)],
)
def test_percentile(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected
