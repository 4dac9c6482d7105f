"""Packages that one format alone needs."""

from __future__ import annotations

import importlib
from typing import Any

from nmt_distill.errors import NmtDistillError


def load(package: str) -> Any:
    """Import a package when a file needs it.

    :raises NmtDistillError: if it is not installed
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise NmtDistillError(
            f"this format needs the package {package}; install it with `pip install {package}`."
        ) from None
