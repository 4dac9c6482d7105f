"""Real child processes as teachers."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.teacher.command.teacher import CommandTeacher
from tests.command_teachers import EN_DE, MakeTeacher


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The folder in which the programs run."""
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture
def make(tmp_path: Path, notes: Path) -> MakeTeacher:
    """Write a Python program and make a teacher of it."""

    def make(program: str, **more: Any) -> CommandTeacher:
        script = tmp_path / f"program{len(list(tmp_path.iterdir()))}.py"
        head = f"import os, sys, time\nsys.stdin.reconfigure(newline='\\n')\nos.chdir({str(notes)!r})\n"
        script.write_text(f"{head}{textwrap.dedent(program)}\n", encoding="utf-8")
        command = shlex.join([sys.executable, "-ISX", "utf8", str(script)])
        return CommandTeacher(
            command, **{"direction": EN_DE, "origin": "a test", "licence": "none", "timeout_seconds": 60.0, **more}
        )

    return make
