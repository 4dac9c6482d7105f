"""Translation catalogues: JSON, gettext and HTML, read out of archives and aligned by key."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import polib

from nmt_distill.corpus.html_blocks import texts_of_blocks
from nmt_distill.corpus.wheels import open_wheel, read_member
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction

Key = tuple[str, ...]


class LanguageMissingError(NmtDistillError):
    """There is no catalogue of a language; in a corpus of several directions the source serves the others."""


class Archive(Protocol):
    """Files by their paths."""

    path: Path
    """where it lies, for messages"""

    def names(self) -> list[str]:
        """Return the paths of its files."""

    def read(self, name: str) -> bytes:
        """Return what a file holds."""


class _Wheel:
    """A wheel whose file is open."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive

    def names(self) -> list[str]:
        return self._archive.namelist()

    def read(self, name: str) -> bytes:
        return read_member(self._archive, name)


def read_wheel_catalog(
    wheel: Path,
    pattern: str,
    direction: Direction,
    *,
    languages: Mapping[str, str] | None = None,
    key_language: str = "en",
) -> Iterator[tuple[str, str | None]]:
    """Yield the pairs of all catalogues of a wheel, see :func:`read_catalogs`."""
    with open_wheel(wheel) as archive:
        opened = dict.fromkeys((direction.source, direction.target), _Wheel(wheel, archive))
        yield from read_catalogs(opened, pattern, direction, languages=languages, key_language=key_language)


def read_catalogs(
    archives: Mapping[str, Archive],
    pattern: str,
    direction: Direction,
    *,
    languages: Mapping[str, str] | None = None,
    key_language: str = "en",
) -> Iterator[tuple[str, str | None]]:
    """Yield the pairs of all catalogues, file after file; the target is None where a translation lacks.

    :param archives: what holds each language; gettext's key language may lack
    :param pattern: path of a catalogue in its archive: ``{lang}`` stands for the language, ``{hash}`` for hexadecimal
        digits, ``*`` for anything but ``/``, ``**/`` for any folders; what ``*`` and ``**`` match aligns the files;
        the suffix tells the format: ``.json``, ``.po``, ``.mo``, or ``.html``, whose blocks are aligned by ``id``
    :param languages: how the archives spell a language where it differs from BCP 47, such as ``{"pt-BR": "pt_BR"}``
    :param key_language: the language of gettext's keys
    :raises LanguageMissingError: if there is no catalogue of a language
    :raises NmtDistillError: if there is a damaged one
    """
    languages = languages or {}
    read = _reader(pattern)
    gettext = read in (_read_po, _read_mo)
    files: dict[str, dict[tuple[Any, ...], str]] = {}
    for language in (direction.source, direction.target):
        archive = archives.get(language)
        expression = path_expression(pattern.replace("{lang}", languages.get(language, language)))
        names = [] if archive is None else archive.names()
        files[language] = {match.groups(): name for name in names if (match := expression.fullmatch(name)) is not None}
        if not files[language] and not (gettext and language == key_language):
            if archive is None:
                raise LanguageMissingError(f"No archive of `{language}` is named; name the one that holds `{pattern}`.")
            raise LanguageMissingError(
                f"{archive.path} holds no catalogue of `{language}`: no file matches `{pattern}`; "
                "set `languages` if the language is spelled differently there."
            )
    by_source, by_target = files[direction.source], files[direction.target]
    from_keys = gettext and direction.source == key_language
    into_keys = gettext and direction.target == key_language
    if from_keys:
        by_source = by_target
    holder = archives[direction.target if from_keys else direction.source]
    other_holder = holder if into_keys else archives[direction.target]
    for place, name in sorted(by_source.items(), key=lambda item: item[1]):
        texts = read(holder.read(name), f"{holder.path}: {name}", direction.source == key_language)
        other = name if into_keys else by_target.get(place)
        translations: dict[Key, str] = {}
        if other is not None:
            where = f"{other_holder.path}: {other}"
            translations = read(other_holder.read(other), where, direction.target == key_language)
        for key, text in texts.items():
            yield text, translations.get(key) or None


def path_expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a path pattern; its groups are what ``*`` and ``**`` match."""
    pieces = {"**/": "((?:[^/]+/)*)", "*": "([^/]*)", "{hash}": "[0-9a-f]+"}
    return re.compile("".join(pieces.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*|\{hash\})", pattern)))


def _reader(pattern: str) -> Any:
    suffix = pattern.rpartition(".")[2]
    readers = {"json": _read_json, "po": _read_po, "mo": _read_mo, "html": _read_html}
    if suffix not in readers:
        raise NmtDistillError(f"`path` must end in .json, .po, .mo or .html, but is {pattern!r} instead.")
    return readers[suffix]


def _read_json(content: bytes, where: str, is_key_language: bool) -> dict[Key, str]:
    texts: dict[Key, str] = {}

    def collect(node: Any, path: Key) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                collect(child, (*path, key))
        elif isinstance(node, list):
            for number, child in enumerate(node):
                collect(child, (*path, str(number)))
        elif isinstance(node, str):
            texts[path] = node

    try:
        collect(json.loads(content.decode("utf-8")), ())
    except ValueError as error:
        raise NmtDistillError(f"{where} is not valid JSON in UTF-8 ({error}).") from None
    except RecursionError:
        raise NmtDistillError(f"{where} is nested too deeply for a catalogue.") from None
    return texts


def _read_html(content: bytes, where: str, is_key_language: bool) -> dict[Key, str]:
    try:
        return {(key,): text for key, text in texts_of_blocks(content.decode("utf-8")).items()}
    except UnicodeDecodeError as error:
        raise NmtDistillError(f"{where} is no page in UTF-8 ({error}).") from None


def _read_po(content: bytes, where: str, is_key_language: bool) -> dict[Key, str]:
    try:
        # The empty line in front tells polib that this is content and no path.
        catalog = polib.pofile("\n" + content.decode("utf-8"))
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise NmtDistillError(f"{where} is no gettext catalogue in UTF-8 ({error}).") from None
    return _gettext_texts(catalog, is_key_language)


def _read_mo(content: bytes, where: str, is_key_language: bool) -> dict[Key, str]:
    try:
        catalog = polib.mofile(content)
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise NmtDistillError(f"{where} is no compiled gettext catalogue ({error}).") from None
    return _gettext_texts(catalog, is_key_language)


def _gettext_texts(catalog: Any, is_key_language: bool) -> dict[Key, str]:
    """Return text by (context, message, number of the plural form); fuzzy and obsolete entries have none.

    Of plurals the first form and the last one are kept: one, and many.
    """
    texts: dict[Key, str] = defaultdict(str)
    for entry in catalog:
        if entry.obsolete:
            continue
        context = entry.msgctxt or ""
        usable = "fuzzy" not in entry.flags
        forms = [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)] if entry.msgid_plural else []
        singular = entry.msgid if is_key_language else (forms[0] if forms else entry.msgstr) if usable else ""
        texts[context, entry.msgid, "one"] = singular
        if entry.msgid_plural:
            plural = entry.msgid_plural if is_key_language else forms[-1] if usable and forms else ""
            texts[context, entry.msgid, "other"] = plural
    return texts
