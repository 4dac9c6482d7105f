"""The written report of an ablation: tables of rows and gains, and a plot of the gains with every seed in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from statistics import fmean, stdev

from nmt_distill.evaluation.ablation import Ablation, AblationSet, Gain
from nmt_distill.evaluation.document import Block, Code, Heading, Paragraph, Plot, Table, html_page, markdown
from nmt_distill.evaluation.drawing import text
from nmt_distill.files import atomic_file, write_json

PLOT_NAME = "gains.svg"
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 760, 250, 30, 56, 26
_STYLE = """
.gains { --ink: #1d2433; --faint: #d6dae3; --soft: #616b80; --up: #0b7a53; --down: #b3261e;
  font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .gains { --ink: #e6e9f0; --faint: #333c4d; --soft: #9aa5ba; --up: #52c79b;
  --down: #f2776d; } }
.gains text { fill: var(--ink); } .gains .axis { fill: var(--soft); } .gains .title { font-weight: 600; }
.gains line { stroke: var(--faint); } .gains .zero { stroke: var(--soft); } .gains .up { fill: var(--up); }
.gains .down { fill: var(--down); } .gains rect { opacity: .35; }
"""


def write_ablation(report: Ablation, folder: Path) -> None:
    """Write ``results.json``, ``report.md``, ``report.html`` and the plot; each appears whole."""
    blocks = list(ablation_blocks(report))
    write_json(folder / "results.json", report.to_json())
    contents = {"report.md": markdown(blocks), "report.html": html_page(report.title, blocks)}
    contents |= {block.file_name: block.svg for block in blocks if isinstance(block, Plot)}
    for name, content in contents.items():
        with atomic_file(folder / name) as stream:
            stream.write(content)


def ablation_blocks(report: Ablation) -> Iterator[Block]:
    """Say everything in the order of interest: what pays, scores, gains, what the rows are, how it was measured."""
    yield Heading(1, report.title)
    for sentence in summary(report):
        yield Paragraph(sentence, "lead")
    for note in report.notes:
        yield Paragraph(f"Note: {note}")
    yield Plot(gains_plot(report), "Gains in chrF2++ over the first row", PLOT_NAME)
    for test_set in report.test_sets:
        yield Heading(2, f"{test_set.name}: {test_set.num_sentences:,} sentences, {test_set.source}-{test_set.target}")
        yield Paragraph(f"{test_set.origin}; licence: {test_set.licence}.", "soft")
        yield score_rows_table(report, test_set)
        yield gain_table(test_set)
    yield Heading(2, "Rows")
    yield rows_table(report)
    yield Heading(2, "How it was measured")
    yield Paragraph(
        "Every row has the same sources, vocabulary size, student and number of updates as the others unless its "
        "description says so. Differences are tested by paired bootstrap within each seed (1,000 resamples); a gain is "
        "claimed only where all seeds, and at least two, agree in sign."
    )
    machine = report.machine
    yield Paragraph(
        f"Machine: {machine.processor}, {machine.num_cores} cores, {machine.system}, Python {machine.python}."
        + (f" Date: {report.created}." if report.created else "")
    )
    first = report.test_sets[0].rows[0].scores[0]
    yield Paragraph("sacreBLEU signatures:")
    yield Code("\n".join((first.bleu.signature, first.chrf.signature)))
    yield Paragraph("Made by:")
    yield Code(report.command)


def summary(report: Ablation) -> list[str]:
    """Say of each later row what it gains in chrF2++ over the first, on the first test set."""
    test_set = report.test_sets[0]
    told = [gain for gain in test_set.gains if gain.baseline == report.baselines[0] and gain.metric == "chrF2++"]
    return [
        f"{test_set.name}, against {gain.baseline}: {gain.row} {gain.summary.mean:+.1f} chrF2++ ({gain.verdict()})."
        for gain in told
    ]


def score_rows_table(report: Ablation, test_set: AblationSet) -> Table:
    """Return mean and spread of BLEU and chrF2++ over the seeds of each row."""
    return Table(
        headers=("row", "seeds", "BLEU", "chrF2++"),
        rows=tuple(
            (
                row.row,
                str(len(row.scores)),
                _mean([scores.bleu.value for scores in row.scores], 1),
                _mean([scores.chrf.value for scores in row.scores], 2),
            )
            for row in test_set.rows
        ),
    )


def gain_table(test_set: AblationSet) -> Table:
    """Return what each row gains over the baselines."""
    return Table(
        headers=("row", "against", "metric", "verdict", "difference", "by seed"),
        rows=tuple(
            (
                gain.row,
                gain.baseline,
                gain.metric,
                gain.verdict(),
                f"{gain.summary.mean:+.2f}",
                " ".join(f"{comparison.difference:+.2f}" for comparison in gain.comparisons),
            )
            for gain in test_set.gains
        ),
        num_text_columns=4,
    )


def rows_table(report: Ablation) -> Table:
    """Return what the rows are."""
    return Table(
        headers=("row", "what it is", "seeds", "parameters", "hours a run"),
        rows=tuple(
            (
                row.name,
                row.description,
                ", ".join(map(str, row.seeds)),
                "–" if row.num_parameters is None else f"{row.num_parameters:,}",
                f"{row.hours:.2f}",
            )
            for row in report.rows
        ),
        num_text_columns=2,
    )


def _mean(values: list[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def gains_plot(report: Ablation) -> str:
    """Draw the gains in chrF2++ over the first baseline: a bar for the mean, a dot for every seed."""
    panels = [
        (test_set.name, [gain for gain in test_set.gains if _is_drawn(report, gain)]) for test_set in report.test_sets
    ]
    points = [one.difference for _, gains in panels for gain in gains for one in gain.comparisons]
    low, high = min([0.0, *points]), max([0.0, *points])
    margin = (high - low or 1.0) * 0.06
    low, high = low - margin, high + margin

    def across(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    parts, top = [], 0
    for name, gains in panels:
        parts.append(text(12, top + 20, f"{name}: chrF2++ against {report.baselines[0]}", "title", "start"))
        bottom = top + _TOP + _ROW * len(gains)
        step = _step(high - low)
        for number in range(int(low / step) - 1, int(high / step) + 2):
            if low <= (value := number * step) <= high:
                x, kind = across(value), "zero" if number == 0 else "grid"
                parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top + _TOP - 14}" y2="{bottom}"/>')
                parts.append(text(x, top + _TOP - 18, f"{value:+g}" if number else "0", "axis", "middle"))
        for index, gain in enumerate(gains):
            parts += _bar(gain, top + _TOP + _ROW * index, across)
        top = bottom + 20
    label = escape("Gains in chrF2++ over " + report.baselines[0])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gains" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" '
        f'height="{top}" role="img"><title>{label}</title><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _is_drawn(report: Ablation, gain: Gain) -> bool:
    return gain.baseline == report.baselines[0] and gain.metric == "chrF2++"


def _bar(gain: Gain, y: float, across: Callable[[float], float]) -> list[str]:
    mean = gain.summary.mean
    kind = "up" if mean > 0 else "down"
    left, right = sorted((across(0.0), across(mean)))
    parts = [text(_LEFT - 12, y + 13, gain.row, "label", "end")]
    parts.append(
        f'<rect class="{kind}" x="{left:.1f}" y="{y + 2:.1f}" width="{max(right - left, 1):.1f}" height="{_ROW - 10}"/>'
    )
    for comparison in gain.comparisons:
        parts.append(f'<circle class="{kind}" cx="{across(comparison.difference):.1f}" cy="{y + 10:.1f}" r="4"/>')
    return parts


def _step(span: float) -> float:
    """Return a round distance between grid lines that gives three to eight of them."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5):
        if span <= 8 * step:
            return step
    return 10
