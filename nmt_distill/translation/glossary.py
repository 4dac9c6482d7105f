"""A glossary: terms whose translation is laid down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines
from nmt_distill.repetition import WITHOUT_SPACES
from nmt_distill.translation.protection import Span


class Glossary:
    """Finds its terms in a text, whole words of any case; of several at one place the longest.

    :param translations: by term
    """

    def __init__(self, translations: Mapping[str, str]) -> None:
        self._translations = {term.casefold(): (term, translation) for term, translation in translations.items()}
        longest_first = sorted(translations, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_whole, longest_first)) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> list[Span]:
        """Return the terms in a text, each with its translation in the case that the term has there."""
        spans = []
        for match in self._pattern.finditer(text):
            found = self._translations.get(match.group().casefold())
            if found is not None:
                translation = _in_case(found[1], found[0], match.group())
                spans.append(Span(start=match.start(), end=match.end(), text=translation, is_term=True))
        return spans


def _whole(term: str) -> str:
    edge = re.compile(rf"(?![{WITHOUT_SPACES}])\w")
    before = r"(?<!\w)" if edge.match(term[0]) else ""
    after = r"(?!\w)" if edge.match(term[-1]) else ""
    return before + re.escape(term) + after


def _in_case(translation: str, term: str, found: str) -> str:
    """Write a translation in capitals, or with one at its head, where the text has that of a term that has not."""
    if found == term:
        return translation
    if len(found) > 1 and found.isupper() and not term.isupper():
        return translation.upper()
    if found[:1].isupper() and term[:1].islower():
        return translation[:1].upper() + translation[1:]
    return translation


def read_glossary(path: Path) -> Glossary:
    """Read a glossary: a term, a tab and its translation a line; empty lines and those that begin with ``#`` count not.

    :raises NmtDistillError: if the file is missing, or a line has another form; a term comes twice
    """
    translations: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        line = line.removesuffix("\r").removeprefix("\ufeff")
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) == 2 and not all(fields):
            empty = "translation" if fields[0] else "term"
            raise NmtDistillError(
                f"{path}, line {number} must be a term, a tab and its translation, but its {empty} is empty."
            )
        if len(fields) != 2:
            raise NmtDistillError(
                f"{path}, line {number} must be a term, a tab and its translation, but has {len(fields)} fields."
            )
        first = numbers.setdefault(fields[0].casefold(), number)
        if first != number and translations.get(fields[0]) != fields[1]:
            raise NmtDistillError(f"{path}, line {number}: `{fields[0]}` has another translation in line {first}.")
        translations[fields[0]] = fields[1]
    return Glossary(translations)
