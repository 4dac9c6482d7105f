"""Characters that a model's vocabulary lacks: an arrow, the sign of a currency, a name in another script.

A model reads ``<unk>`` for them and loses them without a word. So they come through as placeholders do; but quotes and
dashes are read as those of a keyboard, because a sentence needs them.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable

from nmt_distill.translation.protection import Span

_UNIT = re.compile(
    "(?:\\w|[\u0300-\u036f])+"
    # a sign with its variation and what is joined to it
    "|[^\\w\\s](?:[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d[^\\w\\s])*"
)
_LOOK_ALIKES = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
}


class Alphabet:
    """The characters that a model can read.

    :param reads: whether the model's vocabulary has all of a text
    :param is_name: whether the vocabulary takes a word that begins with a capital for a name
    """

    def __init__(self, reads: Callable[[str], bool], is_name: Callable[[str], bool] = lambda word: False) -> None:
        self._reads = reads
        self.is_name = is_name
        self._known = set(string.whitespace)
        self._unknown: set[str] = set()

    def readable(self, text: str) -> str:
        """Write the quotes and dashes that it lacks as those of a keyboard, each as one character."""
        if text.isascii():
            return text
        unknown = self._unknown_in(text)
        return text.translate({ord(sign): _LOOK_ALIKES[sign] for sign in unknown if sign in _LOOK_ALIKES})

    def foreign(self, text: str) -> list[Span]:
        """Find what it cannot read, whole words and signs, as terms that stay what they are."""
        unknown = self._unknown_in(text)
        if not unknown:
            return []
        unknown -= _LOOK_ALIKES.keys()
        spans: list[Span] = []
        for match in _UNIT.finditer(text):
            unit = match.group()
            if unknown.isdisjoint(unit) or _is_control(unit) or self._reads(unit):
                continue
            start = match.start()
            if spans and spans[-1].end == start:
                start = spans.pop().start
            spans.append(Span(start=start, end=match.end(), text=text[start : match.end()], is_term=True))
        return spans

    def _unknown_in(self, text: str) -> set[str]:
        if self._known.issuperset(text):
            return set()
        characters = set(text) - self._known
        for character in characters - self._unknown:
            (self._known if self._reads(character) else self._unknown).add(character)
        return characters & self._unknown


def _is_control(unit: str) -> bool:
    return len(unit) == 1 and unicodedata.category(unit) in {"Cc", "Cf"}
