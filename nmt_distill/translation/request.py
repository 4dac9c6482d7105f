"""What one call of the translator asks for, and whether it can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral
from threading import Event

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.translation.engine import Wish
from nmt_distill.translation.model_folder import ModelFolder


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one call asks for."""

    direction: Direction
    tag: list[str]
    markdown: bool
    wish: Wish
    stop: Event = field(default_factory=Event)
    """set where the answer is no longer wanted"""


def check_count(name: str, value: object, most: int | None = None) -> None:
    """Refuse what is no whole number of at least 1.

    :raises NmtDistillError: names the argument
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else 0
    if not 1 <= number <= (most or number):
        wanted = "at least 1" if most is None else f"a whole number from 1 to {most}"
        raise NmtDistillError(f"`{name}` must be {wanted}, but is {value!r} instead.")


def choose_direction(folder: ModelFolder, source: str | None, target: str | None) -> Direction:
    """Find the direction that the languages mean.

    :raises TypeError: if a language is no text
    :raises NmtDistillError: if the model has no such direction, or several fit
    """
    given: tuple[tuple[str, object], ...] = (("source", source), ("target", target))
    for name, language in given:
        if not isinstance(language, str | None):
            raise TypeError(f"`{name}` must be a language tag such as 'de', but is {language!r} instead")
    return folder.choose(source, target)


def refuse_one_text(lines: object) -> None:
    """Refuse a text in the place of several, whose characters would be taken for lines, and what holds no lines.

    :raises TypeError: says what to write
    """
    if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):
        raise TypeError("`lines` must be several texts, such as a list; for one write [text]")


def checked_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines, in which halves of characters, that no encoding can hold, are replaced by U+FFFD.

    :raises TypeError: if it is one text, or one of them is no text
    """
    refuse_one_text(lines)
    given: list[object] = [*lines]
    texts = [_without_surrogates(line) for line in given if isinstance(line, str)]
    if len(texts) < len(given):
        wrong = next(line for line in given if not isinstance(line, str))
        raise TypeError(f"every line must be a str, but one is {wrong!r:.80}")
    return texts


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
