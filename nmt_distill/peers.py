"""Peers: outside systems, known by a program that answers lines, or by a file of their outputs."""

from __future__ import annotations

import shlex
import subprocess
from functools import partial
from pathlib import Path

from nmt_distill.contestant import Contestant
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.report import System
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.files import read_sentences
from nmt_distill.languages import Direction


def command_contestant(name: str, command: str) -> Contestant:
    """An outside engine, run as a program that answers every line; ``{source}`` and ``{target}`` name the languages."""
    if not command.strip():
        raise NmtDistillError(f"the system {name} must name a program behind `command:`.")
    return Contestant(
        system=System(
            name=name, role="peer", description="outside engine, run as a program; its time includes loading"
        ),
        translate=partial(_run_lines, name, command),
        batch_rule="its own",
        decoding="its own",
        what=f"command:{command}",
    )


def _run_lines(name: str, command: str, lines: list[str], direction: Direction) -> list[str]:
    text = "".join(line + "\n" for line in lines)
    filled = [
        word.replace("{source}", direction.source).replace("{target}", direction.target)
        for word in shlex.split(command)
    ]
    try:
        done = subprocess.run(filled, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError as error:
        raise NmtDistillError(f"the system {name} cannot be started: {error}.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NmtDistillError(f"the system {name} ended with status {done.returncode}: {last}")
    answers = done.stdout.removesuffix("\n").split("\n")
    if len(answers) != len(lines):
        raise NmtDistillError(f"the system {name} answered {len(lines)} lines with {len(answers)}.")
    return answers


def file_contestant(name: str, path: str) -> Contestant:
    """A file of outputs, line for line; its path may hold ``{test_set}``, ``{source}`` and ``{target}``."""

    def outputs(text: TestText) -> list[str]:
        file = path
        for key, value in {
            "test_set": text.name, "source": text.direction.source, "target": text.direction.target,
        }.items():  # fmt: skip
            file = file.replace(f"{{{key}}}", value)
        lines = read_sentences(Path(file))
        if len(lines) != len(text.sources):
            raise NmtDistillError(
                f"{file} has {len(lines)} lines, but `{text.name}` has {len(text.sources)} sentences; line N must "
                "translate line N."
            )
        return lines

    return Contestant(
        system=System(name=name, role="peer", description=f"outputs in the file {Path(path).name}"),
        translate=None,
        batch_rule="unknown",
        decoding="unknown",
        timed=(),
        outputs=outputs,
    )
