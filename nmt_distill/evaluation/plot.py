"""Quality against speed, drawn as SVG by hand: one panel for each test set."""

from __future__ import annotations

import math
from html import escape

from nmt_distill.evaluation.drawing import label_box, text
from nmt_distill.evaluation.report import Report, TestSetScores

PANEL_WIDTH, PANEL_HEIGHT = 520, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 52, 48
_RADIUS = 5
_STYLE = """
.quality-speed { --ink: #1d2433; --faint: #d6dae3; --soft: #616b80; --teacher: #7a3db8; --student: #0b7a53;
  --export: #0b62c4; --baseline: #9a6700; --peer: #616b80; font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .quality-speed { --ink: #e6e9f0; --faint: #333c4d; --soft: #9aa5ba;
  --teacher: #c49bf0; --student: #52c79b; --export: #6fb1ff; --baseline: #e0b04c; --peer: #9aa5ba; } }
.quality-speed text { fill: var(--ink); } .quality-speed .axis { fill: var(--soft); }
.quality-speed .title { font-weight: 600; font-size: 13px; } .quality-speed line { stroke: var(--faint); }
.quality-speed .teacher { fill: var(--teacher); } .quality-speed .student { fill: var(--student); }
.quality-speed .export { fill: var(--export); } .quality-speed .baseline { fill: var(--baseline); }
.quality-speed .peer { fill: var(--peer); }
"""


def quality_speed_plot(report: Report) -> str | None:
    """Draw chrF2++ against sentences per second (logarithmic) for every test set.

    :returns: an SVG that follows the reader's light or dark scheme; None where no test set has two timed systems
    """
    panels = [test_set for test_set in report.test_sets if len(_points(test_set)) >= 2]
    if not panels:
        return None
    width = PANEL_WIDTH * len(panels)
    drawn = "".join(_panel(report, test_set, index * PANEL_WIDTH) for index, test_set in enumerate(panels))
    names = escape(", ".join(test_set.name for test_set in panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="quality-speed" viewBox="0 0 {width} {PANEL_HEIGHT}" '
        f'width="{width}" height="{PANEL_HEIGHT}" role="img"><title>chrF2++ against sentences per second: {names}'
        f"</title><style>{_STYLE}</style>{drawn}</svg>\n"
    )


def _points(test_set: TestSetScores) -> list[tuple[str, float, float]]:
    return [
        (row.system, row.speed.sentences_per_second, row.scores.chrf.value)
        for row in test_set.systems
        if row.speed is not None
    ]


def _panel(report: Report, test_set: TestSetScores, offset: int) -> str:
    points = _points(test_set)
    speeds = [math.log10(speed) for _, speed, _ in points]
    low_x, high_x = min(speeds) - 0.12, max(speeds) + 0.12
    values = [value for _, _, value in points]
    step = _step(max(values) - min(values))
    low_y, high_y = math.floor(min(values) / step - 0.3) * step, math.ceil(max(values) / step + 0.3) * step

    def across(logarithm: float) -> float:
        return offset + _LEFT + (logarithm - low_x) / (high_x - low_x) * (PANEL_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _TOP + (high_y - value) / (high_y - low_y) * (PANEL_HEIGHT - _TOP - _BOTTOM)

    left, right, bottom = offset + _LEFT, offset + PANEL_WIDTH - _RIGHT, PANEL_HEIGHT - _BOTTOM
    parts = [f'<text class="title" x="{left}" y="20">{escape(test_set.name)}</text>']
    for index in range(round((high_y - low_y) / step) + 1):
        value = low_y + index * step
        parts.append(f'<line x1="{left}" x2="{right}" y1="{down(value):.1f}" y2="{down(value):.1f}"/>')
        parts.append(text(left - 8, down(value) + 4, f"{value:.{0 if step >= 1 else 1}f}", "axis", "end"))
    for speed in _ticks(low_x, high_x):
        x = across(math.log10(speed))
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 17, f"{speed:,.10g}", "axis", "middle"))
    parts.append(text((left + right) / 2, PANEL_HEIGHT - 10, "sentences per second", "axis", "middle"))
    parts.append(text(left, _TOP - 12, "chrF2++", "axis", "start"))
    places = [(name, across(math.log10(speed)), down(value)) for name, speed, value in points]
    taken = [(x - _RADIUS, x + _RADIUS, y - _RADIUS, y + _RADIUS) for _, x, y in places]
    for name, x, y in places:
        parts.append(f'<circle class="{report.system(name).role}" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}"/>')
        box = label_box(name, x, y, (left, right, _TOP - 10, bottom), taken)
        taken.append(box)
        parts.append(text(box[0], box[3] - 3, name, "label", "start"))
    return "".join(parts)


def _step(span: float) -> float:
    """Return a round distance between grid lines that gives two to six of them."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        if span <= 5 * step:
            return step
    return 20


def _ticks(low: float, high: float) -> list[float]:
    """Return round speeds between two logarithms: 1, 2, 5, 10 ... and fewer where that would be many."""
    ticks: list[float] = []
    digits = (1, 2, 5) if high - low < 2 else (1,)
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        ticks += [digit * 10.0**exponent for digit in digits if low <= math.log10(digit * 10.0**exponent) <= high]
    return ticks
