"""YAML files as mappings, and the overrides of a command line."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nmt_distill.configuration.fields import key_name, show
from nmt_distill.errors import NmtDistillError, RecipeError
from nmt_distill.files import atomic_file

_STEP = re.compile(r"\.?([^.\[\]=\s]+)|\[(\d+)\]")
_OVERRIDES = "--set"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping; an empty file holds none of its keys.

    :raises NmtDistillError: if the file is missing, is not UTF-8, is not YAML or holds something else
    :raises RecipeError: if a key stands twice
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise NmtDistillError(f"{path} is a folder, but must be a YAML file.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise NmtDistillError(f"{path}, line {line}: not valid UTF-8; save the file as UTF-8.") from None
    content, repeated = _parse(text, str(path))
    if repeated:
        raise RecipeError(str(path), repeated)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise NmtDistillError(f"{path} must hold keys and values, but holds {show(content)} instead.")
    return content


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as YAML in its own order, atomically."""
    with atomic_file(path) as stream:
        stream.write(yaml_text(content))


def yaml_text(content: Mapping[str, Any]) -> str:
    """Return a mapping as YAML in its own order."""
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=110)


def apply_overrides(content: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of ``content`` in which each override ``path=value`` has its way, the last one last.

    A path is dotted, with list places in brackets: ``sources[0].path``; the place after the last appends. The value is
    a YAML scalar or a flow collection such as ``[de, fr]`` or ``{kind: file}``. A section that is missing is made.

    :raises RecipeError: if a path cannot be followed or a value is not YAML, all at once
    """
    result = copy.deepcopy(dict(content))
    faults = []
    for override in overrides:
        path, separator, text = override.partition("=")
        path = path.strip()
        steps = _steps(path)
        if not separator or not steps:
            faults.append(f"{override} must look like section.key=value or list[0].key=value")
            continue
        try:
            _assign(result, steps, _value(text.strip(), path))
        except NmtDistillError as error:
            faults.append(str(error))
    if faults:
        raise RecipeError(_OVERRIDES, faults)
    return result


def _parse(text: str, where: str) -> tuple[Any, list[str]]:
    """Return what YAML text holds, and the faults of keys that stand twice."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, []
        repeated = list(_repeated_keys(node, "", set()))
        return loader.construct_document(node), repeated
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise NmtDistillError(f"{where}{line}: not valid YAML ({_one_line(error.problem or error)}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NmtDistillError(f"{where}: not valid YAML ({_one_line(error)}).") from None


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _repeated_keys(node: yaml.Node, path: str, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = key_name(key.value)
            place = f"{path}.{name}" if path else name
            line = key.start_mark.line + 1
            if name in lines and key.tag != "tag:yaml.org,2002:merge":
                yield f"{place} stands twice, in lines {lines[name]} and {line}; keep one of them"
            lines[name] = line
            yield from _repeated_keys(value, place, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated_keys(value, f"{path}[{number}]", seen)


def _steps(path: str) -> list[str | int]:
    """Split ``a.b[2]`` into its names and places; empty if it is not a path."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        starts_well = match is not None and (match[2] is not None) == (path[position] == "[")
        if match is None or not starts_well or (position == 0) == (path[position] in ".["):
            return []
        steps.append(match[1] if match[2] is None else int(match[2]))
        position = match.end()
    return steps


def _value(text: str, path: str) -> Any:
    try:
        value, repeated = _parse(text, path)
    except NmtDistillError:
        raise NmtDistillError(
            f"{path} must be set to YAML, but {text!r} is none; put text in quotes of its own"
        ) from None
    if repeated:
        raise NmtDistillError("; ".join(f"{path}.{fault}" for fault in repeated))
    is_flow = text[:1] in ("{", "[")
    return text if isinstance(value, (dict, list)) and not is_flow else value


def _assign(content: dict[str, Any], steps: list[str | int], value: Any) -> None:
    """Follow ``steps`` and put ``value`` where they lead."""
    place: Any = content
    path = ""
    for number, step in enumerate(steps):
        here = path
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        if isinstance(step, int):
            if not isinstance(place, list):
                raise NmtDistillError(f"{path} cannot be set: {here} is {show(place)}, not a list")
            if step > len(place):
                raise NmtDistillError(f"{path} cannot be set: {here} is {show(place)}, counted from 0")
            if step == len(place):
                place.append(None)
        elif not isinstance(place, dict):
            raise NmtDistillError(f"{path} cannot be set: {here} is {show(place)}, not a section")
        if number == len(steps) - 1:
            place[step] = value
        else:
            if (place[step] if isinstance(step, int) else place.get(step)) is None:
                place[step] = [] if isinstance(steps[number + 1], int) else {}
            place = place[step]
