"""The tables of a report, as rows of text; and the score table for a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable

from nmt_distill.evaluation.document import Table
from nmt_distill.evaluation.report import Report, System, SystemScores, TestSetScores
from nmt_distill.evaluation.risks import Risks

NOTHING = "–"
TERMINAL_WIDTH = 110
"""columns that the score table for a terminal may take"""


def score_columns(report: Report, test_set: TestSetScores) -> Table:
    """Return the main table of a test set: quality, agreement, size and speed; columns without any value are left out.

    BLEU, chrF2++ and TER against human references; agreement is the chrF2++ against the teacher's output; share is
    the part of the teacher's chrF2++ that is kept.
    """
    columns: list[tuple[str, Callable[[SystemScores, System], str]]] = [
        ("system", lambda row, _: row.system),
        ("BLEU", lambda row, _: f"{row.scores.bleu.value:.1f}"),
        ("chrF2++", lambda row, _: f"{row.scores.chrf.value:.2f}"),
        ("TER", lambda row, _: f"{row.scores.ter.value:.1f}"),
        ("agree", lambda row, _: NOTHING if row.agreement is None else f"{row.agreement.value:.1f}"),
        ("share", lambda row, _: NOTHING if row.teacher_share is None else f"{row.teacher_share:.1f}%"),
        ("params", lambda _, system: _parameters(system.num_parameters)),
        ("MB", lambda _, system: NOTHING if system.num_bytes is None else f"{system.num_bytes / 1e6:.1f}"),
        ("sent/s", lambda row, _: NOTHING if row.speed is None else _rate(row.speed.sentences_per_second)),
        ("tok/s", lambda row, _: _tokens_per_second(row)),
        ("speed", lambda row, _: _speed_ratio(report, test_set, row)),
    ]
    rows = [[cell(row, report.system(row.system)) for _, cell in columns] for row in test_set.systems]
    kept = [column for column in range(len(columns)) if column == 0 or any(row[column] != NOTHING for row in rows)]
    return Table(
        headers=tuple(columns[column][0] for column in kept),
        rows=tuple(tuple(row[column] for column in kept) for row in rows),
    )


def significance_table(test_set: TestSetScores) -> Table:
    """Return the paired bootstrap tests of a test set."""
    return Table(
        headers=("system", "against", "metric", "verdict", "difference", "95 % interval"),
        rows=tuple(
            (
                comparison.system,
                comparison.baseline,
                comparison.metric,
                comparison.verdict(),
                f"{comparison.difference:+.2f}",
                f"{comparison.lower:+.2f} … {comparison.upper:+.2f}",
            )
            for comparison in test_set.comparisons
        ),
        num_text_columns=4,
    )


def risk_table(test_set: TestSetScores) -> Table:
    """Return how often each system fails in ways that an average hides, human references last."""
    named = [(row.system, row.risks) for row in test_set.systems]
    named.append(("(human references)", test_set.reference_risks))
    return Table(
        headers=("system", "empty", "copied", "oscillating", "5-gram twice", "same for 5 sources", "length ratio"),
        rows=tuple((name, *_risk_cells(risks)) for name, risks in named),
    )


def speed_table(report: Report) -> Table:
    """Return under which conditions each speed was measured."""
    rows = []
    for test_set in report.test_sets:
        for row in test_set.systems:
            if (speed := row.speed) is not None:
                spread = f"{min(speed.all_seconds):.2f} … {max(speed.all_seconds):.2f}"
                load = NOTHING if speed.load_before is None else f"{speed.load_before:.1f}"
                rows.append(
                    (row.system, test_set.name, speed.batch_rule, speed.decoding, str(speed.num_threads),
                     str(speed.num_warm_up), f"{speed.seconds:.2f}", spread, load)
                )  # fmt: skip
    headers = ("system", "test set", "batches", "search", "threads", "warm-up", "median s", "all s", "load before")
    return Table(headers=headers, rows=tuple(rows), num_text_columns=4)


def system_table(report: Report) -> Table:
    """Return what each system is."""
    return Table(
        headers=("system", "role", "what it is"),
        rows=tuple((system.name, system.role, system.description or NOTHING) for system in report.systems),
        num_text_columns=3,
    )


def score_table(report: Report) -> str:
    """Return the scores of all test sets as plain text, at most 110 columns wide."""
    blocks = []
    for test_set in report.test_sets:
        heading = f"{test_set.name}: {test_set.num_sentences:,} sentences, {test_set.source} to {test_set.target}"
        blocks.append(_shorten(heading, TERMINAL_WIDTH) + "\n" + plain_text(score_columns(report, test_set)))
    return "\n\n".join([*blocks, "\n".join(textwrap.fill(line, TERMINAL_WIDTH) for line in legend(report))])


def legend(report: Report) -> list[str]:
    """Say what the columns of the score tables mean."""
    lines = ["BLEU, chrF2++ (higher is better) and TER (lower is better) against human references, by sacreBLEU."]
    if report.teacher is not None:
        lines.append(
            f"agree: chrF2++ against the output of `{report.teacher}`; share: chrF2++ in percent of that system's."
        )
    if report.speed_reference is not None:
        lines.append(f"speed: sentences per second, `{report.speed_reference}` = 1.")
    return lines


def plain_text(table: Table, width: int = TERMINAL_WIDTH) -> str:
    """Set a table in fixed width; where it is too wide, the first column is shortened.

    :param width: columns at most
    """
    widths = [
        max(_display_width(row[column]) for row in (table.headers, *table.rows)) for column in range(len(table.headers))
    ]
    others = sum(widths[1:]) + 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(width - others, 8))
    lines = []
    for row in (table.headers, *table.rows):
        cells = [_shorten(row[0], widths[0]), *row[1:]]
        padded = [
            cell + space if column < table.num_text_columns else space + cell
            for column, cell in enumerate(cells)
            for space in [" " * (widths[column] - _display_width(cell))]
        ]
        lines.append("  ".join(padded).rstrip())
    rule = "─" * min(sum(widths) + 2 * (len(widths) - 1), width)
    return "\n".join([lines[0], rule, *lines[1:]])


def speed_ratio(report: Report, test_set: TestSetScores, row: SystemScores) -> float | None:
    """Return how many times as fast a system is as the reference, on the same test set; None where either lacks."""
    for other in test_set.systems:
        if other.system == report.speed_reference and other.speed is not None and row.speed is not None:
            return row.speed.sentences_per_second / other.speed.sentences_per_second
    return None


def _speed_ratio(report: Report, test_set: TestSetScores, row: SystemScores) -> str:
    ratio = speed_ratio(report, test_set, row)
    return NOTHING if ratio is None else f"{ratio:.1f}x"


def _tokens_per_second(row: SystemScores) -> str:
    rate = None if row.speed is None else row.speed.tokens_per_second
    return NOTHING if rate is None else _rate(rate)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _parameters(count: int | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 1e6:.1f}M" if count >= 1e5 else f"{count:,}"


def _risk_cells(risks: Risks) -> list[str]:
    rates = (
        risks.empty_rate, risks.copy_rate, risks.oscillation_rate, risks.repeated_five_gram_rate,
        risks.natural_hallucination_rate,
    )  # fmt: skip
    return [*(f"{100 * rate:.2f}%" for rate in rates), f"{risks.length_ratio:.3f}"]


def _display_width(text: str) -> int:
    """Return the columns that a terminal gives a text: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _shorten(text: str, width: int) -> str:
    if _display_width(text) <= width:
        return text
    while text and _display_width(text) > width - 1:
        text = text[:-1]
    return text + "…"
