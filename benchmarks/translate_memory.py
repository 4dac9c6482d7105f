"""Speed and peak memory of `nmt-distill translate` over a long file, and over one ten times as long.

    python benchmarks/translate_memory.py runs/quickstart/export/int8 text.en
    python benchmarks/translate_memory.py software_student text.en --to de

By turns, each in a process of its own, loading included:

    translate, 10,000     the verb, file to file
    translate, 100,000    the same with ten times the lines
    bare loop, 100,000    SentencePiece, CTranslate2's `translate_batch` of the whole file, SentencePiece again; the
                          same batches, beam and threads

A text with fewer lines is repeated. `translate` translates equal lines once if they are within 4,096 lines of each
other, so that a short text favours it: how many lines differ within so many is printed.
"""

from __future__ import annotations

import re
import tempfile
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from translate_overhead import BareLoop
from turns import (
    Figures,
    Ratio,
    answer,
    count_option,
    fail,
    in_own_process,
    load_average,
    parser_for,
    report,
    run,
    take_turns,
)

from nmt_distill.cli import main as command
from nmt_distill.files import read_lines
from nmt_distill.translation.engine import available_cores
from nmt_distill.translation.translator import WINDOW_LINES, Translator

STATUS = Path("/proc/self/status")
VERB, BARE = "translate", "bare loop"


def main() -> None:
    """Measure all by turns."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("model", help="an export folder, or a name that `nmt-distill models` lists")
    parser.add_argument("text", type=Path, help="a file of sentences")
    parser.add_argument("--to", metavar="LANGUAGE", help="language to translate into, where the model has several")
    count_option(parser, "--lines", 10_000, "lines of the shorter file")
    count_option(parser, "--factor", 10, "how many times longer the other one is")
    count_option(parser, "--threads", available_cores(), "threads of all")
    arguments = parser.parse_args()
    if not STATUS.is_file():
        fail(f"{STATUS} does not exist; this benchmark needs Linux.")
    if arguments.child:
        role, path = arguments.child["role"], Path(arguments.child["path"])
        work = translate if role == VERB else bare_loop
        answer(work(arguments.model, path, arguments.threads, arguments.to))
        return
    load_before = load_average()
    known = list(read_lines(arguments.text))
    if not known:
        fail(f"{arguments.text} is empty.")
    sizes = (arguments.lines, arguments.lines * arguments.factor)
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as name:
        paths = {size: Path(name) / str(size) for size in sizes}
        for size, path in paths.items():
            path.write_text("".join(f"{line}\n" for line in islice(cycle(known), size)), encoding="utf-8")
        contestants = [(VERB, sizes[0]), (VERB, sizes[1]), (BARE, sizes[1])]
        turns = {
            f"{role}, {size:,}": partial(in_own_process, {"role": role, "path": str(paths[size])}, threads=1)
            for role, size in contestants
        }
        results = take_turns(turns, arguments.repeats)
    small, large, bare = turns
    window = list(islice(cycle(known), WINDOW_LINES))
    report(
        "translate_memory",
        arguments,
        results,
        [
            Ratio(figure="lines_per_second", of=large, to=bare, aim="at least 0.95"),
            Ratio(figure="peak_MiB", of=large, to=small, aim="at most 1.15"),
        ],
        load_before=load_before,
        facts={"different_lines": f"{len(set(window))} of {WINDOW_LINES}"},
    )


def translate(model: str, path: Path, threads: int, target: str | None) -> Figures:
    """Run the verb in this process."""
    output = path.with_suffix(".translated")
    began = time.perf_counter()
    options = ["--model", model, "--threads", str(threads), "--file", str(path), "--output", str(output)]
    if status := command(["translate", *options, *(["--to", target] if target else [])]):
        fail(f"translate ended with status {status}.")
    return _figures(path, output, time.perf_counter() - began)


def bare_loop(model: str, path: Path, threads: int, target: str | None) -> Figures:
    """Do what somebody writes who wants no more than speed."""
    output = path.with_suffix(".bare")
    began = time.perf_counter()
    loop = BareLoop(Translator(model, threads=1), threads, target)
    answers = loop.translate(path.read_text(encoding="utf-8").splitlines())
    output.write_text("".join(f"{line}\n" for line in answers), encoding="utf-8")
    return _figures(path, output, time.perf_counter() - began)


def _figures(path: Path, output: Path, seconds: float) -> Figures:
    lines, answers = (sum(1 for _ in read_lines(file)) for file in (path, output))
    if lines != answers:
        fail(f"{lines} lines were answered with {answers}.")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), flags=re.MULTILINE)
    if found is None:
        fail(f"{STATUS} does not tell VmHWM.")
    return {"lines_per_second": lines / seconds, "seconds": seconds, "peak_MiB": int(found[1]) / 1024}


if __name__ == "__main__":
    run(main)
