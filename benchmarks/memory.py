"""Peak memory of preparing a corpus and of training, at one size of corpus and at ten times that.

    python benchmarks/memory.py

Each turn is a process of its own, whose peak the kernel tells (VmHWM). A store is mapped into memory, and the pages of
it that were read count in that peak although the kernel takes them back when it needs them; so the peak of the
process's own memory (RssAnon, looked at 50 times a second) stands beside it.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np
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

JOBS = ("prepare-data", "train")
FIGURES = ("peak_MiB", "own_peak_MiB")
SECONDS_BETWEEN_LOOKS = 0.02
STATUS = Path("/proc/self/status")


def main() -> None:
    """Measure both jobs at both sizes by turns."""
    parser = parser_for(__doc__, repeats=1)
    count_option(parser, "--pairs", 20_000, "pairs of the smaller corpus, and records of the smaller store")
    count_option(parser, "--factor", 10, "how many times larger the other one is")
    count_option(parser, "--steps", 60, "steps of the training, the same at both sizes")
    count_option(parser, "--kept", 16, "kept candidates a token in the store")
    parser.add_argument("--shape", choices=["small", "quickstart", "tiny"], default="small", help="which student")
    count_option(parser, "--threads", None, "threads of torch (default: its own choice)")
    arguments = parser.parse_args()
    if not STATUS.is_file():
        fail(f"{STATUS} does not exist; this benchmark needs Linux.")
    if arguments.child:
        answer(measure(arguments, arguments.child["job"], Path(arguments.child["data"])))
        return
    load_before = load_average()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as name:
        turns: dict[str, Turn] = {}
        for job in JOBS:
            for factor in (1, arguments.factor):
                data = Path(name) / f"{job}-{factor}"
                (write_corpus if job == "prepare-data" else write_store)(data, arguments, factor)
                turns[f"{job}, {arguments.pairs * factor:,}"] = partial(
                    in_own_process, {"job": job, "data": str(data)}, threads=arguments.threads
                )
        results = take_turns(turns, arguments.repeats)
    names = list(turns)
    ratios = [
        Ratio(figure=figure, of=large, to=small, aim="at most 1.15")
        for small, large in zip(names[::2], names[1::2], strict=True)
        for figure in FIGURES
    ]
    report("memory", arguments, results, ratios, load_before=load_before)


def write_corpus(path: Path, arguments: argparse.Namespace, factor: int) -> None:
    """Write pairs of made-up sentences, tab-separated."""
    generator = np.random.default_rng(factor)
    letters = np.array(list("aeioubcdfglmnprstv"))
    words = ["".join(generator.choice(letters, size=generator.integers(2, 10))) for _ in range(20_000)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        _write_pairs(stream, generator, words, arguments.pairs * factor)


def _write_pairs(stream: TextIO, generator: np.random.Generator, words: list[str], num_pairs: int) -> None:
    def sentence(length: int) -> str:
        return " ".join(words[index] for index in generator.integers(0, len(words), size=length).tolist()).capitalize()

    for length in generator.integers(4, 24, size=num_pairs).tolist():
        stream.write(f"{sentence(length)}.\t{sentence(length)}.\n")


def write_store(folder: Path, arguments: argparse.Namespace, factor: int) -> None:
    """Write a store of random records with soft targets."""
    import synthetic

    synthetic.write_store(
        folder,
        arguments.pairs * factor,
        vocab_size=synthetic.SHAPES[arguments.shape].vocab_size,
        num_kept=arguments.kept,
    )


def measure(arguments: argparse.Namespace, job: str, data: Path) -> Figures:
    """Do one job, and tell the peaks."""
    from nmt_distill.memory import keep_freed_memory

    keep_freed_memory()
    ended = threading.Event()
    own_peak = [0.0]

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            own_peak[0] = max(own_peak[0], mebibytes("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        (prepare if job == "prepare-data" else train)(arguments, data, Path(folder))
    ended.set()
    watcher.join()
    return {"peak_MiB": mebibytes("VmHWM"), "own_peak_MiB": max(own_peak[0], mebibytes("RssAnon"))}


def mebibytes(name: str) -> float:
    """Read a figure of /proc/self/status."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), flags=re.MULTILINE)
    if found is None:
        fail(f"{STATUS} does not tell {name}; this benchmark needs Linux 4.5 or newer.")
    return int(found[1]) / 1024


def prepare(arguments: argparse.Namespace, data: Path, folder: Path) -> None:
    """Do what ``prepare-data`` does."""
    from nmt_distill.corpus.config import CorpusConfig
    from nmt_distill.corpus.prepare import prepare_corpus
    from nmt_distill.corpus.sources import TsvSource
    from nmt_distill.corpus.split import SplitConfig
    from nmt_distill.languages import Direction

    num_held_out = min(500, arguments.pairs // 10)
    config = CorpusConfig(
        sources=(TsvSource(path=str(data)),), split=SplitConfig(num_dev=num_held_out, num_test=num_held_out)
    )
    prepare_corpus(config, directions=[Direction(source="en", target="pt")], folder=folder / "corpus")


def train(arguments: argparse.Namespace, data: Path, folder: Path) -> None:
    """Do what ``train`` does, on random records."""
    import synthetic

    from nmt_distill.distillation.store import Store
    from nmt_distill.training.config import PhaseConfig, TrainingConfig
    from nmt_distill.training.trainer import Trainer

    shape = synthetic.SHAPES[arguments.shape]
    phase = PhaseConfig(num_steps=arguments.steps, learning_rate=3e-4, batch_tokens=shape.batch_tokens)
    config = TrainingConfig(phases=(phase,), device="cpu")
    Trainer(synthetic.new_student(shape), Store(data), config, folder=folder).run()


if __name__ == "__main__":
    run(main)
