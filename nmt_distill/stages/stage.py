"""Stages of a run: what each leaves behind, and whether that is still valid."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import fingerprint, read_json, remove_partials, write_json
from nmt_distill.progress import say

STAMPS = ".stages"
"""folder in a run: ``<stage>.json`` says that a stage is complete, ``<stage>.begun.json`` what is being made"""
FORMAT_VERSION = 1


@dataclass(kw_only=True)
class Stage:
    """A step of the pipeline and what it leaves in the run folder."""

    name: str
    """such as ``corpus``"""
    work: Callable[[], dict[str, Any] | None]
    """makes the artefacts; what it returns is kept in the stamp"""
    settings: Any
    """the part of the recipe (JSON-like) that decides what comes out"""
    artefacts: tuple[str, ...]
    """files and folders that it leaves, relative to the run folder"""
    run_folder: Path
    """the run that holds them: this one, or the one that is reused"""
    inputs: tuple[Stage, ...] = ()
    """stages whose artefacts it reads"""
    scratch: tuple[str, ...] = ()
    """what only a run under way needs, such as checkpoints"""
    version: int = 1
    """raised when the code makes something else of the same settings"""
    resumable: bool = False
    """whether the work goes on with what a killed run left; else it begins anew"""
    replace: bool = False
    """whether artefacts that no run has made may be replaced"""
    reused: bool = False
    """whether the artefacts lie in another run"""

    @property
    def fingerprint(self) -> str:
        """Name what the artefacts depend on."""
        inputs = [stage.fingerprint for stage in self.inputs]
        return fingerprint([FORMAT_VERSION, self.name, self.version, self.settings, inputs])

    @property
    def path(self) -> Path:
        """The first artefact."""
        return self.run_folder / self.artefacts[0]

    def stamp(self, run_folder: Path | None = None) -> dict[str, Any] | None:
        """Return the stamp if the artefacts in a run are whole and made from what the recipe says now, else None."""
        run_folder = run_folder or self.run_folder
        stamp = _read_stamp(run_folder / STAMPS / f"{self.name}.json", self.fingerprint)
        if stamp is None:
            return None
        for name, size in stamp["files"].items():
            file = run_folder / name
            if not file.is_file() or file.stat().st_size != size:
                return None
        return stamp

    @property
    def has_begun(self) -> bool:
        """Whether a run of this very stage was cut off, and can be gone on with."""
        return self.resumable and _read_stamp(self._begun_path, self.fingerprint) is not None

    @property
    def _stamp_path(self) -> Path:
        return self.run_folder / STAMPS / f"{self.name}.json"

    @property
    def _begun_path(self) -> Path:
        return self.run_folder / STAMPS / f"{self.name}.begun.json"

    def execute(self) -> None:
        """Make the artefacts and stamp them.

        What another recipe or version left is removed first; what a killed run of this very stage left is kept where
        the stage is resumable.

        :raises NmtDistillError: if something stands in the place of the artefacts that no run has made
        """
        self.begin()
        began = time.time()
        result = self.work()
        files = [file for name in self.artefacts for file in _files(self.run_folder / name)]
        content = {
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "inputs": {stage.name: stage.fingerprint for stage in self.inputs},
            "settings": self.settings,
            "files": {str(file.relative_to(self.run_folder)): file.stat().st_size for file in files},
            "result": result,
            "timing": {"seconds": round(time.time() - began, 1)},
        }
        write_json(self._stamp_path, content)
        self.tidy()

    def begin(self) -> None:
        """Make room for the artefacts, unless this very stage has begun, and say that it has.

        :raises NmtDistillError: if something stands in the place of the artefacts that no run has made
        """
        if self.reused:
            raise ValueError(f"stage {self.name} belongs to {self.run_folder}, whose artefacts are only read here")
        stamp, begun = self._stamp_path, self._begun_path
        if not self.has_begun:
            self._make_room(stamp.exists() or begun.exists())
        stamp.unlink(missing_ok=True)
        write_json(begun, {"fingerprint": self.fingerprint})

    def _make_room(self, is_ours: bool) -> None:
        paths = [self.run_folder / name for name in (*self.artefacts, *self.scratch)]
        if not is_ours and not self.replace and (foreign := [path for path in paths if path.exists()]):
            raise NmtDistillError(
                f"{foreign[0]} exists, but no run has made it; move it away, name another folder with --out"
                + (", or replace it with `export --force`." if self.name == "export" else ".")
            )
        for path in paths:
            _remove(path)

    def tidy(self) -> None:
        """Remove what only a run under way needs, once the artefacts are stamped."""
        self._begun_path.unlink(missing_ok=True)
        for name in self.scratch:
            _remove(self.run_folder / name)

    def describe(self) -> str:
        """Say in one line whether it is valid, reused, or has to be made."""
        if self.stamp() is None:
            state = "goes on where it was cut off" if self.has_begun else "runs"
        else:
            state = f"reused from {self.run_folder}" if self.reused else "valid"
        return f"  {self.name:<10} {state}"


def _read_stamp(path: Path, expected: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        stamp: Any = read_json(path)
    except NmtDistillError:
        return None
    return stamp if isinstance(stamp, dict) and stamp.get("fingerprint") == expected else None


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.exists() else []


def _remove(path: Path) -> None:
    remove_partials(path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run_stages(stages: list[Stage]) -> None:
    """Make what is not valid (or has to be made again), in order."""
    for stage in stages:
        if stage.stamp() is None or stage.replace:
            say(f"== {stage.name}")
            stage.execute()
        elif not stage.reused:
            stage.tidy()
