"""Runs whose finished stages serve another: the one that its recipe names, and those that this one has used itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from nmt_distill.files import read_lines


def reused_runs(run_folder: Path, name: str) -> Iterator[Path]:
    """Yield the folder of the run that ``reuse`` names, then of the one that its recipe names, and so on.

    :param run_folder: of the run that reuses others
    :param name: of a run beside that one, or a path
    """
    seen = {run_folder.resolve()}
    while name:
        beside = run_folder.parent / name
        run_folder = beside if beside.is_dir() else Path(name)
        if run_folder.resolve() in seen:
            return
        seen.add(run_folder.resolve())
        yield run_folder
        name = _named_by(run_folder / "recipe.yaml")


def _named_by(recipe: Path) -> str:
    if not recipe.is_file():
        return ""
    content = yaml.safe_load("\n".join(read_lines(recipe)))
    return str(content.get("reuse") or "") if isinstance(content, dict) else ""
