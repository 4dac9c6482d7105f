"""In which language a text is, as far as that can be told."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nmt_distill.errors import NmtDistillError

SURE = 0.9
"""probability from which a language is believed; of 2,000 Tatoeba sentences each in English, German, French and
Portuguese at most one is taken for another language so"""
_ALIKE = {"nb": "no", "nn": "no", "fil": "tl", "cmn": "zh", "yue": "zh", "iw": "he", "in": "id"}
"""codes under which the identifier knows a language, where it is not the one in use"""


def identify(text: str) -> str | None:
    """Return the language of a text as a BCP 47 language without region, or None where nobody could be sure.

    Single words, names and mixed text are None more often than not.

    :raises NmtDistillError: if the library is not installed
    """
    language, probability = _identifier().classify(text)
    return str(language) if probability >= SURE else None


def most_probable(text: str) -> str:
    """Return the language that a text is in, if it must be one of those that are known, BCP 47 without region.

    :raises NmtDistillError: if the library is not installed
    """
    return str(_identifier().classify(text)[0])


def named_as(labels: Sequence[str], language: str | None) -> str | None:
    """Return the label that means a language, such as ``pt-BR`` for ``pt``, or None where there is none."""
    return next((label for label in labels if language and is_alike(language, label)), None)


def is_in_another_language(text: str, language: str) -> bool:
    """Tell whether a text is surely in another language than the given one.

    :param language: BCP 47; region and script do not count
    """
    found = identify(text)
    return found is not None and not is_alike(found, language)


def is_alike(one: str, other: str) -> bool:
    """Tell whether two tags, BCP 47, mean one language; region and script do not count."""
    first, second = one.split("-")[0], other.split("-")[0]
    return _ALIKE.get(first, first) == _ALIKE.get(second, second)


def is_installed() -> bool:
    """Tell whether the library is there that identifies languages."""
    return importlib.util.find_spec("py3langid") is not None


def is_known(language: str) -> bool:
    """Tell whether the identifier knows a language, BCP 47."""
    base = language.split("-")[0]
    return _ALIKE.get(base, base) in {_ALIKE.get(label, label) for label in _identifier().labels}


@lru_cache(maxsize=1)
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise NmtDistillError(
            "telling languages apart needs py3langid; install nmt-distill[train], or leave the filter out."
        ) from None
    return LanguageIdentifier.from_modelpath(MODEL_DIR / MODEL_FILE, norm_probs=True)
