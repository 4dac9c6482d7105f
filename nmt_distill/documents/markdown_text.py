"""Markdown: paragraphs, headings and cells are segments; code, front matter and what begins each line stay.

markdown-it-py says which lines hold text. A paragraph over several lines becomes as many lines again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from nmt_distill.documents.document import Slot, SlottedDocument, decode
from nmt_distill.documents.html_page import html_slots
from nmt_distill.documents.markdown_lines import begins_a_block, broken, escaped
from nmt_distill.documents.markdown_links import NamedLinks, name_links
from nmt_distill.documents.mdx import MdxCode, read_paragraph
from nmt_distill.documents.requirements import load

_FRONT_MATTER = re.compile(r"(?:---\r?\n.*?\r?\n(?:---|\.\.\.)|\+\+\+\r?\n.*?\r?\n\+\+\+)[ \t]*(?:\r?\n|$)", re.DOTALL)
_HARD_BREAK = re.compile(r"(?: {2,}|\\|<br\s*/?>)$")

_DEFINITION = re.compile(r":[ \t]+")
"""what begins the definition of a term in other dialects"""
_NOTE = re.compile(r"(?:\[\^[^\[\]\s]{1,60}\]|\*\[[^\[\]]{1,60}\]):[ \t]+")
"""what begins the text of a footnote or an abbreviation; French would put a space before its colon"""
_DEFINITION_BEHIND = re.compile(r"[ \t]*\r?\n[ \t>]*\r?\n[ \t>]*:[ \t]+\S")
"""one behind a blank line"""
_SIGNPOST = re.compile(r":{3,}.*|\[![A-Za-z]+\][-+]?|\{[:%].*\}|\[\[?(?:_?TOC_?|toc)\]\]?")
"""a line by itself that other dialects read: a directive, the kind of an alert, attributes, a template's block"""

_TASK = re.compile(r"\[[ xX]\][ \t]+")
"""what begins an item of a list of tasks"""

Lines = list[tuple[int, int]]
"""where the text of each line begins and ends"""


def read_markdown_text(content: bytes, path: Path) -> SlottedDocument:
    """Read a text; Markdown is never broken, only odd."""
    source = decode(content, path)
    text = source.text
    front = _FRONT_MATTER.match(text)
    begin = front.end() if front else 0
    slots: list[Slot] = []
    # the parser takes other line ends for LF, and so must not see them
    body = text[begin:].replace("\r\n", " \n").replace("\r", " ").replace("\0", " ")
    is_mdx = path.suffix.lower() == ".mdx"
    code = MdxCode(text, body, is_mdx=is_mdx)
    body = code.masked()
    tokens, is_defined = _parse(body, is_mdx=is_mdx)
    for lines, kind in _blocks(body, begin, tokens):
        if kind == "html":
            slots += html_slots(text[lines[0][0] : lines[-1][1]], lines[0][0])
        else:
            for run in _runs(text, lines):
                segment = " ".join(code.hidden(start, end) for start, end in run)
                if any(map(str.isalpha, segment)):
                    links = name_links(segment, is_defined)
                    write = partial(_write, text, run, kind == "cell", links, code)
                    slots.append(Slot(start=run[0][0], end=run[-1][1], segment=links.segment, write=write))
    return SlottedDocument(source=source, slots=slots, markdown=True)


def _parse(body: str, *, is_mdx: bool) -> tuple[list[Any], Callable[[str], bool]]:
    """Return the parser's tokens, and what tells whether a link's label is defined."""
    markdown = load("markdown_it").MarkdownIt("commonmark", {"maxNesting": 20}).enable(["table", "strikethrough"])
    if is_mdx:
        markdown.disable(["code", "html_block"])
        markdown.block.ruler.at("paragraph", read_paragraph)
    normalize = load("markdown_it.common.utils").normalizeReference
    environment: dict[str, Any] = {}
    tokens = markdown.parse(body, environment)
    return tokens, lambda label: normalize(label) in environment.get("references", {})


def _blocks(body: str, begin: int, tokens: list[Any]) -> Iterator[tuple[Lines, str]]:
    """Yield the lines of each block that holds text, and whether it is ``text``, a ``cell`` or ``html``.

    :param begin: where the body begins in its file
    """
    starts = [0, *accumulate(len(line) + 1 for line in body.split("\n"))]
    cells: dict[int, int] = {}
    for token in tokens:
        if token.map is None:
            continue
        first, last = token.map
        if token.type == "html_block":
            end = min(starts[last], len(body)) if last < len(starts) else len(body)
            yield [(begin + starts[first], begin + end)], "html"
        if token.type != "inline":
            continue
        is_cell = token.meta.get("cell", False) or (last == first + 1 and first in cells)
        found: Lines = []
        for number, content in enumerate(token.content.split("\n")):
            line = first + number
            content = content.strip(" \t")
            if is_cell:
                content = content.replace("|", "\\|")
            start = body.find(content, max(starts[line], cells.get(line, 0)), starts[line + 1])
            if start < 0 or not content:
                found = []
                break
            cells[line] = start + len(content)
            found.append((begin + start, begin + start + len(content)))
        if is_cell and found:
            yield found, "cell"
        elif not is_cell:
            for is_text, group in groupby(found, key=partial(_is_text, body, begin)):
                if is_text:
                    yield list(group), "text"


def _is_text(body: str, begin: int, place: tuple[int, int]) -> bool:
    return _SIGNPOST.fullmatch(body, place[0] - begin, place[1] - begin) is None


def _runs(text: str, lines: Lines) -> Iterator[Lines]:
    """Cut the lines of a paragraph at its hard breaks, in front of definitions, and between the terms of one."""
    run: Lines = []
    first_definition = next(
        (number for number, place in enumerate(lines) if _DEFINITION.match(text, *place)),
        len(lines) if _DEFINITION_BEHIND.match(text, lines[-1][1]) else 0,
    )
    for number, (start, end) in enumerate(lines):
        if not number and (task := _TASK.match(text, start, end)):
            start = task.end()
        definition = _DEFINITION.match(text, start, end) or _NOTE.match(text, start, end)
        if definition:
            start = definition.end()
        if definition and run:
            yield run
            run = []
        following = lines[number + 1][0] if number + 1 < len(lines) else end
        rest = text[end:following].split("\n")[0].rstrip("\r")
        hard = _HARD_BREAK.search(text[start:end] + rest) if number + 1 < len(lines) else None
        run.append((start, min(end, start + hard.start()) if hard else end))
        if hard or number < first_definition:
            yield run
            run = []
    if run:
        yield run


def _write(text: str, run: Lines, is_cell: bool, links: NamedLinks, code: MdxCode, translation: str) -> str:
    """Write a translation on as many lines as there were, each after what began it."""
    translation = links.restore(translation)
    if is_cell:
        return code.restored(re.sub(r"(?<!\\)\|", r"\\|", translation))
    parts: list[str] = []
    begins_so = begins_a_block(text[run[0][0] : run[0][1]])
    for number, line in enumerate(broken(translation, len(run))):
        if number:
            parts.append(text[run[number - 1][1] : run[number][0]])
        parts.append(line if begins_so and not number else escaped(line))
    return code.restored("".join(parts))
