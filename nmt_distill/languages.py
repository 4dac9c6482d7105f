"""BCP 47 language tags as people write them, and the direction of a translation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nmt_distill.errors import NmtDistillError

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def normalize_tag(tag: str) -> str:
    """Return a language tag in BCP 47's customary case: ``pt-br`` and ``pt_BR`` become ``pt-BR``.

    :raises NmtDistillError: if it has not the form of a language tag
    """
    tag = tag.replace("_", "-")
    if not _TAG.fullmatch(tag):
        raise NmtDistillError(f"`{tag}` is not a language tag; write it like `de`, `pt-BR` or `zh-Hans`.")
    first, *rest = tag.split("-")
    cased = [part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower() for part in rest]
    return "-".join([first.lower(), *cased])


def standard_tag(tag: str) -> str:
    """Return the tag that BCP 47 prefers for a language: ``por`` and ``por-Latn`` are ``pt``, ``iw`` is ``he``.

    ``no``, Norwegian, is taken for ``nb``, its Bokmål, as CLDR's distances of languages have it.

    :param tag: of a language; one that names none is returned as it is
    """
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        return re.sub(r"^no(?=-|$)", "nb", langcodes.standardize_tag(tag, macro=True))
    except LanguageTagError:
        return tag


def match_language(wanted: str, available: Sequence[str]) -> str:
    """Find the one available language that ``wanted`` means: itself, or the only one that refines or is refined by it.

    Codes of three letters, as ISO 639-3 and NLLB have them, mean what those of two do.

    :raises NmtDistillError: if none or several fit; the message lists what there is
    """
    tag = normalize_tag(wanted)
    if tag in available:
        return tag
    fitting = [other for other in available if _refine(tag, other)]
    if not fitting:
        standard = standard_tag(tag)
        fitting = [other for other in available if _refine(standard, standard_tag(other))]
    if len(fitting) == 1:
        return fitting[0]
    choice = ", ".join(fitting or available)
    problem = "fits several languages" if fitting else "is not a language of this model"
    raise NmtDistillError(f"`{wanted}` {problem}; choose one of: {choice}.")


def _refine(one: str, other: str) -> bool:
    """Whether two tags are the same, or one says more than the other."""
    return one == other or one.startswith(other + "-") or other.startswith(one + "-")


@dataclass(frozen=True, kw_only=True, order=True)
class Direction:
    """From which language to which."""

    source: str
    """language of the source text, BCP 47"""
    target: str
    """language of the translation, BCP 47"""

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def reversed(self) -> Direction:
        """The way back."""
        return Direction(source=self.target, target=self.source)


def target_tag(language: str) -> str:
    """Return the piece that tells a model of several target languages which one is wanted, before the source."""
    return f">>{language}<<"


def target_tags(directions: Sequence[Direction]) -> dict[Direction, str | None]:
    """Tell which tag each direction has; a model of one target language has none."""
    is_needed = len({direction.target for direction in directions}) > 1
    return {direction: target_tag(direction.target) if is_needed else None for direction in directions}
