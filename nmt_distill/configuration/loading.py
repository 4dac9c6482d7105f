"""Fill frozen dataclasses from nested mappings, and turn them back into mappings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from nmt_distill.configuration.constraints import Constraint, Faults
from nmt_distill.configuration.fields import (
    alternatives,
    constrained,
    describe,
    field_types,
    is_dataclass_type,
    is_mapping_type,
    is_required,
    key_name,
    kinds_of,
    nearest,
    quoting_hint,
    show,
    suggestion,
)
from nmt_distill.configuration.scalars import SCALARS
from nmt_distill.configuration.unread import UNREAD, Unread, UnreadError
from nmt_distill.errors import RecipeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


def load_dataclass(cls: type[T], content: Mapping[str, Any], *, where: str) -> T:
    """Make an instance of a configuration dataclass from what stands in YAML.

    Text, numbers, truth values, ``Literal``, ``X | None``, ``tuple[X, ...]``, ``dict[str, X]``, dataclasses and
    unions of dataclasses told apart by ``kind`` are read, and all of them with constraints, such as
    ``Annotated[int, Bounds(least=1)]``, which hold for one value each.

    What must hold across values is checked by ``faults()``, which objects may have. It yields pairs of a dotted path
    relative to the object and a sentence, or further generators of such pairs. A generator ends where it looks at a
    value that has a fault already, so that checks which do not depend on each other are generators of their own.

    :param where: the file or override that holds the content, for the error
    :raises RecipeError: with every fault at once, each beginning with its dotted path
    """
    reader = _Reader()
    instance: T = reader.read(cls, content, "")
    if reader.faults:
        raise RecipeError(where, list(dict.fromkeys(reader.faults)))
    return instance


def to_content(instance: Any) -> Any:
    """Turn a configuration into what JSON and YAML hold, defaults included; :func:`load_dataclass` reads it back."""
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        return {
            field.name: to_content(getattr(instance, field.name))
            for field in dataclasses.fields(instance)
            if field.init
        }
    if isinstance(instance, (list, tuple)):
        return [to_content(item) for item in instance]
    if isinstance(instance, Mapping):
        return {key: to_content(value) for key, value in instance.items()}
    return instance


class _Reader:
    """Reads one value after another and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def read(self, kind: Any, value: Any, path: str) -> Any:
        """Return ``value`` as type ``kind``, or a stand-in after noting a fault."""
        plain, constraints = constrained(kind)
        if constraints:
            return self._hold(constraints, self.read(plain, value, path), path)
        members = alternatives(kind)
        if len(members) > 1:
            return self._read_union(kind, members, value, path)
        if is_dataclass_type(kind):
            return self._read_dataclass(kind, value, path)
        origin = get_origin(kind)
        if origin is Literal:
            return self._read_literal(kind, value, path)
        if origin is tuple:
            return self._read_tuple(kind, value, path)
        if is_mapping_type(kind):
            return self._read_dict(kind, value, path)
        read_scalar = SCALARS.get(kind)
        if read_scalar is None:
            raise TypeError(f"a configuration cannot have a field of type {kind} ({path})")
        read, hint = read_scalar(value)
        return self._wrong(path, describe(kind), value, hint) if read is UNREAD else read

    def _hold(self, constraints: Sequence[Constraint], value: Any, path: str) -> Any:
        """Return a value that has been read, or a stand-in after noting which constraints do not hold."""
        if value is UNREAD:
            return value
        broken = [constraint for constraint in constraints if not constraint.holds(value)]
        for constraint in broken:
            hint = constraint.hint_for(value)
            self._wrong(path, str(constraint), value, f"; {hint}" if hint else "")
        return UNREAD if broken else value

    def _wrong(self, path: str, wanted: str, value: Any, hint: str = "") -> Unread:
        self.faults.append(f"{path or 'the content'} must be {wanted}, but is {show(value)} instead{hint}")
        return UNREAD

    def _read_dataclass(self, cls: Any, value: Any, path: str) -> Any:
        if not isinstance(value, Mapping):
            hint = "; give its keys, or remove it" if value is None else ""
            return self._wrong(path, describe(cls), value, hint)
        types = field_types(cls)
        mistyped = set()
        for key in value:
            if key not in types:
                self.faults.append(f"{_join(path, key_name(key))} is not a known key; {suggestion(key, types)}")
                mistyped.add(nearest(key, types))
        values = {}
        complete = not mistyped
        before = len(self.faults)
        for field in dataclasses.fields(cls):
            if field.name not in types:
                continue
            place = _join(path, field.name)
            if field.name in value:
                values[field.name] = self.read(types[field.name], value[field.name], place)
            elif is_required(field):
                values[field.name] = UNREAD
                complete = False
                if field.name not in mistyped:
                    self.faults.append(f"{place} is missing; it must be {describe(types[field.name])}")
        complete = complete and before == len(self.faults)
        instance = cls(**values) if complete else _incomplete(cls, values, mistyped)
        if find_faults := getattr(cls, "faults", None):
            self._gather(find_faults(instance), path)
        return instance

    def _gather(self, faults: Faults, path: str) -> None:
        """Note the faults that an object finds in itself; a value that could not be read ends only its generator."""
        try:
            for fault in faults:
                if isinstance(fault, tuple):
                    place, sentence = fault
                    self.faults.append(f"{_join(path, place)} {sentence}")
                else:
                    self._gather(fault, path)
        except UnreadError:
            return

    def _read_literal(self, kind: Any, value: Any, path: str) -> Any:
        choices = get_args(kind)
        for choice in choices:
            if type(choice) is type(value) and choice == value:
                return choice
        hint = quoting_hint(value) if all(isinstance(choice, str) for choice in choices) else ""
        if not hint and isinstance(value, str) and (match := nearest(value, choices)):
            hint = f"; did you mean `{match}`?"
        return self._wrong(path, describe(kind), value, hint)

    def _read_tuple(self, kind: Any, value: Any, path: str) -> Any:
        if not isinstance(value, (list, tuple)):
            hint = f"; for a list of one write [{value}]" if isinstance(value, (str, int, float)) else ""
            return self._wrong(path, describe(kind), value, hint)
        items = get_args(kind)
        if items[-1] is Ellipsis:
            items = items[:1] * len(value)
        elif len(items) != len(value):
            return self._wrong(path, describe(kind), value)
        return tuple(
            self.read(item, part, f"{path}[{number}]")
            for number, (item, part) in enumerate(zip(items, value, strict=True))
        )

    def _read_dict(self, kind: Any, value: Any, path: str) -> Any:
        if not isinstance(value, Mapping):
            return self._wrong(path, describe(kind), value)
        result = {}
        for key, item in value.items():
            if isinstance(key, str):
                result[key] = self.read(get_args(kind)[1], item, _join(path, key_name(key)))
            else:
                place = _join(path, key_name(key))
                self.faults.append(f"{place} must have text as its key, but {show(key)} is none{quoting_hint(key)}")
        return result

    def _read_union(self, kind: Any, members: tuple[Any, ...], value: Any, path: str) -> Any:
        if value is None and type(None) in members:
            return None
        sections = [member for member in members if is_dataclass_type(member)]
        if isinstance(value, Mapping) and len(sections) > 1:
            return self._read_section(sections, value, path)
        fitting = [member for member in members if member is not type(None) and _shape(member) == _shape_of(value)]
        for member in fitting:
            trial = _Reader()
            read = trial.read(member, value, path)
            if not trial.faults:
                return read
        if len(fitting) == 1 or (len(members) == 2 and type(None) in members):
            return self.read((fitting or [member for member in members if member is not type(None)])[0], value, path)
        hint = quoting_hint(value) if str in [constrained(member)[0] for member in members] else ""
        return self._wrong(path, describe(kind), value, hint)

    def _read_section(self, sections: list[Any], value: Mapping[str, Any], path: str) -> Any:
        """Read the one of several dataclasses that ``kind`` names."""
        by_kind = {kind: section for section in sections for kind in kinds_of(section)}
        place = _join(path, "kind")
        if "kind" not in value:
            self.faults.append(f"{place} is missing; it must be one of {', '.join(by_kind)}")
            return UNREAD
        kind = value["kind"]
        if isinstance(kind, str) and kind in by_kind:
            return self._read_dataclass(by_kind[kind], value, path)
        hint = f"; did you mean `{match}`?" if (match := nearest(kind, by_kind)) else quoting_hint(kind)
        self.faults.append(f"{place} must be one of {', '.join(by_kind)}, but is {show(kind)} instead{hint}")
        return UNREAD


def _incomplete(cls: Any, values: Mapping[str, Any], mistyped: set[str | None]) -> Any:
    """Make an object of what could be read, so that its faults are told in the same breath."""
    instance = object.__new__(cls)
    for field in dataclasses.fields(cls):
        if field.name in values:
            value = values[field.name]
        elif field.name in mistyped or not field.init:
            value = UNREAD
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            value = field.default
        object.__setattr__(instance, field.name, value)
    return instance


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _shape(kind: Any) -> str:
    kind, _ = constrained(kind)
    if is_dataclass_type(kind) or is_mapping_type(kind):
        return "section"
    return "list" if get_origin(kind) is tuple else "scalar"


def _shape_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return "section"
    return "list" if isinstance(value, (list, tuple)) else "scalar"
