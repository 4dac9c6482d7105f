"""What a chat model is told: a text with the names of the languages, and a place for the sentence."""

from __future__ import annotations

import importlib
import re

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction

DEFAULT_PROMPT = (
    "Translate the following text from {source_language} into {target_language}. Answer with the translation alone.\n\n"
    "{text}"
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def filled(prompt: str, direction: Direction) -> str:
    """Fill in the English names of the languages; ``{text}`` is left for the sentence.

    :raises NmtDistillError: if there is not one ``{text}``, or another placeholder
    """
    names = {"source_language": _language_name(direction.source), "target_language": _language_name(direction.target)}
    if prompt.count("{text}") != 1:
        raise NmtDistillError("teacher.prompt must hold {text} once, where the sentence stands.")
    if unknown := [name for name in _PLACEHOLDER.findall(prompt) if name not in {*names, "text"}]:
        raise NmtDistillError(
            f"teacher.prompt holds {{{unknown[0]}}}, but only {{source_language}}, {{target_language}} and {{text}} "
            "are filled in."
        )
    return _PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), prompt)


def _language_name(tag: str) -> str:
    """Return the English name of a language, or its tag where ``langcodes[data]`` is not installed."""
    try:
        importlib.import_module("language_data")  # without it langcodes prints how to install it
        return str(importlib.import_module("langcodes").Language.get(tag).display_name("en"))
    except (ImportError, ValueError):
        return tag
