"""The written report of an ablation: tables of rows and gains, and a plot of the gains with every seed in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev

from nmt_distill.counting import counted
from nmt_distill.evaluation.ablation import CLAIM_RULE, Ablation, AblationSet, Gain
from nmt_distill.evaluation.document import Block, Code, Heading, Paragraph, Plots, Table, markdown
from nmt_distill.evaluation.gain_plot import gain_plots
from nmt_distill.evaluation.plot import NOT_DRAWN, can_draw
from nmt_distill.evaluation.web_page import html_page
from nmt_distill.files import atomic_file, write_json


def write_ablation(report: Ablation, folder: Path) -> None:
    """Write ``results.json``, ``report.md``, ``report.html`` and the plot; each appears whole."""
    blocks = list(ablation_blocks(report))
    write_json(folder / "results.json", report.to_json())
    contents = {"report.md": markdown(blocks), "report.html": html_page(report.title, blocks)}
    contents |= {plot.file_name: plot.svg for block in blocks if isinstance(block, Plots) for plot in block.plots}
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
    yield overview_table(report)
    if can_draw():
        yield Plots(tuple(gain_plots(report)))
    else:
        yield Paragraph(NOT_DRAWN, "soft")
    for test_set in report.test_sets:
        yield Heading(
            2, f"{test_set.name}: {counted(test_set.num_sentences, 'sentence')}, {test_set.source}-{test_set.target}"
        )
        yield Paragraph(f"{test_set.origin}; licence: {test_set.licence}.", "soft")
        for told in dict.fromkeys(note for row in test_set.rows for scores in row.scores for note in scores.notes):
            yield Paragraph(f"Note: {told}")
        yield score_rows_table(report, test_set)
        yield gain_table(test_set)
    yield Heading(2, "Rows")
    yield rows_table(report)
    yield Heading(2, "How it was measured")
    yield Paragraph(
        "Every row has the same sources, vocabulary size, student and number of updates as the others unless its "
        "description says so. Differences are tested by paired bootstrap within each seed (1,000 resamples). "
        + CLAIM_RULE
    )
    machine = report.machine
    yield Paragraph(
        f"Machine: {machine.processor}, {counted(machine.num_cores, 'core')}, {machine.system}, Python "
        f"{machine.python}." + (f" Date: {report.created}." if report.created else "")
    )
    yield Paragraph("sacreBLEU signatures:")
    yield Code("\n".join(signatures(report)))
    yield Paragraph("Made by:")
    yield Code(report.command)


def signatures(report: Ablation) -> list[str]:
    """Return every sacreBLEU signature that stands behind a value of the report, once."""
    measures = [
        measure.signature
        for test_set in report.test_sets
        for row in test_set.rows
        for scores in row.scores
        for measure in (scores.bleu, scores.chrf)
    ]
    return list(dict.fromkeys(measures))


def summary(report: Ablation) -> list[str]:
    """Say of each later row what it gains in chrF2++ over the first, on each test set, the mean over directions."""
    told: dict[str, dict[str, list[Gain]]] = {}
    for test_set in report.test_sets:
        for gain in test_set.gains:
            if gain.baseline == report.baselines[0] and gain.metric == "chrF2++":
                told.setdefault(gain.row, {}).setdefault(test_set.name, []).append(gain)
    return [
        f"{row}, against {report.baselines[0]}: "
        + ", ".join(
            f"{fmean(gain.summary.mean for gain in gains):+.1f} chrF2++ on {name} ({_verdict(gains)})"
            for name, gains in by_name.items()
        )
        + "."
        for row, by_name in told.items()
    ]


def _verdict(gains: list[Gain]) -> str:
    """Return the verdict on one test set, or how often there is which over several directions."""
    if len(gains) == 1:
        return gains[0].verdict()
    counts = Counter(gain.verdict().partition(":")[0] for gain in gains)
    return f"mean of {len(gains)} directions: {', '.join(f'{word} in {count}' for word, count in counts.items())}"


def overview_table(report: Ablation) -> Table:
    """Return the mean chrF2++ of each row on every test set, and in brackets what it gains over the first baseline."""
    baseline = report.baselines[0]
    return Table(
        headers=("chrF2++", "seeds", *(report.label(test_set) for test_set in report.test_sets)),
        rows=tuple(
            (row.name, str(len(row.seeds)), *(_mean_and_gain(row.name, one, baseline) for one in report.test_sets))
            for row in report.rows
        ),
    )


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


def _mean_and_gain(name: str, test_set: AblationSet, baseline: str) -> str:
    (row,) = [row for row in test_set.rows if row.row == name]
    gains = [
        f" ({gain.summary.mean:+.2f})"
        for gain in test_set.gains
        if (gain.row, gain.baseline, gain.metric) == (name, baseline, "chrF2++")
    ]
    return "".join([f"{fmean(scores.chrf.value for scores in row.scores):.2f}", *gains])


def _mean(values: list[float], digits: int) -> str:
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"
