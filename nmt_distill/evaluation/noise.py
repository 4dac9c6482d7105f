"""Test sets as people type: other case, slips of the finger, no full stop, doubled spaces; the same for every seed.

What changes how the text is meant to look (upper case, the last mark) changes the reference alike; typos, spaces and
title case, a habit of English that other languages do not share, change the source alone, because the translation
should not notice them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.kept_items import kept_spans

Noise = Literal["upper_case", "title_case", "typos", "no_final_punctuation", "double_spaces"]

SEED = 12345
TYPO_RATE = 0.1
"""share of words of four letters or more that get one slip"""
DOUBLE_SPACE_RATE = 0.3
"""share of single spaces that are doubled"""
_WORD = re.compile(r"[^\W\d_]{4,}")
_FIRST_LETTER = re.compile(r"(?<![\w'’])[^\W\d_]")
_FINAL_MARKS = ".!?…。！？؟।॥"

Change = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class NoisyText:
    """A test set after noise."""

    noise: Noise
    """which"""
    sources: list[str]
    """changed source sentences, line for line"""
    references: list[str]
    """references, changed where the noise concerns them"""
    num_changed: int
    """how many sources differ from the clean ones"""


def add_noise(noise: str, sources: Sequence[str], references: Sequence[str], *, seed: int = SEED) -> NoisyText:
    """Change a test set. Addresses, placeholders, markup and code stay as they are.

    :param noise: one of :data:`NOISES`
    :param seed: of the draws; each line has its own, so that a part of a test set changes as the whole does
    :raises NmtDistillError: if there is no noise of that name
    """
    if noise not in NOISES:
        raise NmtDistillError(f"`{noise}` is no noise; choose one of: {', '.join(NOISES)}.")
    change, changes_references = NOISES[noise]
    changed = [change(line, random.Random(f"{seed}:{number}")) for number, line in enumerate(sources)]
    if changes_references:
        references = [change(line, random.Random(f"{seed}:{number}")) for number, line in enumerate(references)]
    num_changed = sum(before != after for before, after in zip(sources, changed, strict=True))
    return NoisyText(noise, changed, list(references), num_changed)


def _outside_of_kept(change: Change) -> Change:
    """Make a change spare addresses, placeholders, markup and code."""

    def changed(line: str, draw: random.Random) -> str:
        parts, start = [], 0
        for begin, end in kept_spans(line):
            parts += [change(line[start:begin], draw), line[begin:end]]
            start = end
        return "".join([*parts, change(line[start:], draw)])

    return changed


def _upper(text: str, draw: random.Random) -> str:
    return text.upper()


def _title(text: str, draw: random.Random) -> str:
    return _FIRST_LETTER.sub(lambda match: match[0].upper(), text)


def _typos(text: str, draw: random.Random) -> str:
    return _WORD.sub(lambda match: _slip(match[0], draw) if draw.random() < TYPO_RATE else match[0], text)


def _slip(word: str, draw: random.Random) -> str:
    """Swap two neighbouring letters inside a word, leave one out, or type one twice."""
    place = draw.randrange(1, len(word) - 2)
    before, pair, after = word[:place], word[place : place + 2], word[place + 2 :]
    return before + draw.choice((pair[::-1], pair[1], pair[0] + pair)) + after


def _no_final_punctuation(text: str, draw: random.Random) -> str:
    ends_in_one = text.rstrip().endswith(tuple(_FINAL_MARKS))
    return text.rstrip(_FINAL_MARKS + " ") if ends_in_one else text


def _double_spaces(text: str, draw: random.Random) -> str:
    return re.sub(r"(?<=\S) (?=\S)", lambda _: "  " if draw.random() < DOUBLE_SPACE_RATE else " ", text)


NOISES: dict[Noise, tuple[Change, bool]] = {
    "upper_case": (_outside_of_kept(_upper), True),
    "title_case": (_outside_of_kept(_title), False),
    "typos": (_outside_of_kept(_typos), False),
    "no_final_punctuation": (_no_final_punctuation, True),
    "double_spaces": (_outside_of_kept(_double_spaces), False),
}
"""what each does to text, and whether it does so to the reference too"""
