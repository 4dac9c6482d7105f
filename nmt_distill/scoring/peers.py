"""Peers: outside systems, known by a program that answers lines, or by a file of their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.outside_program import answer_lines
from nmt_distill.evaluation.report import System
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.files import read_sentences
from nmt_distill.languages import Direction
from nmt_distill.scoring.contestant import Contestant


def command_contestant(name: str, command: str, directions: Sequence[Direction]) -> Contestant:
    """An outside engine, run as a program that answers every line; ``{source}`` and ``{target}`` name the languages.

    :param directions: what it is asked for
    :raises NmtDistillError: if it is no command, or the same for several directions
    """
    if not command.strip():
        raise NmtDistillError(f"the system {name} must name a program behind `command:`.")
    if len(directions) > 1 and "{target}" not in command:
        raise NmtDistillError(
            f"the system {name} must say where its command takes the languages, by {{source}} and {{target}}, because "
            "there are several directions."
        )
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
    def fill(word: str) -> str:
        return word.replace("{source}", direction.source).replace("{target}", direction.target)

    answers = answer_lines(f"the system {name}", command, lines, fill=fill)
    return [_decoded(answer, line, name) for line, answer in enumerate(answers, start=1)]


def _decoded(answer: bytes, line: int, name: str) -> str:
    try:
        return answer.decode("utf-8")
    except UnicodeDecodeError:
        raise NmtDistillError(
            f"the system {name} answered line {line} with {answer!r:.60}, which is not valid UTF-8; let it write UTF-8."
        ) from None


def file_contestant(name: str, path: str) -> Contestant:
    """A file of outputs, line for line; its path may hold ``{test_set}``, ``{source}`` and ``{target}``."""
    read: dict[str, str] = {}

    def outputs(text: TestText) -> list[str]:
        file = path
        for key, value in {
            "test_set": text.name, "source": text.direction.source, "target": text.direction.target,
        }.items():  # fmt: skip
            file = file.replace(f"{{{key}}}", value)
        if read.setdefault(file, text.name) != text.name:
            raise NmtDistillError(
                f"{file} would be what {name} says to `{read[file]}` and to `{text.name}`; give a file for each, and "
                "let the path hold {test_set}, {source} or {target}."
            )
        lines = read_sentences(Path(file))
        if len(lines) != len(text.sources):
            raise NmtDistillError(
                f"{file} has {counted(len(lines), 'line')}, but `{text.name}` has "
                f"{counted(len(text.sources), 'sentence')}; line N must translate line N."
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
