from __future__ import annotations

import io
import re

import pytest

from nmt_distill.progress import Job, job, say


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("nmt_distill.progress.time.monotonic", clock)
    return clock


def test_talk_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_talk_to_nobody_goes_nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    say("hello")
    with job("label"):
        pass
    assert capsys.readouterr().out == ""


def test_line_tells_count_rate_and_time_left(clock: Clock) -> None:
    running = Job("labelling", 1000, "sentences")
    clock.now += 10
    running.advance(250, note="BLEU 12.3")
    assert running.describe() == "labelling: 250/1,000 sentences, 25/s, 30 s left, BLEU 12.3"


def test_rate_leaves_out_what_an_earlier_run_did(clock: Clock) -> None:
    running = Job("labelling", 1000, "sentences", start=500)
    clock.now += 10
    running.advance(100)
    assert running.describe() == "labelling: 600/1,000 sentences, 10/s, 40 s left"


def test_what_an_earlier_run_has_done_does_not_count_for_the_rate(clock: Clock) -> None:
    running = Job("labelling", 1000, "sentences")
    running.skip(500)
    clock.now += 10
    running.advance(100)
    assert running.describe() == "labelling: 600/1,000 sentences, 10/s, 40 s left"


def test_job_without_total_tells_no_time_left(clock: Clock) -> None:
    running = Job("reading", None, "lines")
    clock.now += 4
    running.advance(2)
    assert running.describe() == "reading: 2 lines, 0.5/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")],
)
def test_durations_read_well(clock: Clock, seconds: float, text: str) -> None:
    running = Job("x", 2, "steps")
    clock.now += seconds
    running.advance()
    assert running.describe().endswith(f", {text} left")


def test_log_gets_a_line_at_the_start_every_ten_seconds_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with job("training", total=100, unit="steps") as running:
        for _ in range(100):
            clock.now += 0.25
            running.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training: 0/100 steps",
        "training: 40/100 steps, 4/s, 15 s left",
        "training: 80/100 steps, 4/s, 5.0 s left",
        "training: 100/100 steps, 4/s, took 25 s",
    ]


def test_job_that_fails_does_not_claim_to_have_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), job("training", total=2) as running:
        running.advance()
        raise ValueError("no")
    assert capsys.readouterr().err == "training: 0/2 sentences\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_gets_a_bar_and_the_closing_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with job("training", total=4, unit="steps") as running:
        running.advance(3)
        running.advance(1, note="loss 1.5")
    text = terminal.getvalue()
    assert "\x1b[" in text
    assert re.search(r"^training: 4/4 steps, .+loss 1\.5, took 0\.\d s$", text.splitlines()[-1].split("\x1b[2K")[-1])


def test_terminal_is_left_in_order_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(ValueError, match="no"), job("training", total=4):
        raise ValueError("no")
    hide, show = terminal.getvalue().count("\x1b[?25l"), terminal.getvalue().count("\x1b[?25h")
    assert hide == show == 1
    assert "took" not in terminal.getvalue()
