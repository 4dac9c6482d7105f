"""Running text inside wheels, cut into sentences."""

from __future__ import annotations

import gzip
import html
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from nmt_distill.corpus.catalogs import path_expression
from nmt_distill.corpus.text import one_line
from nmt_distill.corpus.wheels import open_wheel, read_member
from nmt_distill.errors import NmtDistillError

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

Layout = Literal["lines", "paragraphs", "json", "yaml"]
Markup = Literal["none", "html"]

_BOUNDARY = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Nos|Fig|Inc|Ltd|Co|Gen|Lt|Col|Sen|Rep|Gov|Mt|approx|cf|Vol|pp?)"
    r"|\b(?:e\.g|i\.e|a\.m|p\.m|U\.S|U\.K|etc))\.$"
)
_SENTENCE = re.compile(r"[\"'“‘(\[]?[A-Z0-9].*[.!?…][\"'”’)\]]*", re.DOTALL)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_BLOCK_TAG = re.compile(r"</?(?:p|div|li|ul|ol|dl|dt|dd|br|h[1-6]|note|important|table|tr|td|th|pre|section)\b[^>]*>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*(?:%[ \t]*)?(?=\n)|\n[ \t]*(?=--)")
_HYPHENATION = re.compile(r"(?<=[a-z])-\n[ \t]*(?=[a-z])")


def split_sentences(text: str) -> Iterator[str]:
    """Cut a paragraph of English or similar prose into sentences, by punctuation and the capital that follows.

    Common abbreviations and initials end no sentence.
    """
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        if _ABBREVIATION.search(text[start : boundary.start()]):
            continue
        if sentence := one_line(text[start : boundary.end()]):
            yield sentence
        start = boundary.end()
    if sentence := one_line(text[start:]):
        yield sentence


def is_sentence(text: str) -> bool:
    """Say whether text looks like a whole sentence of prose.

    It begins with a capital or a digit and ends with ``.``, ``!`` or ``?``; some 70 % of its characters are
    letters and spaces, and most of its letters are small.
    """
    if not _SENTENCE.fullmatch(text):
        return False
    letters = _NOT_LETTERS.sub("", text)
    num_capitals = sum(map(str.isupper, letters))
    return len(letters) + text.count(" ") + 3 >= 0.7 * len(text) and num_capitals <= 1 + 0.3 * len(letters)


def read_wheel_text(
    wheel: Path,
    patterns: Sequence[str],
    *,
    layout: Layout,
    markup: Markup = "none",
    keys: Sequence[str] = (),
    only_sentences: bool = True,
) -> Iterator[str]:
    """Yield the sentences of all files of a wheel whose path matches a pattern, in the order of their names.

    :param patterns: ``*`` stands for anything but ``/``, ``**/`` for any folders; files ending in ``.gz`` are unpacked
    :param layout: ``lines``: one text a line; ``paragraphs``: divided by empty lines, ``%`` (as in fortune files) or
        ``--``; ``json``, ``yaml``: all strings, or those under ``keys``
    :param markup: ``html``: tags and entities are taken out
    :param keys: names whose values are text, in JSON and YAML
    :param only_sentences: leave out what :func:`is_sentence` does not take for a sentence
    :raises NmtDistillError: if no file matches, or one is damaged or not valid UTF-8
    """
    expressions = [path_expression(pattern) for pattern in patterns]
    with open_wheel(wheel) as archive:
        names = sorted(name for name in archive.namelist() if any(each.fullmatch(name) for each in expressions))
        if not names:
            raise NmtDistillError(f"{wheel} holds no file that matches {', '.join(patterns)}.")
        for name in names:
            for text in _texts(_content(archive, name), layout, keys, f"{wheel}: {name}"):
                for sentence in _sentences(text, markup):
                    if not only_sentences or is_sentence(sentence):
                        yield sentence


def _content(archive: zipfile.ZipFile, name: str) -> str:
    where = f"{archive.filename}: {name}"
    content = read_member(archive, name)
    if name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise NmtDistillError(f"{where} is no whole gzip file ({error}).") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NmtDistillError(f"{where}, line {line}: not valid UTF-8; leave this file out of `paths`.") from None


def _texts(content: str, layout: Layout, keys: Sequence[str], where: str) -> Iterator[str]:
    if layout == "lines":
        yield from content.split("\n")
    elif layout == "paragraphs":
        yield from _PARAGRAPH_BREAK.split(_HYPHENATION.sub("", content))
    elif layout == "json":
        yield from _json_texts(content, keys, where)
    else:
        try:
            yield from _tree_texts(yaml.load(content, Loader=SafeLoader), keys)
        except yaml.YAMLError as error:
            raise NmtDistillError(f"{where} is not valid YAML ({' '.join(str(error).split())}).") from None


def _json_texts(content: str, keys: Sequence[str], where: str) -> Iterator[str]:
    """Yield strings of JSON; with ``keys`` no more than these are ever kept in memory."""
    found: list[str] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        found.extend(value for key, value in pairs if key in keys and isinstance(value, str))

    try:
        tree = json.loads(content, object_pairs_hook=keep if keys else None)
    except (ValueError, RecursionError) as error:
        raise NmtDistillError(f"{where} is not valid JSON ({error}).") from None
    yield from found if keys else _tree_texts(tree, ())


def _tree_texts(node: Any, keys: Sequence[str]) -> Iterator[str]:
    if isinstance(node, str):
        if not keys:
            yield node
    elif isinstance(node, list):
        for child in node:
            yield from _tree_texts(child, keys)
    elif isinstance(node, dict):
        for key, child in node.items():
            yield from _tree_texts(child, () if key in keys else keys)


def _sentences(text: str, markup: Markup) -> Iterator[str]:
    if markup == "none":
        yield from split_sentences(text)
        return
    for block in _BLOCK_TAG.sub("\0", text).split("\0"):
        yield from split_sentences(html.unescape(_TAG.sub("", block)))
