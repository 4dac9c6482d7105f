"""What a file says about the language of its translations, held against the one that was asked for."""

from __future__ import annotations

import re
from pathlib import Path

from nmt_distill.documents.document import DocumentError
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import normalize_tag, standard_tag


def primary_language(said: str) -> str | None:
    """Return the shortest code of a tag or locale, without region, script and charset, or None."""
    try:
        return standard_tag(normalize_tag(re.split(r"[.@]", said.strip())[0])).split("-")[0]
    except NmtDistillError:
        return None


def check_target_language(path: Path, line: int, name: str, said: str, language: str | None) -> None:
    """Refuse translations into another language than a file says it holds; a file may say nothing of use.

    :param name: what the file calls its language
    :param language: of the translations
    :raises DocumentError: if they are not the same but for region and script
    """
    told = primary_language(said)
    if language is not None and told is not None and told != primary_language(language):
        raise DocumentError(
            path,
            line,
            f"its `{name}` is {said.strip()}, but it was to be filled with {language}; "
            f"translate it with a model into {told}, or correct its `{name}`",
        )
