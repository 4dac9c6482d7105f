"""What is told of the content of a configuration class."""

from __future__ import annotations

from typing import Any

from nmt_distill.configuration import load_dataclass
from nmt_distill.errors import RecipeError


def faults_of(cls: type[Any], content: dict[str, Any]) -> tuple[str, ...]:
    """Return all that the reader tells of ``content``; empty if it can be read."""
    try:
        load_dataclass(cls, content, where="here")
    except RecipeError as error:
        return error.faults
    return ()


def faulty_keys(cls: type[Any], content: dict[str, Any]) -> list[str]:
    """Return the dotted path with which each fault begins."""
    return [fault.split()[0] for fault in faults_of(cls, content)]
