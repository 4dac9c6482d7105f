"""The written report: what a reader wants to know, in the order of interest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.counting import counted
from nmt_distill.evaluation.document import (
    Block,
    Code,
    Fact,
    Facts,
    Folded,
    Heading,
    Paragraph,
    Plots,
    markdown,
)
from nmt_distill.evaluation.plot import NOT_DRAWN, can_draw, quality_plots, score_bars, training_curves
from nmt_distill.evaluation.report import Report, SystemScores, TestSetScores
from nmt_distill.evaluation.sentence_blocks import sentence_blocks
from nmt_distill.evaluation.tables import (
    corpus_table,
    efficiency_table,
    legend,
    loss_table,
    risk_table,
    robustness_table,
    score_columns,
    settings_table,
    significance_table,
    speed_ratio,
    speed_table,
    system_table,
)
from nmt_distill.evaluation.vector_blocks import embedding_blocks
from nmt_distill.evaluation.web_page import html_page
from nmt_distill.files import atomic_file, write_json


def write_report(report: Report, folder: Path, *, json_name: str = "scores.json") -> None:
    """Write the JSON, ``report.md``, ``report.html`` and the plots; each appears whole.

    :param folder: is made where it does not exist
    :param json_name: ``scores.json`` in a run, ``results.json`` in a report that is kept
    """
    blocks = list(report_blocks(report))
    write_json(folder / json_name, report.to_json())
    for name, content in (("report.md", markdown(blocks)), ("report.html", html_page(report.title, blocks))):
        with atomic_file(folder / name) as stream:
            stream.write(content)
    for plot in (plot for block in blocks if isinstance(block, Plots) for plot in block.plots):
        with atomic_file(folder / plot.file_name) as stream:
            stream.write(plot.svg)


def report_blocks(report: Report) -> Iterator[Block]:
    """Say everything in the order of interest: result, scores, doubts, sentences, how it was made and measured."""
    yield Heading(1, report.title)
    if facts := _first_facts(report):
        yield Facts(facts)
    for sentence in summary(report):
        yield Paragraph(sentence)
    for note in report.notes:
        yield Paragraph(f"Note: {note}")
    if not can_draw():
        yield Paragraph(NOT_DRAWN, "soft")
    elif report.test_sets:
        yield Plots((*score_bars(report), *quality_plots(report, report.test_sets[0])))
    for test_set in report.test_sets:
        yield from _test_set_blocks(report, test_set)
    yield from embedding_blocks(report.embeddings, report.sentence_maps, report.languages)
    yield from _efficiency_blocks(report)
    yield from _background_blocks(report)
    yield Heading(2, "Systems")
    yield system_table(report)
    yield from _measured_blocks(report)


def _measured_blocks(report: Report) -> Iterator[Block]:
    yield Heading(2, "How it was measured")
    machine = report.machine
    yield Paragraph(
        f"Machine: {machine.processor}, {counted(machine.num_cores, 'core')}, {machine.system}, Python "
        f"{machine.python}." + (f" Date: {report.created}." if report.created else "")
    )
    if (speeds := speed_table(report)).rows:
        yield Paragraph(
            "Speed is the median wall clock of all passes over the test set, tokenization included, loading and "
            "warm-up not."
            + (f" Tokens are source tokens ({', '.join(units)})." if (units := _token_units(report)) else "")
        )
        yield speeds
    yield Paragraph("sacreBLEU signatures:")
    yield Code("\n".join(signatures(report)))
    if commands := outside_commands(report):
        yield Paragraph("Outside metrics:")
        yield Code("\n".join(commands))
    yield Paragraph("Made by:")
    yield Code(report.command)
    if report.background.recipe:
        yield Folded("The recipe, with every key", report.background.recipe)


def _efficiency_blocks(report: Report) -> Iterator[Block]:
    if not report.efficiency:
        return
    yield Heading(2, "Latency, throughput and memory")
    yield efficiency_table(report)
    first = report.efficiency[0]
    passes = len(first.latency.all_seconds)
    yield Paragraph(
        f"{counted(first.latency.num_sentences, 'sentence')} of the first test set; each system ran in a process of "
        "its own, on so many cores. `ms a sentence`: one sentence at a time, mean of a pass; `slow ones`: 95 % of the "
        f"sentences are faster; `sent/s`: all sentences at once. Median of {passes} passes, tokenization included, "
        "loading and warm-up not. Memory is the most that the process held, Python included.",
        "soft",
    )


def _background_blocks(report: Report) -> Iterator[Block]:
    background = report.background
    if not (background.curves or background.corpus or background.settings):
        return
    yield Heading(2, "How the student came about" if len(background.runs) == 1 else "How the students came about")
    if background.settings:
        yield Heading(3, "What differs between the recipes")
        yield settings_table(report)
    if background.curves and can_draw() and (plots := tuple(training_curves(report))):
        yield Heading(3, "Training")
        yield Plots(plots)
    if background.corpus:
        yield Heading(3, "The corpus and its filters")
        yield corpus_table(report)
        yield Paragraph("Filters: how many pairs and sentences each took away. Samples stand in `corpus.json`.", "soft")


def _first_facts(report: Report) -> tuple[Fact, ...]:
    """Choose the numbers to see first: what the focus keeps on each test set, its speed on the first, its size."""
    focused = [
        (test_set, row)
        for test_set in report.test_sets
        for row in test_set.systems
        if row.system == test_set.focus != report.teacher
    ]
    facts = []
    for test_set, row in focused[:6]:
        share = (_imitator(report, test_set) or row).teacher_share
        if share is None:
            facts.append(Fact(f"{row.scores.chrf.value:.1f}", f"chrF2++ of {row.system} on {test_set.name}"))
        else:
            facts.append(Fact(f"{share:.1f} %", f"of the chrF2++ of {report.teacher} on {test_set.name}"))
    for test_set, row in focused[:1]:
        if (ratio := speed_ratio(report, test_set, row)) is not None:
            facts.append(Fact(f"{ratio:.1f}×", f"as fast as {report.speed_reference}"))
        if (size := report.system(row.system).num_bytes) is not None:
            facts.append(Fact(f"{size / 1e6:.1f} MB", f"to ship {row.system}"))
    return tuple(facts)


def summary(report: Report) -> Iterator[str]:
    """Say in a sentence what the focus of each test set is worth."""
    for test_set in report.test_sets:
        row = next((row for row in test_set.systems if row.system == test_set.focus), None)
        if row is None or row.teacher_share is None or row.system == report.teacher:
            continue
        imitator = _imitator(report, test_set) or row
        text = (
            f"{test_set.name}: {imitator.system} keeps {imitator.teacher_share:.1f} % of {_of_teacher(report)} chrF2++"
        )
        if imitator is not row:
            text += f"; {row.system}, as `translate` runs it, has {row.scores.chrf.value:.2f}"
        ratio = speed_ratio(report, test_set, row)
        speed = f", {ratio:.1f} times as fast as {report.speed_reference}" if ratio is not None else ""
        size = report.system(row.system).num_bytes
        yield text + speed + (f", in {size / 1e6:.1f} MB." if size is not None else ".")


def _imitator(report: Report, test_set: TestSetScores) -> SystemScores | None:
    """The system that reads lines as the teacher does, where it stands apart from the focus."""
    return next((row for row in test_set.systems if row.system == report.imitator), None)


def _of_teacher(report: Report) -> str:
    """Say whose score is kept: the teacher's, or that of another system, by its name."""
    is_teacher = report.teacher is None or report.system(report.teacher).role == "teacher"
    return "the teacher's" if is_teacher else f"{report.teacher}'s"


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
    about = f"{counted(test_set.num_sentences, 'sentence')}, {test_set.source} to {test_set.target}."
    about += f" Origin: {test_set.origin.rstrip('.')}." if test_set.origin else ""
    yield Paragraph(about + (f" Licence: {test_set.licence.rstrip('.')}." if test_set.licence else ""))
    yield score_columns(report, test_set)
    yield Paragraph(" ".join(legend(report)), "soft")
    for note in dict.fromkeys(note for row in test_set.systems for note in row.scores.notes):
        yield Paragraph(f"Note: {note}")
    if can_draw() and test_set is not report.test_sets[0] and (plots := tuple(quality_plots(report, test_set))):
        yield Plots(plots)
    if test_set.comparisons:
        yield Heading(3, "Is the difference more than chance?")
        yield significance_table(test_set)
        yield Paragraph(_tests(test_set), "soft")
    yield from _risk_blocks(test_set)
    if test_set.robustness:
        yield Heading(3, "Robustness")
        yield robustness_table(test_set)
        yield Paragraph(
            "chrF2++ on the clean test set, and how it changes when the sources (in brackets: how many) are typed "
            "otherwise. Upper case and final marks change in the references too; title case, typos and spaces in the "
            "sources alone.",
            "soft",
        )
    yield from sentence_blocks(report, test_set)


