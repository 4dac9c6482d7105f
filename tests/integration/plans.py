"""What ``--plan`` says of a run, and when its files were written."""

from __future__ import annotations

from pathlib import Path

from tests.integration.commands import run_command
from tests.integration.conftest import Toy

STAGES = ["corpus", "distilled", "vocabulary", "student", "export", "scores"]


def plan_of(stdout: str) -> dict[str, str]:
    """Read what ``--plan`` prints: the state of each stage."""
    return dict(line.split(maxsplit=1) for line in stdout.splitlines()[1:])


def will_run(toy: Toy, tmp_path: Path, run_folder: Path, *overrides: str) -> list[str]:
    """Ask ``--plan`` which stages a recipe with overrides would make in a run folder."""
    settings = [word for override in overrides for word in ("--set", override)]
    recipe = toy.write_recipe(tmp_path)
    finished = run_command("run", recipe, "--out", run_folder, "--plan", *settings, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    return [name for name, state in plan_of(finished.stdout).items() if state == "runs"]


def times_of(folder: Path) -> dict[str, int]:
    """Tell when each file was written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}
