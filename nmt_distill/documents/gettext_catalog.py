"""gettext's PO: entries without a translation get one and the flag ``fuzzy``; all else stays."""

from __future__ import annotations

import codecs
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polib

from nmt_distill.documents.document import DocumentError, Encoded, Slot, SlottedDocument, constant, decode
from nmt_distill.documents.target_language import check_target_language
from nmt_distill.translation.protection import protected_spans

_LINE = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)[ \t]*)?"((?:[^"\\]|\\.)*)"[ \t]*\r?$')
_FLAGS = re.compile(r"#,[ \t]*")
_TIGHT_FLAGS = re.compile(r"^#,(?=\S)", re.MULTILINE)
"""flags without the space that polib asks for, and gettext's own tools do not"""
_CHARSET = re.compile(r"(Content-Type:[^\n]{0,100}charset=)([\w.:-]+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"^Language:[ \t]*(.*)", re.MULTILINE)
_PLURAL = re.compile(r"\bplural=([^;\n]{1,500})")
_FEW = 5
WIDTH = 78
"""columns that gettext's tools fill"""


@dataclass
class _Field:
    """A keyword's string, and where its lines begin and end."""

    start: int
    end: int
    text: str


@dataclass
class _Entry:
    start: int
    """where its first keyword begins"""
    flags: int | None = None
    """behind the sign of its flags, where it has any"""
    is_fuzzy: bool = False
    fields: dict[str, _Field] = field(default_factory=dict)

    def awaits(self, keyword: str) -> bool:
        """Tell whether a keyword in front of the translations belongs to this entry still."""
        return keyword not in self.fields and not any(name.startswith("msgstr") for name in self.fields)


class _OfCharset(Encoded):
    """A catalogue whose header names another encoding than UTF-8; it becomes UTF-8 where a translation asks for it."""

    def encode(self, text: str) -> bytes:
        try:
            return super().encode(text)
        except UnicodeEncodeError:
            return _CHARSET.sub(r"\1UTF-8", text, count=1).encode()


def read_gettext_catalog(content: bytes, path: Path, language: str | None = None) -> SlottedDocument:
    """Read a catalogue.

    :param language: of the translations
    :raises DocumentError: if polib finds it broken, or its header names another language
    """
    source = _decoded(content, path)
    _check(source.text, path)
    line_end = "\r\n" if "\r\n" in source.text else "\n"
    slots: list[Slot] = []
    header: _Entry | None = None
    for entry in _entries(source.text, path):
        message = entry.fields.get("msgid")
        if message is None or not message.text:
            header = entry
            continue
        missing = [
            (name, found) for name, found in entry.fields.items() if name.startswith("msgstr") and not found.text
        ]
        for name, found in missing:
            plural = entry.fields.get("msgid_plural", message).text
            is_singular = name == "msgstr" or (name == "msgstr[0]" and "msgstr[1]" in entry.fields)
            if is_singular and header is not None and _lacks_a_placeholder(message.text, plural):
                is_singular = not _first_form_serves_many(header)
            segment = message.text if is_singular else plural
            write = partial(_write, name, line_end)
            slots.append(Slot(start=found.start, end=found.end, segment=segment, write=write, always=True))
        if missing and not entry.is_fuzzy:
            place = entry.start if entry.flags is None else entry.flags
            flag = constant(f"#, fuzzy{line_end}" if entry.flags is None else "fuzzy, ")
            slots.append(Slot(start=place, end=place, segment="", write=flag, always=True))
    if slots and header is not None:
        _check_language(header, source.text, path, language)
    return SlottedDocument(source=source, slots=slots)


def _lacks_a_placeholder(singular: str, plural: str) -> bool:
    there = {span.text for span in protected_spans(singular)}
    return any(span.text not in there for span in protected_spans(plural))


def _first_form_serves_many(header: _Entry) -> bool:
    """Tell whether the first form is not for 1 alone, as in Russian, where it also is for 21: then it needs a number.

    msgfmt calls a form of more than 5 numbers up to 1,000 one of many.
    """
    said = header.fields.get("msgstr")
    rule = _PLURAL.search(said.text) if said is not None else None
    try:
        form_of = gettext.c2py(rule[1]) if rule is not None else None
        return form_of is not None and sum(form_of(number) == 0 for number in range(1001)) > _FEW
    except (ValueError, ArithmeticError):
        return False


def _check_language(header: _Entry, text: str, path: Path, language: str | None) -> None:
    said = header.fields.get("msgstr")
    named = _LANGUAGE.search(said.text) if said is not None else None
    if said is not None and named is not None:
        place = re.compile(r'(?:"|\\n)Language:').search(text, said.start)
        line = text.count("\n", 0, place.start() if place else said.start) + 1
        check_target_language(path, line, "Language", named[1], language)


def _decoded(content: bytes, path: Path) -> Encoded:
    """Read bytes as the header says, whose own letters all of these encodings write alike."""
    named = _CHARSET.search(content.decode("latin-1"))
    try:
        charset = codecs.lookup(named[2]).name if named else "utf-8"
    except LookupError:  # such as CHARSET in a template
        charset = "utf-8"
    if charset in {"utf-8", "ascii"} or b"\0" in content:
        return decode(content, path)
    try:
        return _OfCharset(text=content.decode(charset), encoding=charset)
    except LookupError:  # a codec that is none of text, such as base64
        return decode(content, path)
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise DocumentError(path, line, f"not valid {charset}, which its header names") from None


def _check(text: str, path: Path) -> None:
    try:
        # a string that names no file is content
        polib.pofile(_TIGHT_FLAGS.sub("#, ", text) + "\n", check_for_duplicates=False)
    except (OSError, ValueError, UnicodeError) as error:
        line = re.search(r"line (\d+)", str(error))
        problem = re.sub(r"^.*?error in po file[^:]*:?\s*|\(line \d+\):?\s*", "", str(error))
        raise DocumentError(
            path, int(line[1]) if line else 0, f"not a valid PO file ({problem.strip() or 'syntax error'})"
        ) from None


def _entries(text: str, path: Path) -> Iterator[_Entry]:
    """Find the entries that are in force, with the places of their strings; polib lets some broken lines pass."""
    entry: _Entry | None = None
    current: _Field | None = None
    flags: int | None = None
    is_fuzzy = False
    position = 0
    for number, line in enumerate(text.split("\n"), start=1):
        match = _LINE.match(line)
        end = position + len(line.removesuffix("\r"))
        if match is None and line.strip() and not line.startswith("#"):
            raise DocumentError(path, number, "not a valid PO file (neither a keyword with its string, nor a comment)")
        if match is not None and match[1] is not None:
            if entry is None or (match[1] in {"msgctxt", "msgid"} and not entry.awaits(match[1])):
                if entry is not None:
                    yield entry
                entry = _Entry(start=position, flags=flags, is_fuzzy=is_fuzzy)
                flags, is_fuzzy = None, False
            current = _Field(start=position, end=end, text=polib.unescape(match[2]))
            entry.fields[match[1]] = current
        elif match is not None and current is not None:
            current.text += polib.unescape(match[2])
            current.end = end
        else:
            if line.startswith("#,"):
                found = _FLAGS.match(line)
                flags = position + (found.end() if found else 2)
                is_fuzzy = is_fuzzy or "fuzzy" in map(str.strip, line[2:].split(","))
            elif line.startswith("#~") or not line.strip():
                flags, is_fuzzy = None, False
            current = None
        position += len(line) + 1
    if entry is not None:
        yield entry


def _write(name: str, line_end: str, translation: str) -> str:
    entry = polib.POEntry(msgid="", msgstr=translation)
    lines = entry.__unicode__(wrapwidth=WIDTH).split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("msgstr "))
    written = [line for line in lines[first:] if line]
    return line_end.join([name + written[0].removeprefix("msgstr"), *written[1:]])
