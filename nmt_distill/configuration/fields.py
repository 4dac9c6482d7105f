"""The types that a field of a configuration may have, taken apart and said in words."""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from nmt_distill.configuration.constraints import Constraint

_WORDS: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


@cache
def field_types(cls: type) -> dict[str, Any]:
    """Map each field of a dataclass that its constructor takes to its type, constraints included."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def is_dataclass_type(kind: Any) -> bool:
    """Tell a dataclass itself from its instances and from all else."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def is_mapping_type(kind: Any) -> bool:
    """Tell ``dict[str, X]`` and ``Mapping[str, X]`` from all else."""
    return get_origin(kind) in (dict, Mapping)


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself alone."""
    return get_args(kind) if get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def constrained(kind: Any) -> tuple[Any, tuple[Constraint, ...]]:
    """Take a type apart into what is without its constraints, and these."""
    if get_origin(kind) is not Annotated:
        return kind, ()
    plain, *constraints = get_args(kind)
    return plain, tuple(constraints)


def join_alternatives(texts: Iterable[str], members: Iterable[Any]) -> str:
    """Join what is said of the members of a union with "or", after a comma if one of them has constraints."""
    separator = ", or " if any(constrained(member)[1] for member in members) else " or "
    return separator.join(dict.fromkeys(texts))


def kinds_of(cls: type) -> tuple[str, ...]:
    """Return what ``kind`` may be in a dataclass that can stand in a union; empty if it has no such field."""
    kind = field_types(cls).get("kind")
    return tuple(get_args(kind)) if get_origin(kind) is Literal else ()


def describe(kind: Any) -> str:
    """Say what a type takes: "a whole number, 1 or more", "one of a, b or null"."""
    kind, constraints = constrained(kind)
    if constraints:
        return ", ".join([describe(kind), *map(str, constraints)])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(_scalar(value) for value in arguments)
    members = alternatives(kind)
    if len(members) > 1:
        return join_alternatives(map(describe, members), members)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return "a list"
        return f"a list of {len(arguments)} items"
    if is_mapping_type(kind) or is_dataclass_type(kind):
        return "a section with keys"
    return _WORDS[kind]


def show(value: Any) -> str:
    """Say what a value from YAML is, cut to a readable length."""
    if isinstance(value, str):
        return f"the text {value if len(value) <= 60 else value[:57] + '...'!r}"
    if isinstance(value, datetime.date):
        return f"the date {value}"
    if isinstance(value, Mapping):
        return "a section with keys"
    if isinstance(value, (list, tuple)):
        return "a list of 1 item" if len(value) == 1 else f"a list of {len(value)} items"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null (nothing)" if value is None else str(value)


def key_name(key: object) -> str:
    """Write a key from YAML as it stands in a dotted path, in one line."""
    text = _scalar(key) if isinstance(key, bool) or key is None else str(key)
    return text if text.strip() and text.isprintable() else repr(text)


def quoting_hint(value: Any) -> str:
    """Say why YAML read text as something else, for where text is wanted."""
    if isinstance(value, bool):
        spellings = "yes, on and true" if value else "no, off and false"
        return f"; YAML reads {spellings} as a truth value unless quoted: put the text in quotes"
    if isinstance(value, datetime.date):
        return "; YAML reads it as a date unless quoted: put the text in quotes"
    if isinstance(value, (int, float)):
        return "; YAML reads it as a number unless quoted: put the text in quotes"
    return ""


def nearest(name: object, known: Iterable[object]) -> str | None:
    """Find the known name that ``name`` was most likely meant to be."""
    matches = get_close_matches(str(name), [str(other) for other in known], n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(name: object, known: Iterable[object]) -> str:
    """Say what ``name`` was likely meant to be, or else what there is."""
    known = list(known)
    match = nearest(name, known)
    return f"did you mean `{match}`?" if match else f"known are: {', '.join(str(other) for other in known)}"
