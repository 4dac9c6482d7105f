"""What labelling will cost, measured on a sample before it begins."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nmt_distill.distillation.source_text import Pair
from nmt_distill.errors import NmtDistillError
from nmt_distill.progress import duration

SAMPLE_SENTENCES = 128
"""sentences of a sample, evenly spaced over the text"""
WORTH_A_SAMPLE = 20 * SAMPLE_SENTENCES
"""fewer sentences than these are labelled at once"""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What labelling is expected to take."""

    num_sentences: int
    """sentences to be labelled"""
    seconds: float
    """time for all of them; small batches make a sample slower than the rest, so it errs on the long side"""
    num_bytes: int
    """what will be written"""
    num_workers: int = 1
    """machines or devices that share the work"""

    def __str__(self) -> str:
        rate = self.num_sentences / max(self.seconds, 1e-9)
        shared = f" with {self.num_workers} workers" if self.num_workers > 1 else ""
        return (
            f"forecast from a sample: {self.num_sentences:,} sentences at {rate:,.0f}/s{shared} take about "
            f"{duration(self.seconds)} and {self.num_bytes / 1e9:.2g} GB"
        )


def forecast(
    pairs: Iterable[Pair],
    total: int,
    folder: Path,
    label: Callable[[Path, Sequence[Pair]], None],
    *,
    num_workers: int = 1,
) -> Forecast:
    """Label an evenly spaced sample into a temporary folder and scale up what it took.

    :param pairs: sources with human translations, if any
    :param total: how many there are
    :param folder: where labels will be written; the temporary folder lies there, on the same disk
    :param label: labels pairs into a folder
    :param num_workers: machines or devices like this one that will share the work
    :raises NmtDistillError: if the disk has not room for what will be written
    """
    sample = list(islice(pairs, total // SAMPLE_SENTENCES // 2, None, max(1, total // SAMPLE_SENTENCES)))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".sample.", suffix=".partial") as name:
        began = time.perf_counter()
        label(Path(name), sample)
        seconds = time.perf_counter() - began
        num_bytes = sum(path.stat().st_size for path in Path(name).iterdir())
    scale = total / len(sample)
    expected = Forecast(
        num_sentences=total,
        seconds=seconds * scale / num_workers,
        num_bytes=round(num_bytes * scale),
        num_workers=num_workers,
    )
    free = shutil.disk_usage(folder).free
    if expected.num_bytes > free:
        raise NmtDistillError(
            f"labels will take about {expected.num_bytes / 1e9:.2g} GB in {folder}, but only {free / 1e9:.2g} GB are "
            "free; make room, name another folder with --out, or lower distillation.num_kept or keep_states."
        )
    return expected
