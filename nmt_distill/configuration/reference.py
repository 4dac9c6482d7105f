"""What every key of a configuration means, read from the strings under the fields."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args, get_origin

from nmt_distill.configuration.fields import (
    alternatives,
    constrained,
    field_types,
    is_dataclass_type,
    is_mapping_type,
    is_required,
    join_alternatives,
    kinds_of,
)
from nmt_distill.configuration.loading import to_content

_REQUIRED, _BELOW = _PLAIN_DEFAULTS = ("required", "see below")
_NOTATION = (
    "A heading is the path of a section, as in an error message or `--set`: `a.b` is the key `b` of the section `a`, "
    "`a[]` an item of the list `a` (`a[0]` is the first), `a{x}` a section `a` of kind `x`, and `a.NAME` one by a name "
    "of your own."
)


class FieldDocumentation(NamedTuple):
    """What there is to say about one key."""

    type: str
    """such as ``text`` or ``list of whole numbers``"""
    default: str
    """as YAML, or ``required``"""
    help: str
    """the string under the field, in one line"""


def field_documentation(cls: type) -> dict[str, FieldDocumentation]:
    """Document every key of a configuration dataclass and of all below it.

    :returns: by dotted path; ``sources[]`` is an item of a list, ``teacher{file}`` a section of that kind
    """
    return {path: row for section in _sections(cls, "", None) for path, row in section.rows.items()}


def configuration_reference(cls: type, *, title: str = "Configuration") -> str:
    """Render all keys as Markdown: one heading and one table a section, and links to the sections after the first."""
    first, *others = _sections(cls, "", None)
    told: dict[tuple[type, str], str] = {}
    blocks: list[str] = []
    for section in others:
        blocks.append(f"## `{section.path}`")
        if purpose := _first_paragraph(section.cls):
            blocks.append(purpose)
        table = _table(section)
        if (section.cls, table) in told:
            table = f"Keys as in {_link(told[section.cls, table])}."
        else:
            told[section.cls, table] = section.path
        blocks.append(table)
    head = [f"# {title}", _first_paragraph(first.cls), _table(first)]
    if told:
        head += [f"Sections: {' · '.join(map(_link, told.values()))}", _NOTATION]
    return "\n\n".join(block for block in (*head, *blocks) if block) + "\n"


def _link(path: str) -> str:
    """Link to the heading of a section by the name that GitHub gives it."""
    return f"[`{path}`](#{re.sub(r'[^a-z0-9_-]', '', path.lower())})"


class _Section(NamedTuple):
    path: str
    cls: type
    rows: dict[str, FieldDocumentation]


def _table(section: _Section) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for path, row in section.rows.items():
        key = path.removeprefix(section.path).removeprefix(".")
        default = row.default if row.default in _PLAIN_DEFAULTS else f"`{row.default}`"
        cells = [f"`{key}`", row.type, default, row.help]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _sections(cls: type, path: str, example: Any) -> Iterator[_Section]:
    """Yield a dataclass, then those below it.

    :param example: an instance from which the defaults are read, if an outer default holds one
    """
    rows: dict[str, FieldDocumentation] = {}
    below: list[tuple[type, str, Any]] = []
    helps = _field_helps(cls)
    types = field_types(cls)
    for field in dataclasses.fields(cls):
        if field.name not in types:
            continue
        place = f"{path}.{field.name}" if path else field.name
        default = _default(field, example)
        rows[place] = FieldDocumentation(
            _type_text(types[field.name]), _default_text(default), helps.get(field.name, "")
        )
        below += _below(types[field.name], place, default)
    yield _Section(path, cls, rows)
    for inner, place, default in below:
        yield from _sections(inner, place, default if isinstance(default, inner) else None)


def _below(kind: Any, path: str, default: Any) -> Iterator[tuple[type, str, Any]]:
    members = [constrained(member)[0] for member in alternatives(kind)]
    sections = [member for member in members if is_dataclass_type(member)]
    for section in sections:
        yield section, path if len(sections) == 1 else f"{path}{{{'/'.join(kinds_of(section))}}}", default
    for member in members:
        if get_origin(member) is tuple:
            yield from _below(get_args(member)[0], f"{path}[]", None)
        elif is_mapping_type(member):
            yield from _below(get_args(member)[1], f"{path}.NAME", None)


def _default(field: dataclasses.Field[Any], example: Any) -> Any:
    if example is not None:
        return getattr(example, field.name)
    if is_required(field):
        return dataclasses.MISSING
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _default_text(default: Any) -> str:
    if default is dataclasses.MISSING:
        return _REQUIRED
    if dataclasses.is_dataclass(default):
        kind = getattr(default, "kind", None)
        return f"kind: {kind}" if kind else _BELOW
    return json.dumps(to_content(default), ensure_ascii=False)


def _type_text(kind: Any) -> str:
    members = alternatives(kind)
    sections = [member for member in members if is_dataclass_type(member)]
    texts = []
    if len(sections) > 1:
        texts.append("section of kind " + ", ".join(f"`{name}`" for section in sections for name in kinds_of(section)))
    texts += [_plain_type_text(member) for member in members if len(sections) <= 1 or member not in sections]
    return join_alternatives(texts, members)


def _plain_type_text(kind: Any) -> str:
    kind, constraints = constrained(kind)
    if constraints:
        return ", ".join([_plain_type_text(kind), *map(str, constraints)])
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if get_origin(kind) is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {_type_text(arguments[0])}"
        return "list: " + "; ".join(_type_text(argument) for argument in arguments)
    if is_mapping_type(kind):
        return f"{_type_text(arguments[1])} by name"
    if is_dataclass_type(kind):
        return "section"
    words = {str: "text", int: "whole number", float: "number", bool: "true/false", type(None): "null"}
    return words[kind]


def _first_paragraph(cls: type) -> str:
    is_generated = (cls.__doc__ or "").startswith(f"{cls.__name__}(")
    text = inspect.cleandoc("" if is_generated else cls.__doc__ or "")
    return " ".join(text.split("\n\n")[0].split())


@cache
def _field_helps(cls: type) -> dict[str, str]:
    """Read the string that stands under each field, base classes included."""
    helps: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        definition = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        body = definition.body if isinstance(definition, ast.ClassDef) else []
        for statement, following in pairwise(body):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                helps[statement.target.id] = " ".join(following.value.value.split())
    return helps
