"""Distil a large translation model into a small one that translates fast on an ordinary CPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt_distill.errors import NmtDistillError
    from nmt_distill.translation.sentence import Candidate
    from nmt_distill.translation.translator import Translator

__version__ = "0.1.0"
__all__ = ["Candidate", "NmtDistillError", "Translator", "__version__"]

_MODULES = {
    "Candidate": "nmt_distill.translation.sentence",
    "NmtDistillError": "nmt_distill.errors",
    "Translator": "nmt_distill.translation.translator",
}
"""where the names of the library stand, which are imported when they are asked for"""


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
