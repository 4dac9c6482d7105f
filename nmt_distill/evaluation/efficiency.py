"""How fast a system is by the rules of WMT's efficiency tasks: latency, throughput, memory, on one core and on all.

Latency is one sentence at a time, throughput all sentences at once (Heafield et al., WMT 2022); both count from text
to text, tokenization included, warm-up and loading not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nmt_distill.evaluation.speed import Speed, Translate, measure_speed

WARM_UP = 16
"""sentences translated one by one before the clock runs"""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """One system on a number of cores, in a process of its own."""

    system: str
    """its name"""
    num_cores: int
    """processor cores that the process could run on"""
    latency: Speed
    """one sentence at a time"""
    slow_sentence_seconds: float
    """95th percentile of the times of single sentences, each the median of its repetitions"""
    throughput: Speed
    """all sentences at once"""
    load_seconds: float
    """from the start of loading to the first translation"""
    peak_bytes: int | None
    """most memory that the process held, and the programs that it started; the interpreter included"""


def measure_latency(
    translate: Translate,
    sentences: Sequence[str],
    *,
    num_threads: int,
    decoding: str,
    repetitions: int = 3,
    count_tokens: Callable[[Sequence[str]], int] | None = None,
    token_unit: str = "tokens",
) -> tuple[Speed, float]:
    """Time a system that gets one sentence at a time.

    :returns: the speed, and the 95th percentile of the times of single sentences
    """
    times: list[list[float]] = []

    def one_by_one(lines: list[str]) -> list[str]:
        answers, seconds = [], []
        for line in lines:
            began = time.perf_counter()
            answers += translate([line])
            seconds.append(time.perf_counter() - began)
        times.append(seconds)
        return answers

    speed = measure_speed(
        one_by_one,
        sentences,
        num_threads=num_threads,
        batch_rule="1 sentence",
        decoding=decoding,
        repetitions=repetitions,
        warm_up=WARM_UP,
        count_tokens=count_tokens,
        token_unit=token_unit,
    )
    passes = times[-repetitions:]
    return speed, percentile([statistics.median(column) for column in zip(*passes, strict=True)], 95)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least so many percent of the values do not exceed.

    :param values: at least one
    """
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]
