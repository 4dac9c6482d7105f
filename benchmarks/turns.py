"""What the benchmarks share: contestants that take turns, a table of medians, and one line of JSON with everything.

Contestants are measured one after another, in an order that turns round each time, so that a machine which grows
slower or faster in the meantime favours nobody. Ratios are formed within each turn.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.speed import machine
from nmt_distill.memory import OPT_OUT

Figures = dict[str, Any]
"""what one turn measured; only numbers get into the table"""
Turn = Callable[[], Figures]
Results = dict[str, list[Figures]]

LIBRARIES = ("torch", "transformers", "ctranslate2", "sentencepiece", "numpy")
SHOWN_ERROR_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One contestant's figure over another's, and what it should be."""

    figure: str
    """which figure of both"""
    of: str
    """the contestant above the line"""
    to: str
    """the contestant below the line"""
    aim: str = ""
    """such as ``at least 1.5``; empty where the ratio only explains"""


def parser_for(module_documentation: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """Make the parser of a benchmark, with what all of them understand.

    :param repeats: how many turns each contestant has by default
    """
    parser = argparse.ArgumentParser(
        description=module_documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=_count, default=repeats, metavar="N", help=f"turns (default: {repeats})")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)  # the role of a process of in_own_process
    return parser


def count_option(parser: argparse.ArgumentParser, name: str, default: int | None, help_text: str) -> None:
    """Add an option that takes a whole number of at least 1."""
    told = "" if default is None else f" (default: {default:,})"
    parser.add_argument(name, type=_count, default=default, metavar="N", help=help_text + told)


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, but is `{text}` instead")
    return number


def take_turns(contestants: Mapping[str, Turn], repeats: int) -> Results:
    """Measure all contestants ``repeats`` times; a line on standard error tells of each turn."""
    results: Results = {name: [] for name in contestants}
    for turn in range(repeats):
        names = list(contestants)
        for name in names if turn % 2 == 0 else reversed(names):
            results[name].append(contestants[name]())
            told = ", ".join(f"{figure} {_short(value)}" for figure, value in _numbers(results[name][-1]).items())
            print(f"turn {turn + 1} of {repeats}, {name}: {told}", file=sys.stderr, flush=True)
    return results


def in_own_process(role: Mapping[str, Any], *, kept_memory: bool | None = None, threads: int | None = None) -> Figures:
    """Run the script that is running once more, with the same arguments, and return what it answers.

    :param role: what that process finds in ``--child``
    :param kept_memory: whether ``nmt_distill.memory`` may tune the allocator there; None leaves that as it is
    :param threads: of torch and other numeric libraries there; None leaves that as it is
    """
    environment = dict(os.environ)
    if kept_memory is not None:
        environment.pop(OPT_OUT, None)
        if not kept_memory:
            environment[OPT_OUT] = "1"
    if threads is not None:
        environment["OMP_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(threads)
    command = [sys.executable, str(Path(sys.argv[0]).resolve()), *sys.argv[1:], "--child", json.dumps(role)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        fail("\n".join([*done.stderr.splitlines()[-SHOWN_ERROR_LINES:], f"{role}: status {done.returncode}"]))
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def answer(figures: Figures) -> None:
    """Hand figures to the process that called :func:`in_own_process`."""
    print(json.dumps(figures), flush=True)


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what a person can mend ends it with one line and status 2."""
    try:
        main()
    except NmtDistillError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """End with a message on standard error."""
    print(message, file=sys.stderr)
    sys.exit(2)


def report(
    benchmark: str,
    arguments: argparse.Namespace,
    results: Results,
    ratios: Sequence[Ratio] = (),
    *,
    load_before: float,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Print the medians of all figures as a table, the ratios, and the whole as one line of JSON.

    :param load_before: load average of the machine before the first turn; far from 0, others were at work
    :param facts: what else was found out
    """
    rows = {name: _medians(turns) for name, turns in results.items()}
    figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    table = [["", *(figure.replace("_", " ") for figure in figures)]]
    table += [
        [name, *(_short(row[figure]) if figure in row else "" for figure in figures)] for name, row in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  ".join(cells).rstrip())
    found = [_ratio(ratio, results) for ratio in ratios]
    for entry in found:
        low, high = entry["lowest"], entry["highest"]
        aim = f"; aim: {entry['aim']}" if entry["aim"] else ""
        figure = entry["figure"].replace("_", " ")
        print(f"{figure}, {entry['of']} / {entry['to']}: {entry['median']:.3g} ({low:.3g} to {high:.3g}){aim}")
    for fact, value in (facts or {}).items():
        print(f"{fact.replace('_', ' ')}: {_short(value)}")
    here = machine()
    print(f"machine: {here.processor}, {here.num_cores} cores, load {load_before:.2f} before")
    settings = {name: _plain(value) for name, value in vars(arguments).items() if name != "child"}
    content = {
        "benchmark": benchmark,
        "settings": settings,
        "medians": rows,
        "turns": {name: [_numbers(turn) for turn in turns] for name, turns in results.items()},
        "ratios": found,
        "facts": dict(facts or {}),
        "machine": asdict(here) | {"load_before": round(load_before, 2)},
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }
    print(json.dumps(content, ensure_ascii=False))


def load_average() -> float:
    """Return the load average over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _numbers(figures: Figures) -> dict[str, float]:
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


def _medians(turns: Sequence[Figures]) -> dict[str, float]:
    return {name: statistics.median(turn[name] for turn in turns) for name in _numbers(turns[0])}


def _ratio(ratio: Ratio, results: Results) -> dict[str, Any]:
    pairs = zip(results[ratio.of], results[ratio.to], strict=True)
    values = [above[ratio.figure] / below[ratio.figure] for above, below in pairs]
    return asdict(ratio) | {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def _short(value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
