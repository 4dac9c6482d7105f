"""What ``translate`` says at its end: how much did not go as it should, and where the first of it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from nmt_distill.counting import were
from nmt_distill.translation.tally import ALL_WELL, Tally

SHOWN_PLACES = 5
"""places that are named of each kind; the others are counted"""
BEGINNING = 40
"""characters of a text that say which one it is"""
_KINDS = {
    "num_untranslated": ("segment", "left untranslated"),
    "num_unfinished": ("translation", "cut at the greatest length"),
    "num_repeating": ("translation", "found to loop"),
    "num_in_pieces": ("segment", "translated around placeholders or markup"),
}
_PROBLEMS = {"num_untranslated": "untranslated", "num_unfinished": "cut", "num_repeating": "loops"}


def problems_of(tally: Tally) -> list[str]:
    """Name what is wrong with a translation: `untranslated`, `cut`, `loops`."""
    return [name for count, name in _PROBLEMS.items() if getattr(tally, count)]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a text stands."""

    file: str
    """what it was read from; empty where there is only one"""
    line: int
    """from 1"""
    text: str = ""
    """the text itself, where its line may hold others"""

    def __str__(self) -> str:
        text = " ".join(self.text.split())
        text = text if len(text) <= BEGINNING else f"{text[: BEGINNING - 3].rstrip()}..."
        return f"line {self.line}" + (f' ("{text}")' if text else "")


@dataclass(kw_only=True)
class _Kind:
    places: list[Place] = field(default_factory=list)
    num_places: int = 0

    def __str__(self) -> str:
        num_others = self.num_places - len(self.places)
        others = [f"{num_others:,} more"] if num_others else []
        if not any(place.file or place.text for place in self.places):
            return _lines(self.places, others)
        groups = [_group(file, [*places]) for file, places in groupby(self.places, lambda place: place.file)]
        return "; ".join([*groups, *(f"and {rest}" for rest in others)])


def _group(file: str, places: list[Place]) -> str:
    if any(place.text for place in places):
        return "; ".join(f"{file}, {place}" for place in places)
    return f"{file}, {_lines(places, [])}"


def _lines(places: list[Place], others: list[str]) -> str:
    *first, last = [*(str(place.line) for place in places), *others]
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


class Summary:
    """Gathers what did not go as it should; memory does not grow with it."""

    def __init__(self) -> None:
        self.tally = ALL_WELL
        self._kinds = {name: _Kind() for name in _KINDS}

    def note(self, tally: Tally, place: Callable[[], Place]) -> None:
        """Note what a translation is like.

        :param place: tells where its text stands; it is only asked where that will be said
        """
        if tally is ALL_WELL:
            return
        self.tally += tally
        for name, kind in self._kinds.items():
            if getattr(tally, name):
                kind.num_places += 1
                if len(kind.places) < SHOWN_PLACES:
                    kind.places.append(place())

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each kind that there is."""
        for name, (noun, what) in _KINDS.items():
            if number := getattr(self.tally, name):
                yield f"{were(number, noun)} {what}: {self._kinds[name]}."

    @property
    def has_problems(self) -> bool:
        """Whether anything was left untranslated or cut, or repeats itself."""
        return bool(problems_of(self.tally))
