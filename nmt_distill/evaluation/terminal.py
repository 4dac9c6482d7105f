"""The score table for a terminal or a log, set by rich."""

from __future__ import annotations

import io

from nmt_distill.counting import counted
from nmt_distill.evaluation.document import Table, visible
from nmt_distill.evaluation.report import Report
from nmt_distill.evaluation.tables import efficiency_table, legend, score_columns

TERMINAL_WIDTH = 110
"""columns that the tables may take"""
NAME_WIDTH = 16
"""columns that names have at least; a table with so many others is wider than it may be"""
LEFT_OUT_FIRST = ("tok/s", "params", "agree", "TER")
"""of the score table, where it would be wider"""


def score_table(report: Report) -> str:
    """Return the scores of all test sets as plain text, 110 columns wide where names have room beside the scores."""
    blocks = []
    for test_set in report.test_sets:
        heading = (
            f"{test_set.name}: {counted(test_set.num_sentences, 'sentence')}, {test_set.source} to {test_set.target}"
        )
        blocks.append(plain_text(_fitting(score_columns(report, test_set)), heading))
    if report.efficiency:
        blocks.append(plain_text(efficiency_table(report), "one sentence at a time, and all at once"))
    return "\n\n".join([*blocks, _set("\n".join(legend(report)))])


def _fitting(table: Table) -> Table:
    """Leave out columns that the report has too, until the others fit beside names."""
    for header in LEFT_OUT_FIRST:
        if NAME_WIDTH + _beside_names(table) > TERMINAL_WIDTH:
            kept = [column for column, name in enumerate(table.headers) if name != header]
            table = Table(
                headers=tuple(table.headers[column] for column in kept),
                rows=tuple(tuple(row[column] for column in kept) for row in table.rows),
            )
    return table


def _beside_names(table: Table) -> int:
    """Return how wide all columns but the first are, two spaces before each."""
    return sum(2 + _width(table, column) for column in range(1, len(table.headers)))


def _width(table: Table, column: int) -> int:
    return max(len(visible(row[column])) for row in (table.headers, *table.rows))


def plain_text(table: Table, heading: str, width: int = TERMINAL_WIDTH) -> str:
    """Set a table in fixed width; where it is too wide, the first column is cut, and nothing else.

    :param heading: a line above it
    :param width: columns that it may take
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    room = max(width - _beside_names(table), NAME_WIDTH)
    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column, header in enumerate(table.headers):
        is_first = column == 0
        grid.add_column(
            Text(visible(header)),
            justify="left" if column < table.num_text_columns else "right",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if is_first else _width(table, column),
            max_width=room if is_first else None,
        )
    for row in table.rows:
        grid.add_row(*(Text(visible(cell)) for cell in row))
    width = room + _beside_names(table)
    title = Text(visible(heading))
    title.truncate(width, overflow="ellipsis")
    return _set(title, grid, width=width)


def _set(*parts: object, width: int = TERMINAL_WIDTH) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
