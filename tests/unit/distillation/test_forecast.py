from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from nmt_distill.distillation.forecast import SAMPLE_SENTENCES, Forecast, forecast
from nmt_distill.distillation.source_text import Pair
from nmt_distill.errors import NmtDistillError

TOTAL = 10 * SAMPLE_SENTENCES
PAIRS: list[Pair] = [(str(number), None) for number in range(TOTAL)]


def test_sample_is_spread_and_scaled_and_leaves_nothing(tmp_path: Path) -> None:
    seen: list[str] = []

    def label(folder: Path, sample: Sequence[Pair]) -> None:
        assert folder.parent == tmp_path
        seen.extend(source for source, _ in sample)
        (folder / "shard").write_bytes(bytes(10 * len(sample)))

    expected = forecast(PAIRS, TOTAL, tmp_path, label)
    assert seen == [str(number) for number in range(5, TOTAL, 10)]
    assert (expected.num_sentences, expected.num_bytes) == (TOTAL, 10 * TOTAL)
    assert expected.seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_workers_share_the_time_and_not_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 22.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    expected = forecast(PAIRS, TOTAL, tmp_path, write_much, num_workers=4)
    assert (expected.seconds, expected.num_bytes) == (12.0 * 10 / 4, 5000 * TOTAL)
    assert str(expected).startswith(f"forecast from a sample: {TOTAL:,} sentences at 43/s with 4 workers take about 30")


def test_full_disk_is_told_before_work_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NmtDistillError, match=r"labels will take about 0\.0064 GB in .*, but only 1e-06 GB are free"):
        forecast(PAIRS, TOTAL, tmp_path, write_much)


def write_much(folder: Path, sample: Sequence[Pair]) -> None:
    (folder / "a").write_bytes(bytes(5000 * len(sample)))


def test_forecast_is_one_line_for_people() -> None:
    said = str(Forecast(num_sentences=100_000, seconds=1200.0, num_bytes=2_500_000_000))
    assert said == "forecast from a sample: 100,000 sentences at 83/s take about 20 min 00 s and 2.5 GB"
