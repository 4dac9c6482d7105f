"""Windows of lines: answers in order, several under way at a time, and an end that waits for nobody."""

from __future__ import annotations

import threading
import time

import pytest

from nmt_distill.translation.windows import WINDOWS_AT_ONCE, answer_in_windows


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_answers_are_in_order(size: int) -> None:
    lines = [str(number) for number in range(20)]
    assert answer_in_windows(lines, size, lambda window: [*window], stop=threading.Event()) == lines
    assert answer_in_windows([], size, lambda window: [*window], stop=threading.Event()) == []


def test_several_windows_are_under_way_at_a_time() -> None:
    together = threading.Barrier(WINDOWS_AT_ONCE, timeout=30)

    def answer(window: object) -> list[int]:
        return [together.wait() * 0]

    found = answer_in_windows(["a"] * 2 * WINDOWS_AT_ONCE, 1, answer, stop=threading.Event())
    assert found == [0] * 2 * WINDOWS_AT_ONCE


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_stops_the_other_windows(error: type[BaseException]) -> None:
    stop, answered = threading.Event(), []

    def answer(window: list[str]) -> list[str]:
        if window == ["0"]:
            raise error
        assert stop.wait(30), "nobody stopped this window"
        answered.append(window)
        return window

    began = time.monotonic()
    with pytest.raises(error):
        answer_in_windows([str(number) for number in range(20)], 1, answer, stop=stop)  # type: ignore[arg-type]
    assert time.monotonic() - began < 30
    assert len(answered) <= WINDOWS_AT_ONCE, "those that had not begun never do"