def _tests(test_set: TestSetScores) -> str:
    first = test_set.comparisons[0]
    text = f"Verdict by paired bootstrap, {first.num_resamples:,} resamples, seed {first.seed}"
    if first.num_trials is not None:
        text += f"; beside it p of approximate randomisation, {first.num_trials:,} trials"
    return text + ". It speaks about this test set, not about another training seed."


def _risk_blocks(test_set: TestSetScores) -> Iterator[Block]:
    yield Heading(3, "Risks")
    yield risk_table(test_set)
    yield Paragraph(
        "Share of sentences. Oscillating: a bigram 10 times or more that is not so often in the source. Same for 5 "
        "sources: the output is also that of four other distinct sources. Too long, too short: more than twice or "
        "less than half the reference's characters, and more than 10 apart. Other language: surely not the target's; "
        "unsure: too short to tell. Length ratio: characters over the references' characters.",
        "soft",
    )
    if len((losses := loss_table(test_set)).headers) > 1:
        yield losses
        yield Paragraph(
            "Share of the sources that hold such a thing. A number is lost where its digits are missing, in words or "
            "not; a single word failed where its translation is empty or three words longer than the reference.",
            "soft",
        )


def outside_commands(report: Report) -> list[str]:
    """Return every outside metric of the report with its program, once."""
    return list(
        dict.fromkeys(
            f"{score.metric}: {score.command}"
            for test_set in report.test_sets
            for row in test_set.systems
            for score in row.outside
        )
    )


def _token_units(report: Report) -> list[str]:
    speeds = [row.speed for test_set in report.test_sets for row in test_set.systems if row.speed is not None]
    return list(dict.fromkeys(speed.token_unit for speed in speeds if speed.num_tokens is not None))
