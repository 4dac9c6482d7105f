"""String catalogues in JSON, and Flutter's ARB: every string value is text, keys are not."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

from nmt_distill.documents.document import DocumentError, Slot, SlottedDocument, constant, decode

_QUOTING = re.compile(r"'(?=\{)")
"""to ICU the placeholder behind it is text, so no translation may bring one in, such as French ``d'{name}``"""
_UNKNOWN = re.compile("[\ud800-\udfff\ufffd]")
"""halves of a pair of UTF-16 that JSON lets stand alone, and what translators see in their place"""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def read_json_catalog(
    content: bytes, path: Path, *, is_arb: bool = False, language: str | None = None
) -> SlottedDocument:
    """Read a catalogue.

    :param is_arb: whether what has a key with ``@`` is about text, and no text
    :param language: what ARB's ``@@locale`` becomes
    :raises DocumentError: if it is no JSON
    """
    source = decode(content, path)
    text = source.text
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise DocumentError(path, error.lineno, f"not valid JSON ({error.msg})") from None
    except RecursionError:
        raise DocumentError(path, 0, "nested too deep") from None
    only_ascii, escaped_slashes = text.isascii() and "\\u" in text, "\\/" in text
    slots = []
    depth, key, skipped_below = 0, "", -1
    tokens = list(_TOKEN.finditer(text))
    for number, match in enumerate(tokens):
        token = match.group()
        depth += (token in "{[") - (token in "}]")
        if skipped_below >= depth and token in "}],":
            skipped_below = -1
        if not token.startswith('"'):
            continue
        value = json.loads(token)
        if number + 1 < len(tokens) and tokens[number + 1].group() == ":":
            if depth == 1:
                key = value
                skipped_below = 1 if is_arb and key.startswith("@") and not _is_locale(key, language) else -1
        elif is_arb and depth == 1 and language is not None and _is_locale(key, language):
            locale = json.dumps(language.replace("-", "_"))
            slots.append(Slot(start=match.start(), end=match.end(), segment="", write=constant(locale), always=True))
        elif skipped_below < 0:
            segment = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            write = partial(_write, segment, _UNKNOWN.findall(value), only_ascii, escaped_slashes)
            slots.append(Slot(start=match.start(), end=match.end(), segment=segment, write=write))
    return SlottedDocument(source=source, slots=slots)


def _is_locale(key: str, language: str | None) -> bool:
    return key == "@@locale" and language is not None


def _write(segment: str, unknown: list[str], only_ascii: bool, escaped_slashes: bool, translation: str) -> str:
    if _QUOTING.search(segment) is None:
        translation = _QUOTING.sub("\u2019", translation)
    if len(_UNKNOWN.findall(translation)) == len(unknown):
        halves = iter(unknown)
        translation = _UNKNOWN.sub(lambda _: next(halves), translation)
    written = _UNKNOWN.sub(_escape, json.dumps(translation, ensure_ascii=only_ascii))
    return written.replace("/", "\\/") if escaped_slashes else written


def _escape(match: re.Match[str]) -> str:
    return match.group() if match.group() == "\ufffd" else f"\\u{ord(match.group()):04x}"
