"""Which of a model's codes means a language: by its script, its region and the wider language that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from nmt_distill.errors import NmtDistillError

if TYPE_CHECKING:
    from langcodes import Language

_OWN_CODES = {"ns": "nso", "pob": "pt-BR"}
"""codes of models that are no BCP 47 tags, or mean another language there"""
_SAME = {"nb": "no", "pbt": "ps", "quy": "qu", "fuv": "ff"}
"""a language that stands for the wider one; most such pairs langcodes knows"""


def choose_code(language: str, codes: Iterable[str], *, where: str) -> str:
    """Choose the code that means a language.

    The script must be the same, the likely one where none is said. A code without a region is preferred to one with
    another region; one with another region is better than none.

    :param language: BCP 47
    :raises NmtDistillError: if none does; the message names the nearest
    """
    wanted = _parse(language)
    if wanted is None:
        raise NmtDistillError(f"`{language}` is not a language; write it like `de`, `pt-BR` or `zh-Hans`.")
    known = {code: parsed for code in codes if (parsed := _parse(code)) is not None}
    fitting = {code: rank for code, parsed in known.items() if (rank := _difference(wanted, parsed)) is not None}
    if fitting:
        return min(fitting, key=lambda code: (fitting[code], wanted.distance(known[code]), code))
    if wanted.script is None and wanted.territory is None:  # which script is likely is not known of every language
        alike = [code for code, parsed in known.items() if _wide(parsed) == _wide(wanted)]
        if len(alike) == 1:
            return alike[0]
    nearest = min(known, key=lambda code: _distance(wanted, known[code]))
    raise NmtDistillError(
        f"`{language}` is not a language of {where}; the nearest of its {len(known)} is `{known[nearest].to_tag()}` "
        f"({nearest})."
    )


def is_language(code: str) -> bool:
    """Whether a tag or a model's code is one of a language."""
    return _parse(code) is not None


def are_alike(one: str, other: str) -> bool:
    """Whether a model of one language serves where the other is asked for: as :func:`choose_code` would say."""
    wanted, found = _parse(one), _parse(other)
    return wanted is not None and found is not None and _difference(wanted, found) is not None


def _parse(code: str) -> Language | None:
    """Read a tag or a model's code; None where it is no language."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    tag = code.replace("_", "-").removesuffix("-XX")  # mBART's regions that are none
    try:
        parsed = Language.get(_OWN_CODES.get(tag, tag))
    except LanguageTagError:
        return None
    plain = not (parsed.extlangs or parsed.variants or parsed.extensions or parsed.private)
    return parsed if plain and parsed.language and parsed.is_valid() else None


def _wide(language: Language) -> str:
    """Return the language that this one stands for: ``arb`` is ``ar``, ``nb`` is ``no``."""
    tag = language.prefer_macrolanguage().language or ""
    return _SAME.get(tag, tag)


def _script(language: Language) -> str | None:
    from langcodes import Language as Parsed

    return language.script or Parsed.make(language=_wide(language), territory=language.territory).maximize().script


def _difference(wanted: Language, other: Language) -> tuple[int, int, int] | None:
    """Tell how well ``other`` serves where ``wanted`` is asked for, best first; None where it does not."""
    if _wide(wanted) != _wide(other) or _script(wanted) != _script(other):
        return None
    if wanted.territory == other.territory:
        region = 0
    else:
        region = 1 if other.territory in {None, wanted.maximize().territory} else 2
    return region, int(wanted.language != other.language), int(wanted.script != other.script)


def _distance(wanted: Language, other: Language) -> tuple[int, float]:
    """Tell how far a language is: what CLDR says of those who understand it, then how it is written."""
    return wanted.distance(other), -SequenceMatcher(None, wanted.to_tag(), other.to_tag()).ratio()
