"""Which pairs and sentences are dropped, each by a named reason that is counted and shown."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from nmt_distill.configuration.constraints import Bounds, PositiveInt
from nmt_distill.corpus.text import without_placeholders

RATIO_SLACK = 8
"""characters added to both sides before lengths are compared, so that short labels may differ freely"""
NUM_SAMPLES = 5
"""dropped lines that are shown per filter"""
SAMPLE_CHARACTERS = 160
"""characters after which a shown line is cut"""

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_MESSAGE_FORMAT = re.compile(r"\{\s*\w+\s*,\s*(plural|select|selectordinal|number|date|time|choice)\b")
_BRACES = re.compile(r"\{\s*\w*\s*\}|%(?:\(\w+\))?[sdif](?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Limits beyond which a pair or a sentence is dropped; a filter that has no limit here always holds."""

    max_characters: PositiveInt = 1000
    """longest side in characters"""
    max_words: PositiveInt = 150
    """longest side in words, that is whitespace-separated tokens"""
    max_ratio: Annotated[float, Bounds(least=1)] = 3.0
    """longest side divided by the shortest, in characters, 8 added to each; raise it for Chinese or Japanese"""
    drop_identical: bool = True
    """drop pairs whose target equals the source, which catalogues use for untranslated entries"""
    drop_message_format: bool = True
    """drop ICU messages with plural or select branches, whose keywords a translation model would translate"""
    drop_unequal_placeholders: bool = True
    """drop pairs whose sides differ in placeholders such as `{name}` or `%s`"""
    drop_repeated_sources: bool = True
    """keep one translation per source sentence, the first, since the teacher translates each source once"""


def is_empty(source: str, target: str | None, config: FilterConfig) -> bool:
    """A side has no text."""
    return not source or target == ""


def is_not_text(source: str, target: str | None, config: FilterConfig) -> bool:
    """A side holds NUL or half of a surrogate pair, which no UTF-8 file of text should."""
    return bool(_NOT_TEXT.search(source) or (target and _NOT_TEXT.search(target)))


def is_too_long(source: str, target: str | None, config: FilterConfig) -> bool:
    """A side has too many characters or words."""
    return any(
        len(text) > config.max_characters or (len(text) > 2 * config.max_words and len(text.split()) > config.max_words)
        for text in (source, target)
        if text is not None
    )


def has_no_letters(source: str, target: str | None, config: FilterConfig) -> bool:
    """A side has no letter outside of placeholders and markup, so nothing to translate."""
    return not (_has_letter(source) and (target is None or _has_letter(target)))


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, without_placeholders(text, " ")))


def is_message_format(source: str, target: str | None, config: FilterConfig) -> bool:
    """The source is a message with plural or select branches."""
    return config.drop_message_format and bool(_MESSAGE_FORMAT.search(source))


def is_unresolved_key(source: str, target: str | None, config: FilterConfig) -> bool:
    """A side is a reference to another entry that the catalogue left open, such as ``[%key_id:12%]``."""
    return "[%key" in source or (target is not None and "[%key" in target)


def is_identical(source: str, target: str | None, config: FilterConfig) -> bool:
    """The target is the source."""
    return config.drop_identical and source == target


def has_odd_ratio(source: str, target: str | None, config: FilterConfig) -> bool:
    """One side is too much longer than the other."""
    if target is None:
        return False
    shorter, longer = sorted((len(source), len(target)))
    return longer + RATIO_SLACK > config.max_ratio * (shorter + RATIO_SLACK)


def has_unequal_placeholders(source: str, target: str | None, config: FilterConfig) -> bool:
    """The sides differ in placeholders."""
    return config.drop_unequal_placeholders and target is not None and placeholders_differ(source, target)


def placeholders_differ(source: str, target: str) -> bool:
    """Tell whether two texts differ in placeholders such as ``{name}`` or ``%s``, in whatever order."""
    if not ("{" in source + target or "%" in source + target):
        return False
    return sorted(_BRACES.findall(source)) != sorted(_BRACES.findall(target))


FILTERS: dict[str, Callable[[str, str | None, FilterConfig], bool]] = {
    "empty": is_empty,
    "not_text": is_not_text,
    "too_long": is_too_long,
    "no_letters": has_no_letters,
    "message_format": is_message_format,
    "unresolved_key": is_unresolved_key,
    "identical": is_identical,
    "length_ratio": has_odd_ratio,
    "placeholders": has_unequal_placeholders,
}
"""name and function of each filter, in the order in which they are asked"""


def reason_to_drop(source: str, target: str | None, config: FilterConfig) -> str | None:
    """Return the name of the first filter that drops a pair, or a sentence if ``target`` is None; else None."""
    for name, drops in FILTERS.items():
        if drops(source, target, config):
            return name
    return None


class Drops:
    """What was dropped: per reason how many, and a few samples drawn evenly from all of them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[list[str]]] = {}
        self._random = random.Random(0)

    def add(self, reason: str, source: str, target: str | None = None) -> None:
        """Count a dropped pair or sentence."""
        self._counts[reason] += 1
        samples = self._samples.setdefault(reason, [])
        place = len(samples) if len(samples) < NUM_SAMPLES else self._random.randrange(self._counts[reason])
        if place < NUM_SAMPLES:
            sample = [side[:SAMPLE_CHARACTERS] for side in (source, target) if side is not None]
            samples[place : place + 1] = [[text.encode("utf-8", "replace").decode() for text in sample]]

    def count(self, reason: str) -> int:
        """Return how many were dropped for one reason."""
        return self._counts[reason]

    @property
    def total(self) -> int:
        """How many were dropped in all."""
        return self._counts.total()

    def report(self) -> dict[str, Any]:
        """Return what corpus.json keeps: per reason the count and the samples."""
        return {
            reason: {"dropped": count, "samples": self._samples[reason]}
            for reason, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        }
