"""MDX: Markdown with JSX, ``{expressions}`` and modules, which are code and stay as they are.

An expression ends at its brace as JavaScript counts: strings, templates and comments in it may hold others.
"""

from __future__ import annotations

import re
from typing import Any

_SIGN = re.compile(
    r"""
      ^[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)?(?P<fence>`{3,}|~{3,})[^\n`]*
        (?:\n(?![ \t>]*(?P=fence))[^\n]*)*(?:\n[ \t>]*(?P=fence)[`~]*|\Z)
    | \\. | (?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).){0,2000}?(?<!`)(?P=ticks)(?!`) | `+
    | <[^\s<>]*(?:://|@)[^\s<>]*>
    | (?P<comment><!--.{0,5000}?-->)
    | (?:\A\s*|\n[ \t]*\n)(?P<module>(?:import|export)\b)
    | (?P<tag><(?P<name>/?[A-Za-z_$][\w$.:-]*|/?(?=>)))
    | (?P<expression>\{)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
"""what holds no code of MDX, such as Markdown's own, and what begins some"""
_SCRIPT = re.compile(
    r"""
      (?<!:)//[^\n]* | /\*.*?(?:\*/|\Z)
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `(?:[^`\\]|\\.)*(?:`|\Z)
    | [{}] | \n(?=[ \t]*(?:\n|\Z))
    """,
    re.VERBOSE | re.DOTALL,
)
"""what tells where a script ends"""
_ATTRIBUTES = re.compile(r"""(?:[^<>{}"']|"[^"]*"|'[^']*')*""")
_MAX_DEPTH = 50
_HIDDEN = "\ue002"
_LINE_OF_CODE = re.compile(rf"^[ \t>]*{_HIDDEN}[{_HIDDEN} \t]*$", re.MULTILINE)
_STAND_IN = re.compile(rf"[<{{][^<>{{}}]*{_HIDDEN}(\d+)/?[>}}]")


def read_paragraph(state: Any, first: int, _: int, silent: bool) -> bool:
    """Read a paragraph as markdown-it's own rule does, but let blocks end it that are indented by four or more.

    MDX knows no indented code, so there a list in a tag may stand so far to the right.
    """
    rules = state.md.block.ruler.getRules("paragraph")
    parent, state.parentType = state.parentType, "paragraph"
    indent, state.listIndent = state.listIndent, -1
    last = first + 1
    while last < state.lineMax and not state.isEmpty(last):
        if state.sCount[last] >= 0 and any(rule(state, last, state.lineMax, True) for rule in rules):
            break
        last += 1
    state.line, state.parentType, state.listIndent = last, parent, indent
    for kind, tag, nesting in (("paragraph_open", "p", 1), ("inline", "", 0), ("paragraph_close", "p", -1)):
        token = state.push(kind, tag, nesting)
        if nesting >= 0:
            token.map = [first, last]
        if kind == "inline":
            token.content = state.getLines(first, last, state.blkIndent, False).strip(" \t\n")
            token.children = []
    return True


class MdxCode:
    """What is code in a text, hidden from readers of Markdown and from translators.

    :param text: of the file
    :param body: the same behind any front matter, as long as it stands there, with LF as line ends
    :param is_mdx: whether there is any code; in other Markdown there is none
    """

    def __init__(self, text: str, body: str, *, is_mdx: bool) -> None:
        self._text, self._body = text, body
        self._found = _code(body) if is_mdx else []

    def masked(self) -> str:
        """Return the body as long as it was, where lines of nothing but code are blank, and other code is a word."""
        parts: list[str] = []
        position = 0
        for start, end, _ in self._found:
            parts += [self._body[position:start], _HIDDEN * (end - start)]
            position = end
        text = "".join([*parts, self._body[position:]])
        return _LINE_OF_CODE.sub(lambda line: line[0].replace(_HIDDEN, " "), text)

    def hidden(self, start: int, end: int) -> str:
        """Return a stretch of the file with a short tag or placeholder for each piece of code."""
        parts: list[str] = []
        for number, (_, _, form) in enumerate(self._found):
            begins, ends = self._place(number)
            if start <= begins and ends <= end:
                parts += [self._text[start:begins], form.format(f"{_HIDDEN}{number}")]
                start = ends
        return "".join([*parts, self._text[start:end]])

    def restored(self, translation: str) -> str:
        """Put the code back."""

        def original(match: re.Match[str]) -> str:
            number = int(match[1])
            return self._text[slice(*self._place(number))] if number < len(self._found) else match[0]

        return _STAND_IN.sub(original, translation)

    def _place(self, number: int) -> tuple[int, int]:
        """Return where a piece of code begins and ends in the file."""
        begin = len(self._text) - len(self._body)
        return begin + self._found[number][0], begin + self._found[number][1]


def _code(body: str) -> list[tuple[int, int, str]]:
    """Find code: where each piece begins and ends, and what form its stand-in has; what is broken is text."""
    found: list[tuple[int, int, str]] = []
    position = 0
    while sign := _SIGN.search(body, position):
        position = sign.end()
        kind = sign.lastgroup if sign.lastgroup != "name" else "tag"
        if kind == "comment":
            end: int | None = position
        elif kind == "module":
            end = _end_of_script(body, position, is_module=True)
        elif kind == "tag":
            end = _end_of_tag(body, position)
        elif kind == "expression":
            end = _end_of_script(body, position, is_module=False)
        else:
            end = None
        if end is not None:
            start = sign.start(str(kind))
            found.append((start, end, _stand_in(body[start:end], sign["name"] or "")))
            position = end
    return found


def _stand_in(code: str, name: str) -> str:
    """Return what readers see in the place of code, so that pairs of tags are pairs still."""
    if code.startswith("{"):
        return "{{{}}}"
    if name.startswith("/") and len(name) > 1:
        return code.replace("{", "{{").replace("}", "}}")
    return f"<{name} {{}}{'/' * code.endswith('/>')}>" if name.strip("/") else "<x {}/>"


def _end_of_script(body: str, position: int, *, is_module: bool) -> int | None:
    """Return where an expression ends, or a module's lines do: at the first blank line outside braces."""
    depth = 0 if is_module else 1
    while match := _SCRIPT.search(body, position):
        position = match.end()
        if match[0] == "\n" and is_module and depth == 0:
            return match.start()
        depth += (match[0] == "{") - (match[0] == "}")
        if depth > _MAX_DEPTH or depth < 0:
            return None
        if depth == 0 and not is_module:
            return position
    return len(body) if is_module else None


def _end_of_tag(body: str, position: int) -> int | None:
    while match := _ATTRIBUTES.match(body, position):
        position = match.end()
        if body.startswith(">", position):
            return position + 1
        if not body.startswith("{", position):
            return None
        end = _end_of_script(body, position + 1, is_module=False)
        if end is None:
            return None
        position = end
    return None
