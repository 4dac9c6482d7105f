"""What a value of a configuration must be beyond its type, said with the type: ``Annotated[int, Bounds(least=1)]``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import normalize_tag

Faults: TypeAlias = "Iterator[tuple[str, str] | Faults]"
"""what ``faults()`` of a configuration returns; see :func:`nmt_distill.configuration.load_dataclass`"""


class Constraint(ABC):
    """A condition on one value; ``str()`` says it so that it can follow "must be"."""

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Tell whether a value of the right type may be."""

    @abstractmethod
    def __str__(self) -> str: ...

    def hint_for(self, value: Any) -> str:
        """Say what to do about a value that may not be; empty if that is plain."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Bounds(Constraint):
    """A range of numbers."""

    least: float | None = None
    """smallest value"""
    above: float | None = None
    """largest value that is too small"""
    most: float | None = None
    """largest value"""
    below: float | None = None
    """smallest value that is too large"""
    hint: str = ""
    """what to do about a value outside"""

    def holds(self, value: float) -> bool:
        """Tell whether a number lies inside."""
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        upper = f"at most {self.most}" if self.most is not None else ""
        if self.below is not None:
            upper = f"below {self.below}"
        if self.above is not None:
            return f"above {self.above}" + (f" and {upper}" if upper else "")
        if self.least is None:
            return upper
        return f"from {self.least} to {upper.removeprefix('at most ')}" if upper else f"{self.least} or more"

    def hint_for(self, value: float) -> str:
        """Return the hint, which is the same for all values."""
        return self.hint


@dataclass(frozen=True)
class MultipleOf(Constraint):
    """Positive multiples of a number."""

    step: int
    """the smallest of them"""

    def holds(self, value: int) -> bool:
        """Tell whether a whole number is one of them."""
        return value > 0 and value % self.step == 0

    def __str__(self) -> str:
        return f"a positive multiple of {self.step}"


@dataclass(frozen=True)
class Matches(Constraint):
    """Text that a regular expression matches from its beginning to its end."""

    expression: str
    """for :mod:`re`"""
    wanted: str
    """what it matches, in words"""

    def holds(self, value: str) -> bool:
        """Tell whether a text matches."""
        return re.fullmatch(self.expression, value) is not None

    def __str__(self) -> str:
        return self.wanted


@dataclass(frozen=True)
class NotEmpty(Constraint):
    """Lists with an item or more."""

    def holds(self, value: Sized) -> bool:
        """Tell whether there is an item."""
        return len(value) > 0

    def __str__(self) -> str:
        return "non-empty"


@dataclass(frozen=True)
class IsLanguageTag(Constraint):
    """Language tags as BCP 47 writes them."""

    def holds(self, value: str) -> bool:
        """Tell whether a text is a tag in its customary case."""
        return _written_well(value) == value

    def __str__(self) -> str:
        return "a language tag such as de, pt-BR or zh-Hans"

    def hint_for(self, value: str) -> str:
        """Say how a tag that is only written in another way is to be written."""
        tag = _written_well(value)
        return f"write {tag}" if tag else ""


def _written_well(text: str) -> str | None:
    try:
        return normalize_tag(text)
    except NmtDistillError:
        return None


PositiveInt = Annotated[int, Bounds(least=1)]
NaturalInt = Annotated[int, Bounds(least=0)]
Seed = Annotated[int, Bounds(least=0, most=2**32 - 1)]
"""a number that every random generator in use takes"""
Positive = Annotated[float, Bounds(above=0)]
NonNegative = Annotated[float, Bounds(least=0)]
Share = Annotated[float, Bounds(least=0, most=1)]
Decay = Annotated[float, Bounds(least=0, below=1)]
LanguageTag = Annotated[str, IsLanguageTag()]
