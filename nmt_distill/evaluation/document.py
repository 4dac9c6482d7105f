"""A document as a list of blocks, and how they are set as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from nmt_distill.evaluation.differences import Span

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&$])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""not the joiners U+200C and U+200D, which belong to how Persian, languages of India and emoji are written"""


@dataclass(frozen=True)
class Heading:
    """A heading of level 1-3."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; ``kind`` is ``lead``, ``soft`` or empty."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str


@dataclass(frozen=True)
class Plot:
    """An SVG, which stands in the page and, as a file of that name, beside the Markdown."""

    svg: str
    description: str
    file_name: str


@dataclass(frozen=True)
class Plots:
    """Plots that stand side by side where there is room."""

    plots: tuple[Plot, ...]


@dataclass(frozen=True)
class Fact:
    """A number to see first, and what it is."""

    value: str
    label: str


@dataclass(frozen=True)
class Facts:
    """A row of numbers to see first; the Markdown says the same in its sentences."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Version:
    """What one system made of a sentence; marked is what the other systems lack."""

    who: str
    note: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Sentences, each with what systems made of it side by side."""

    sentences: tuple[SentenceBlock, ...]
    """in order"""
    note_header: str
    """what the notes of the versions are"""


@dataclass(frozen=True, kw_only=True)
class SentenceBlock:
    """One sentence."""

    line: str
    """where it stands in the test set"""
    given: tuple[tuple[str, str], ...]
    """who and text: source and reference"""
    versions: tuple[Version, ...]
    """by the systems"""


@dataclass(frozen=True)
class Folded:
    """Lines to copy that are shown when asked for."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headers and rows of text; every row is as long as the headers."""

    headers: tuple[str, ...]
    """one for each column"""
    rows: tuple[tuple[str, ...], ...]
    """the cells"""
    num_text_columns: int = 1
    """columns from the left that hold text; the others hold numbers and are set to the right"""


Block = Heading | Paragraph | Code | Plots | Facts | Sentences | Folded | Table


def markdown(blocks: list[Block]) -> str:
    """Set blocks as GitHub's Markdown; text of the test sets shows as it is, whatever marks it holds."""
    parts = []
    for block in blocks:
        match block:
            case Heading(level, text):
                parts.append(f"{'#' * level} {_marked(text)}")
            case Paragraph(text):
                parts.append(_marked(text, keep_code=True))
            case Code(text):
                parts.append(f"```\n{text}\n```")
            case Plots(plots):
                parts += [f"![{plot.description}]({plot.file_name})" for plot in plots]
            case Facts():
                pass
            case Folded(title, text):
                fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
                head = f"<details><summary>{escape(title)}</summary>"
                parts.append(f"{head}\n\n{fence}yaml\n{text.rstrip()}\n{fence}\n\n</details>")
            case Sentences():
                parts.append(_markdown_table(("line", "who", "text", block.note_header), _sentence_rows(block), 3))
            case Table():
                rows = [[_marked(cell) for cell in row] for row in block.rows]
                parts.append(_markdown_table(block.headers, rows, block.num_text_columns))
    return "\n\n".join(parts) + "\n"


def _markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]], num_text_columns: int) -> str:
    rule = ["---" if column < num_text_columns else "---:" for column in range(len(headers))]
    return "\n".join(f"| {' | '.join(row)} |" for row in ([_marked(header) for header in headers], rule, *rows))


def _sentence_rows(block: Sentences) -> Iterator[tuple[str, str, str, str]]:
    for sentence in block.sentences:
        line = sentence.line
        for who, text in sentence.given:
            yield line, _marked(who), _marked(text), ""
            line = ""
        for version in sentence.versions:
            text = "".join(f"**{_marked(s.text)}**" if s.is_marked else _marked(s.text) for s in version.spans)
            yield line, _marked(version.who), text, version.note
            line = ""


def visible(text: str) -> str:
    """Show characters that would not be seen, or would disturb what stands around them, by their code point."""
    return _CONTROL.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _marked(text: str, *, keep_code: bool = False) -> str:
    shown = visible(text)
    if keep_code:
        pieces = re.split(r"(`[^`]*`)", shown)
        return "".join(piece if odd % 2 else _marked(piece) for odd, piece in enumerate(pieces))
    return _MARKDOWN_SPECIAL.sub(r"\\\1", shown)
