"""Text, numbers and truth values as YAML gives them, and what to do where one is not of the kind that is wanted."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from nmt_distill.configuration.fields import quoting_hint
from nmt_distill.configuration.unread import UNREAD

_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""a number such as 2e-3, which YAML 1.1 takes for text"""


def _read_text(value: Any) -> tuple[Any, str]:
    return (value, "") if isinstance(value, str) else (UNREAD, quoting_hint(value))


def _read_whole_number(value: Any) -> tuple[Any, str]:
    if isinstance(value, int) and not isinstance(value, bool):
        return value, ""
    is_quoted = isinstance(value, str) and re.fullmatch(r"[-+]?\d+", value)
    return UNREAD, "; remove the quotes" if is_quoted else ""


def _read_number(value: Any) -> tuple[Any, str]:
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        finite = abs(value) <= sys.float_info.max  # told of whole numbers too that are too large for a float
        return (float(value), "") if finite else (UNREAD, "; it must be finite")
    is_quoted = isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", value)
    return UNREAD, "; remove the quotes" if is_quoted else ""


def _read_truth(value: Any) -> tuple[Any, str]:
    return (value, "") if isinstance(value, bool) else (UNREAD, "")


SCALARS: dict[object, Callable[[Any], tuple[Any, str]]] = {
    str: _read_text,
    int: _read_whole_number,
    float: _read_number,
    bool: _read_truth,
}
"""reads a value as each type: the value, or a stand-in, and a hint for the message"""
