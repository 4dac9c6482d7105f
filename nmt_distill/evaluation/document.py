"""A document as a list of blocks, set as Markdown and as an HTML page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&$])")
_CODE = re.compile("`([^`]*)`")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6577; --paper: #ffffff; --band: #f4f6fa; --rule: #d6dae3;
  --accent: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #9aa5ba; --paper: #12161f; --band: #1a202c;
  --rule: #333c4d; --accent: #6fb1ff; } }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 48rem; } p { margin: .5rem 0; }
.lead { font-size: 1.1rem; } .soft { color: var(--soft); font-size: .875rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; min-width: 100%; }
th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; border-bottom-width: 2px; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr:has(+ tr td:first-child:empty) td { border-bottom-color: transparent; }
tbody tr:hover { background: var(--band); } td:first-child { font-weight: 500; }
pre { background: var(--band); border: 1px solid var(--rule); border-radius: 6px; padding: .75rem 1rem;
  overflow-x: auto; font: .85rem/1.5 ui-monospace, monospace; }
code { font: .9em ui-monospace, monospace; }
svg { max-width: 100%; height: auto; }
"""


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


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headers and rows of text; every row is as long as the headers."""

    headers: tuple[str, ...]
    """one for each column"""
    rows: tuple[tuple[str, ...], ...]
    """the cells"""
    num_text_columns: int = 1
    """columns from the left that hold text; the others hold numbers and are set to the right"""


Block = Heading | Paragraph | Code | Plot | Table


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
            case Plot(_, description, file_name):
                parts.append(f"![{description}]({file_name})")
            case Table():
                rule = ["---" if column < block.num_text_columns else "---:" for column in range(len(block.headers))]
                lines = [[_marked(cell) for cell in row] for row in (block.headers, *block.rows)]
                parts.append("\n".join(f"| {' | '.join(row)} |" for row in (lines[0], rule, *lines[1:])))
    return "\n\n".join(parts) + "\n"


def html_page(title: str, blocks: list[Block]) -> str:
    """Set blocks as one HTML page without scripts or outside resources, light or dark as the reader's system is."""
    parts = []
    for block in blocks:
        match block:
            case Heading(level, text):
                parts.append(f"<h{level}>{_escaped(text)}</h{level}>")
            case Paragraph(text, kind):
                opening = f'<p class="{kind}">' if kind else "<p>"
                parts.append(f"{opening}{_CODE.sub(_code_element, _escaped(text))}</p>")
            case Code(text):
                parts.append(f"<pre>{escape(text)}</pre>")
            case Plot(svg):
                parts.append(f'<div class="scroll">{svg}</div>')
            case Table():
                parts.append(_html_table(block))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(
            f'<{tag} class="number">{_escaped(cell)}</{tag}>'
            if column >= table.num_text_columns
            else f'<{tag} dir="auto">{_escaped(cell)}</{tag}>'
            for column, cell in enumerate(row)
        )

    rows = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    head = f"<thead><tr>{cells(table.headers, 'th')}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>\n{rows}\n</tbody></table></div>'


def _visible(text: str) -> str:
    """Show characters that would not be seen, or would disturb what stands around them, by their code point."""
    return _CONTROL.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _escaped(text: str) -> str:
    return escape(_visible(text))


def _code_element(match: re.Match[str]) -> str:
    return f"<code>{match[1]}</code>"


def _marked(text: str, *, keep_code: bool = False) -> str:
    visible = _visible(text)
    if keep_code:
        pieces = re.split(r"(`[^`]*`)", visible)
        return "".join(piece if odd % 2 else _marked(piece) for odd, piece in enumerate(pieces))
    return _MARKDOWN_SPECIAL.sub(r"\\\1", visible)
