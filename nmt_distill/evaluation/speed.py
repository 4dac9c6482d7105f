"""How fast a system translates: median wall clock over repetitions, warm-up left out, the machine named."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError

Translate = Callable[[list[str]], list[str]]

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where something was measured."""

    processor: str
    """the processor as it names itself"""
    num_cores: int
    """cores that this process may run on"""
    system: str
    """operating system and architecture"""
    python: str
    """version of Python"""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """A timed translation of a list of sentences, tokenization included, loading and warm-up not."""

    seconds: float
    """median wall clock of one pass over all sentences"""
    all_seconds: tuple[float, ...]
    """wall clock of every repetition, in order"""
    num_sentences: int
    """how many sentences one pass translates"""
    num_tokens: int | None
    """source tokens of one pass, by the counter that was given"""
    token_unit: str
    """what a token is, such as `SentencePiece pieces of the teacher`"""
    num_threads: int
    """threads that the system was told to use"""
    batch_rule: str
    """how sentences were put into batches, such as `32 sentences, sorted by length`"""
    decoding: str
    """the search, such as `greedy` or `beam 4`"""
    num_warm_up: int
    """sentences translated before the clock ran"""
    load_before: float | None = None
    """load average of the machine over the minute before; near 0 where nothing else ran"""

    @property
    def sentences_per_second(self) -> float:
        """Sentences in a second, from the median."""
        return self.num_sentences / self.seconds

    @property
    def tokens_per_second(self) -> float | None:
        """Source tokens in a second, from the median; None where nobody counted."""
        return None if self.num_tokens is None else self.num_tokens / self.seconds


def measure_speed(
    translate: Translate,
    sentences: Sequence[str],
    *,
    num_threads: int,
    batch_rule: str,
    decoding: str,
    repetitions: int = 3,
    warm_up: int = 64,
    count_tokens: Callable[[Sequence[str]], int] | None = None,
    token_unit: str = "tokens",
) -> Speed:
    """Time ``translate`` on all sentences, several times, after a warm-up that is not counted.

    :param num_threads: how many threads the system was told to use; recorded, not set
    :param batch_rule: how it makes batches, in words
    :param decoding: how it searches, in words
    :param repetitions: passes over all sentences; the median counts
    :param warm_up: sentences, from the first, translated before the clock runs; 0 for none
    :param count_tokens: returns the number of source tokens; the same counter for every system in one table
    :param token_unit: what it counts
    :raises NmtDistillError: if there is nothing to time, or the system returns another number of lines
    """
    if not sentences:
        raise NmtDistillError("There are no sentences to measure speed on; give at least one.")
    if repetitions < 1:
        raise NmtDistillError(f"`repetitions` must be at least 1, but is {repetitions} instead.")
    if warm_up < 0:
        raise NmtDistillError(f"`warm_up` must be at least 0, but is {warm_up} instead.")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    num_warm_up = min(warm_up, len(sentences))
    if num_warm_up:
        _translate_all(translate, list(sentences[:num_warm_up]))
    all_seconds = tuple(_translate_all(translate, list(sentences)) for _ in range(repetitions))
    return Speed(
        seconds=statistics.median(all_seconds),
        all_seconds=all_seconds,
        num_sentences=len(sentences),
        num_tokens=None if count_tokens is None else count_tokens(sentences),
        token_unit=token_unit,
        num_threads=num_threads,
        batch_rule=batch_rule,
        decoding=decoding,
        num_warm_up=num_warm_up,
        load_before=load,
    )


def _translate_all(translate: Translate, sentences: list[str]) -> float:
    began = time.perf_counter()
    translations = translate(sentences)
    seconds = time.perf_counter() - began
    if len(translations) != len(sentences):
        raise NmtDistillError(
            f"The system answered {counted(len(sentences), 'sentence')} with {counted(len(translations), 'line')}; its "
            "speed and its scores mean nothing before line N answers line N."
        )
    return max(seconds, 1e-9)


def machine() -> Machine:
    """Name the machine that this process runs on."""
    return Machine(
        processor=_processor(),
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def _processor() -> str:
    try:
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
