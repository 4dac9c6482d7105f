"""Speed and memory of one system on a number of cores, in a process that does nothing else.

The process reads a trial as JSON from standard input and answers with its :class:`Efficiency` as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.efficiency import Efficiency, measure_latency
from nmt_distill.evaluation.report import decode_record
from nmt_distill.evaluation.speed import measure_speed
from nmt_distill.languages import Direction
from nmt_distill.scoring.contestants import load_contestant
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

_STATUS = Path("/proc/self/status")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a process measures."""

    name: str
    """of the system"""
    what: str
    """the system as the command line names it"""
    beam_size: int | None
    """of its search; None is its default"""
    source: str
    """language of the sentences, BCP 47"""
    target: str
    """language to translate into, BCP 47"""
    sentences: Sequence[str]
    """to translate, one at a time and all at once"""
    num_cores: int
    """processor cores that the process may run on"""
    repetitions: int
    """passes over the sentences, of which the median counts"""
    sentencepiece: str | None
    """path of the model that counts source tokens"""
    token_unit: str
    """what it counts"""


def run_trial(trial: Trial) -> Efficiency:
    """Measure in a process of its own.

    :raises NmtDistillError: if the process fails
    """
    environment = dict(os.environ) | dict.fromkeys(_THREAD_VARIABLES, str(trial.num_cores))
    done = subprocess.run(
        [sys.executable, "-m", "nmt_distill.scoring.trial"],
        input=json.dumps(dataclasses.asdict(trial)),
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NmtDistillError(f"the speed of {trial.name} cannot be measured: {last.removeprefix('nmt-distill: ')}")
    content: Any = json.loads(done.stdout.splitlines()[-1])
    return decode_record(Efficiency, content, f"the answer of the trial of {trial.name}")


def measure(trial: Trial) -> Efficiency:
    """Load the system here and measure it; this process keeps to the first of its cores from then on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: trial.num_cores])
    direction = Direction(source=trial.source, target=trial.target)
    sentences = list(trial.sentences)
    began = time.perf_counter()
    contestant = load_contestant(trial.name, trial.what, [direction], beam_size=trial.beam_size)
    translate = contestant.into(direction)
    translate(sentences[:1])
    load_seconds = time.perf_counter() - began
    counter = _counter(trial.sentencepiece)
    latency, slow = measure_latency(
        translate,
        sentences,
        num_threads=trial.num_cores,
        decoding=contestant.decoding,
        repetitions=trial.repetitions,
        count_tokens=counter,
        token_unit=trial.token_unit,
    )
    throughput = measure_speed(
        translate,
        sentences,
        num_threads=trial.num_cores,
        batch_rule=contestant.batch_rule,
        decoding=contestant.decoding,
        repetitions=trial.repetitions,
        count_tokens=counter,
        token_unit=trial.token_unit,
    )
    return Efficiency(
        system=trial.name,
        num_cores=trial.num_cores,
        latency=latency,
        slow_sentence_seconds=slow,
        throughput=throughput,
        load_seconds=load_seconds,
        peak_bytes=_peak_bytes(),
    )


def _counter(path: str | None) -> Callable[[Sequence[str]], int] | None:
    if path is None:
        return None
    processor = load_sentencepiece(Path(path))
    return lambda lines: sum(map(len, processor.encode(list(lines))))


def _peak_bytes() -> int | None:
    """Return the most memory that this process held, and the largest of the programs that it ran.

    ``ru_maxrss`` of this process would tell what its parent held when it started it.
    """
    try:
        status = _STATUS.read_text(encoding="utf-8")
        import resource
    except (OSError, ImportError):
        return None
    own = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return 1024 * (own[0] + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) if own else None


def main() -> int:
    """Answer the trial on standard input."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is talk
    try:
        efficiency = measure(Trial(**json.load(sys.stdin)))
    except NmtDistillError as error:
        print(f"nmt-distill: {error}", file=sys.stderr)
        return error.exit_status
    output.write(json.dumps(dataclasses.asdict(efficiency)) + "\n")
    output.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
