"""The written report: what a reader wants to know, in the order of interest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.evaluation.document import Block, Code, Heading, Paragraph, Plot, Table, html_page, markdown
from nmt_distill.evaluation.plot import quality_speed_plot
from nmt_distill.evaluation.report import Report, Sentence, TestSetScores
from nmt_distill.evaluation.tables import (
    legend,
    risk_table,
    score_columns,
    significance_table,
    speed_ratio,
    speed_table,
    system_table,
)
from nmt_distill.files import atomic_file, write_json

PLOT_NAME = "quality_speed.svg"
SHOWN_CHARACTERS = 500
"""of a sentence in a table; the JSON holds all"""


def write_report(report: Report, folder: Path, *, json_name: str = "scores.json") -> None:
    """Write the JSON, ``report.md``, ``report.html`` and, where two systems are timed, the plot; each appears whole.

    :param folder: is made where it does not exist
    :param json_name: ``scores.json`` in a run, ``results.json`` in a report that is kept
    """
    blocks = list(report_blocks(report))
    write_json(folder / json_name, report.to_json())
    for name, content in (("report.md", markdown(blocks)), ("report.html", html_page(report.title, blocks))):
        with atomic_file(folder / name) as stream:
            stream.write(content)
    for plot in (block for block in blocks if isinstance(block, Plot)):
        with atomic_file(folder / plot.file_name) as stream:
            stream.write(plot.svg)


def report_blocks(report: Report) -> Iterator[Block]:
    """Say everything in the order of interest: result, scores, doubts, sentences, how it was measured."""
    yield Heading(1, report.title)
    for sentence in summary(report):
        yield Paragraph(sentence, "lead")
    for note in report.notes:
        yield Paragraph(f"Note: {note}")
    if (svg := quality_speed_plot(report)) is not None:
        yield Plot(svg, "chrF2++ against sentences per second", PLOT_NAME)
    for test_set in report.test_sets:
        yield from _test_set_blocks(report, test_set)
    yield Heading(2, "Systems")
    yield system_table(report)
    yield Heading(2, "How it was measured")
    machine = report.machine
    yield Paragraph(
        f"Machine: {machine.processor}, {machine.num_cores} cores, {machine.system}, Python {machine.python}."
        + (f" Date: {report.created}." if report.created else "")
    )
    if (speeds := speed_table(report)).rows:
        yield Paragraph(
            "Speed is the median wall clock of all passes over the test set, tokenization included, loading and "
            f"warm-up not. Tokens are source tokens ({', '.join(_token_units(report))})."
        )
        yield speeds
    yield Paragraph("sacreBLEU signatures:")
    yield Code("\n".join(signatures(report)))
    yield Paragraph("Made by:")
    yield Code(report.command)


def summary(report: Report) -> Iterator[str]:
    """Say in a sentence what the focus of each test set is worth."""
    for test_set in report.test_sets:
        row = next((row for row in test_set.systems if row.system == test_set.focus), None)
        if row is None or row.teacher_share is None or row.system == report.teacher:
            continue
        text = f"{test_set.name}: {row.system} keeps {row.teacher_share:.1f} % of the teacher's chrF2++"
        ratio = speed_ratio(report, test_set, row)
        speed = f", {ratio:.1f} times as fast as {report.speed_reference}" if ratio is not None else ""
        size = report.system(row.system).num_bytes
        yield text + speed + (f", in {size / 1e6:.1f} MB." if size is not None else ".")


def signatures(report: Report) -> list[str]:
    """Return every sacreBLEU signature that stands behind a value of the report, once."""
    measures = [
        measure.signature
        for test_set in report.test_sets
        for row in test_set.systems
        for measure in (row.scores.bleu, row.scores.chrf, row.scores.ter)
    ]
    return list(dict.fromkeys(measures))


def _test_set_blocks(report: Report, test_set: TestSetScores) -> Iterator[Block]:
    yield Heading(2, test_set.name)
    about = f"{test_set.num_sentences:,} sentences, {test_set.source} to {test_set.target}."
    about += f" Origin: {test_set.origin.rstrip('.')}." if test_set.origin else ""
    yield Paragraph(about + (f" Licence: {test_set.licence.rstrip('.')}." if test_set.licence else ""))
    yield score_columns(report, test_set)
    yield Paragraph(" ".join(legend(report)), "soft")
    for note in dict.fromkeys(note for row in test_set.systems for note in row.scores.notes):
        yield Paragraph(f"Note: {note}")
    if test_set.comparisons:
        first = test_set.comparisons[0]
        yield Heading(3, "Is the difference more than chance?")
        yield significance_table(test_set)
        yield Paragraph(
            f"Paired bootstrap, {first.num_resamples:,} resamples, seed {first.seed}. It speaks about this test set, "
            "not about another training seed.",
            "soft",
        )
    yield Heading(3, "Risks")
    yield risk_table(test_set)
    yield Paragraph(
        "Share of sentences. Oscillating: a bigram 10 times or more that is not so often in the source. Same for 5 "
        "sources: the output is also that of four other distinct sources. Length ratio: characters over the "
        "references' characters.",
        "soft",
    )
    if test_set.examples:
        yield Heading(3, "Examples")
        yield Paragraph("Evenly spaced over the test set, not chosen by score.", "soft")
        yield _sentence_table(test_set.examples)
    if test_set.worst:
        has_teacher = report.teacher in [row.system for row in test_set.systems]
        lost = f"loses most chrF2++ against {report.teacher}" if has_teacher else "has least chrF2++"
        yield Heading(3, f"Where {test_set.focus} {lost}")
        yield _sentence_table(test_set.worst)
        if test_set.worst[0].source is None:
            yield Paragraph("The text may not stand here; the numbers are those of its lines.", "soft")


def _sentence_table(sentences: tuple[Sentence, ...]) -> Table:
    """Set sentences below each other, a line for each text; numbers alone where the text is absent."""
    if sentences[0].source is None:
        return Table(
            headers=("line", *(f"chrF2++ {translation.system}" for translation in sentences[0].translations)),
            rows=tuple(
                (str(s.line), *(f"{translation.chrf:.1f}" for translation in s.translations)) for s in sentences
            ),
        )
    rows = []
    for s in sentences:
        rows.append((str(s.line), "source", _cut(s.source), ""))
        rows.append(("", "reference", _cut(s.reference), ""))
        rows += [("", each.system, _cut(each.text), f"{each.chrf:.1f}") for each in s.translations]
    return Table(headers=("line", "who", "text", "chrF2++"), rows=tuple(rows), num_text_columns=3)


def _cut(text: str | None) -> str:
    if text is None or len(text) <= SHOWN_CHARACTERS:
        return text or ""
    return f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"


def _token_units(report: Report) -> list[str]:
    speeds = [row.speed for test_set in report.test_sets for row in test_set.systems if row.speed is not None]
    return list(dict.fromkeys(speed.token_unit for speed in speeds))
