"""Debian's apt as a reader of mirrors: own lists, own settings, nothing of the machine's changed or installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from nmt_distill.errors import NmtDistillError

APT_SECONDS = 300.0
"""after so long apt is taken to hang"""


class SourceUnavailableError(NmtDistillError):
    """This machine cannot give the source; an optional one is left out."""


def run_apt(*arguments: str, folder: Path, settings: str, what: str, at: Path | None = None) -> None:
    """Let apt do something with lists and settings of its own.

    :param folder: keeps its lists, its settings and what it remembers
    :param settings: lines of configuration beside those that name the folder
    :param what: what is fetched, for messages
    :param at: the folder in which it runs
    :raises SourceUnavailableError: if there is no apt, or it fails
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise SourceUnavailableError(f"{what} need apt, which this machine does not have.")
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    configuration = folder / "apt.conf"
    configuration.write_text(
        f'{settings}APT::Sandbox::User "";\nDir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n',
        encoding="utf-8",
    )
    try:
        result = subprocess.run(
            [apt, "-c", str(configuration), "--quiet", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=APT_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            cwd=at,
        )
    except subprocess.TimeoutExpired:
        raise SourceUnavailableError(f"apt did not finish within {APT_SECONDS:.0f} s; try again later.") from None
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("E:")] or [f"{result.returncode}"]
        told = what[0].lower() + what[1:]
        raise SourceUnavailableError(f"apt could not download the {told} ({lines[0]}); try again online.")
