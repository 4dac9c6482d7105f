"""String catalogues in YAML: every string value is text, keys are not; comments, anchors and quotes stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from nmt_distill.documents.document import DocumentError, Slot, SlottedDocument, decode

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
"""anchor and tag in front of a scalar"""
_BREAK = re.compile(r"(?m)^(?=\S)(.*)(\n+)(?=\S)")
"""between lines that begin without space, where a folded block has one break more"""
_STRING = "tag:yaml.org,2002:str"
_SPACE = " \t\r\n"
"""what YAML takes for space, and no other of Unicode's"""


def read_yaml_catalog(content: bytes, path: Path) -> SlottedDocument:
    """Read a catalogue.

    :raises DocumentError: if it is no YAML
    """
    source = decode(content, path)
    slots: list[Slot] = []
    try:
        for root in yaml.compose_all(source.text, Loader=yaml.SafeLoader):
            for node, in_flow in _texts(root, set()):
                end = node.end_mark.index
                properties = _PROPERTIES.match(source.text, node.start_mark.index, end)
                start = properties.end() if properties else node.start_mark.index
                raw = source.text[start:end]
                if raw:
                    write = partial(_write, raw, in_flow)
                    slots.append(Slot(start=start, end=end, segment=_clean(node.value), write=write))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        raise DocumentError(path, mark.line + 1 if mark else 0, f"not valid YAML ({problem})") from None
    except yaml.reader.ReaderError as error:
        line = source.text.count("\n", 0, error.position) + 1
        raise DocumentError(path, line, f"not valid YAML (U+{error.character:04X} is not allowed)") from None
    except RecursionError:
        raise DocumentError(path, 0, "nested too deep") from None
    return SlottedDocument(source=source, slots=slots)


def _clean(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _texts(node: yaml.Node | None, seen: set[int], in_flow: bool = False) -> Iterator[tuple[yaml.ScalarNode, bool]]:
    """Yield the string values below a node, each once however many aliases there are.

    :param in_flow: whether it stands in brackets or braces; told of each value too
    """
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if node.tag == _STRING:
            yield node, in_flow
    elif isinstance(node, yaml.SequenceNode | yaml.MappingNode):
        in_flow = in_flow or bool(node.flow_style)
        for item in node.value:
            yield from _texts(item[1] if isinstance(node, yaml.MappingNode) else item, seen, in_flow)


def _write(raw: str, in_flow: bool, translation: str) -> str:
    """Write a translation in the style of what stood there, or in double quotes where that cannot hold it."""
    if raw.startswith(("|", ">")):
        written = _block(raw, translation)
        return written if written is not None else _quoted(translation) + raw[len(raw.rstrip(_SPACE)) :]
    if raw.startswith("'"):
        written = "'" + translation.replace("'", "''") + "'"
    elif raw.startswith('"'):
        return _quoted(translation)
    else:
        written = translation
    is_read = _reads(f"k: [{written}]", [translation]) if in_flow else _reads(f"k: {written}", translation)
    return written if "\n" not in written and is_read else _quoted(translation)


def _block(raw: str, translation: str) -> str | None:
    header, _, body = raw.partition("\n")
    indentation = re.match(r"(?:[ \t]*\r?\n)*( +)", body)
    if indentation is None:
        return None
    line_end = "\r\n" if header.endswith("\r") else "\n"
    text = translation.rstrip("\n")
    if raw.startswith(">"):
        text = _BREAK.sub(r"\1\2\n", text)
    indented = line_end.join(indentation[1] + line if line else "" for line in text.split("\n"))
    written = f"{header}\n{indented}{body[len(body.rstrip(_SPACE)) :]}"
    return written if _reads(f"k: {written}", translation) else None


def _quoted(text: str) -> str:
    written: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return written.removesuffix("\n")


def _reads(text: str, value: object) -> bool:
    """Tell whether YAML reads so."""
    try:
        return bool(yaml.safe_load(text) == {"k": value})
    except yaml.YAMLError:
        return False
