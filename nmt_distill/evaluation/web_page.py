"""A document as one HTML page without scripts or outside resources, light or dark as the reader's system is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from nmt_distill.evaluation.document import (
    Block,
    Code,
    Facts,
    Folded,
    Heading,
    Paragraph,
    Plots,
    SentenceBlock,
    Sentences,
    Table,
    Version,
    visible,
)

_CODE = re.compile("`([^`]*)`")
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6577; --paper: #ffffff; --band: #f4f6fa; --rule: #d6dae3;
  --accent: #0b62c4; --mark: #ffe3a3; --mark-ink: #533b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #9aa5ba; --paper: #12161f; --band: #1a202c;
  --rule: #333c4d; --accent: #6fb1ff; --mark: #5a4714; --mark-ink: #ffe9b8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 48rem; } p { margin: .5rem 0; }
a { color: var(--accent); }
.soft { color: var(--soft); font-size: .875rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1rem 0 0; font-size: .875rem; }
nav a, .facts div, .who span { overflow-wrap: anywhere; min-width: 0; }
nav a { text-decoration: none; } nav a:hover { text-decoration: underline; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.facts div { background: var(--band); border-radius: 10px; padding: .8rem 1rem; }
.facts b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: .8125rem; line-height: 1.3; display: block; margin-top: .2rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem;
  margin: 1rem 0; align-items: start; }
figure { margin: 0; min-width: 0; } svg { display: block; width: 100%; height: auto; max-width: 36rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; min-width: 100%; }
th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; vertical-align: bottom; }
td:not(.number) { min-width: 7.5rem; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.number { white-space: normal; }
tbody tr:hover { background: var(--band); } td:first-child { font-weight: 500; }
.sentence { border: 1px solid var(--rule); border-radius: 10px; margin: .75rem 0; overflow: hidden; }
.given { background: var(--band); padding: .6rem .9rem; }
.given p, .version p { margin: .1rem 0; max-width: none; }
.who { color: var(--soft); font-size: .75rem; display: flex; justify-content: space-between; gap: 1rem; }
.versions { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
.version { padding: .6rem .9rem; border-top: 1px solid var(--rule); min-width: 0; }
mark { background: var(--mark); color: var(--mark-ink); border-radius: 3px; padding: 0 .15em; }
pre { background: var(--band); border: 1px solid var(--rule); border-radius: 6px; padding: .75rem 1rem;
  overflow-x: auto; font: .8125rem/1.5 ui-monospace, monospace; }
code { font: .9em ui-monospace, monospace; }
summary { cursor: pointer; color: var(--accent); margin: .75rem 0; }
@media print { details::details-content { content-visibility: visible; } nav { display: none; } }
"""


def html_page(title: str, blocks: list[Block]) -> str:
    """Set blocks as an HTML page; headings of the second level are linked at the top."""
    sections = [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
    parts, number = [], 0
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            number += 1
            parts.append(f'<h2 id="section-{number}">{_escaped(block.text)}</h2>')
            continue
        parts.append(_element(block))
        if isinstance(block, Heading) and block.level == 1 and len(sections) > 1:
            links = (f'<a href="#section-{place}">{_escaped(text)}</a>' for place, text in enumerate(sections, start=1))
            parts.append(f"<nav>{' '.join(links)}</nav>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _element(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_escaped(text)}</h{level}>"
        case Paragraph(text, kind):
            opening = f'<p class="{kind}">' if kind else "<p>"
            return f"{opening}{_CODE.sub(_code_element, _escaped(text))}</p>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Plots(plots):
            return f'<div class="plots">{"".join(f"<figure>{plot.svg}</figure>" for plot in plots)}</div>'
        case Facts(facts):
            cards = (f"<div><b>{_escaped(fact.value)}</b><span>{_escaped(fact.label)}</span></div>" for fact in facts)
            return f'<div class="facts">{"".join(cards)}</div>'
        case Folded(title, text):
            return f"<details><summary>{_escaped(title)}</summary><pre>{escape(text)}</pre></details>"
        case Sentences():
            return "\n".join(map(_sentence, block.sentences))
        case Table():
            return _table(block)


def _sentence(sentence: SentenceBlock) -> str:
    given = "".join(
        f'<div class="who"><span>{_escaped(who)}</span>{_place(sentence.line) if not number else ""}</div>'
        f'<p dir="auto">{_escaped(text)}</p>'
        for number, (who, text) in enumerate(sentence.given)
    )
    versions = "".join(map(_version, sentence.versions))
    return f'<div class="sentence"><div class="given">{given}</div><div class="versions">{versions}</div></div>'


def _place(line: str) -> str:
    return f"<span>line {_escaped(line)}</span>"


def _version(version: Version) -> str:
    text = "".join(
        f"<mark>{_escaped(span.text)}</mark>" if span.is_marked else _escaped(span.text) for span in version.spans
    )
    note = f"<span>{_escaped(version.note)}</span>"
    return (
        f'<div class="version"><div class="who"><span>{_escaped(version.who)}</span>{note}</div>'
        f'<p dir="auto">{text}</p></div>'
    )


def _table(table: Table) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="number">{_escaped(cell)}</{tag}>'
            if column >= table.num_text_columns
            else f'<{tag} dir="auto">{_escaped(cell)}</{tag}>'
            for column, cell in enumerate(row)
        )

    rows = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    head = f"<thead><tr>{cells(table.headers, 'th')}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>\n{rows}\n</tbody></table></div>'


def _escaped(text: str) -> str:
    return escape(visible(text))


def _code_element(match: re.Match[str]) -> str:
    return f"<code>{match[1]}</code>"
