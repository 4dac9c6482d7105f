"""Repetition in a text, which neither a good label nor a good translation has."""

from __future__ import annotations

import re
from collections import Counter

WITHOUT_SPACES = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""ranges of characters whose scripts put no space between words, for a class of a regular expression"""
_TOKEN = re.compile(f"[{WITHOUT_SPACES}]|[^\\s{WITHOUT_SPACES}]+")

OSCILLATION_REPEATS = 10
"""a bigram that often in an output, and not in its source, is an oscillation (Dankers & Raunak, ACL 2025)"""


def oscillates(source: str, hypothesis: str) -> bool:
    """Tell whether the hypothesis has a bigram at least 10 times, and the source none so often."""
    return repeats(source, hypothesis, order=2, times=OSCILLATION_REPEATS)


def repeats(source: str, hypothesis: str, *, order: int, times: int) -> bool:
    """Tell whether an n-gram of words occurs at least ``times`` times in the hypothesis, and none so in the source.

    :param order: n
    """
    return _most_common(hypothesis, order) >= times and _most_common(source, order) < times


def words(text: str) -> list[str]:
    """Return the runs without space; a character of a script without spaces between words is one by itself."""
    return _TOKEN.findall(text)


def _most_common(text: str, order: int) -> int:
    tokens = words(text)
    grams = Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))
    return max(grams.values(), default=0)
