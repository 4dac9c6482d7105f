from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NOT_OURS = {".git", ".venv", "runs", "dist", "build", "downloads", "__pycache__"}


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def project_files(root: Path) -> list[Path]:
    """Every file that belongs to the project: those that git knows or would add, or all where there is no git."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
        paths = [root / name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in root.rglob("*") if not NOT_OURS & set(path.relative_to(root).parts)]
    return sorted(path for path in paths if path.is_file())
