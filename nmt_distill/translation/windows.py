"""Windows of lines, two under way at a time: the engine works on one while the other is taken apart or put together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

WINDOWS_AT_ONCE = 2
"""windows under way at a time"""

Answer = TypeVar("Answer")


def answer_in_windows(
    lines: Sequence[str], size: int, answer: Callable[[Sequence[str]], list[Answer]], *, stop: threading.Event
) -> list[Answer]:
    """Answer lines in windows of so many, and return the answers in order.

    :param answer: answers a window; it is called in several threads, and must end soon once ``stop`` is set
    :param stop: is set where an error or Ctrl-C ends the whole, so that the other windows need not be waited for
    """
    windows = [lines[start : start + size] for start in range(0, len(lines), size)]
    if len(windows) < 2:
        return [found for window in windows for found in answer(window)]
    with ThreadPoolExecutor(WINDOWS_AT_ONCE) as pool:
        try:
            return [found for part in pool.map(answer, windows) for found in part]
        except BaseException:
            stop.set()
            raise
