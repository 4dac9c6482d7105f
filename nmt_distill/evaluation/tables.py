"""The tables of a report, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nmt_distill.evaluation.document import Table
from nmt_distill.evaluation.metrics import Measure
from nmt_distill.evaluation.report import Report, System, SystemScores, TestSetScores
from nmt_distill.evaluation.risks import Risks
from nmt_distill.evaluation.significance import METRICS, Comparison

NOTHING = "–"


def score_columns(report: Report, test_set: TestSetScores) -> Table:
    """Return the main table of a test set: quality, agreement, size and speed; columns without any value are left out.

    BLEU, chrF2++ and TER against the references; agreement is the chrF2++ against the teacher's output; share is
    the part of the teacher's chrF2++ that is kept.
    """
    columns: list[tuple[str, Callable[[SystemScores, System], str]]] = [
        ("system", lambda row, _: row.system),
        ("BLEU", lambda row, _: _with_interval(row.scores.bleu, 1)),
        ("chrF2++", lambda row, _: _with_interval(row.scores.chrf, 2)),
        ("TER", lambda row, _: _with_interval(row.scores.ter, 1)),
        *((metric, partial(_outside, metric)) for metric in outside_metrics(test_set)),
        ("agree", lambda row, _: NOTHING if row.agreement is None else f"{row.agreement.value:.1f}"),
        ("share", lambda row, _: NOTHING if row.teacher_share is None else f"{row.teacher_share:.1f}%"),
        ("params", lambda _, system: _parameters(system.num_parameters)),
        ("MB", lambda _, system: NOTHING if system.num_bytes is None else f"{system.num_bytes / 1e6:.1f}"),
        ("sent/s", lambda row, _: NOTHING if row.speed is None else _rate(row.speed.sentences_per_second)),
        ("tok/s", lambda row, _: _tokens_per_second(row)),
        ("speed", lambda row, _: _speed_ratio(report, test_set, row)),
    ]
    rows = [[cell(row, report.system(row.system)) for _, cell in columns] for row in test_set.systems]
    return _without_empty_columns([header for header, _ in columns], rows)


def significance_table(test_set: TestSetScores) -> Table:
    """Return the tests of significance on a test set."""
    headers = ("system", "against", "metric", "verdict", "difference", "95 % interval", "randomisation p")
    rows = [
        (
            comparison.system,
            comparison.baseline,
            comparison.metric,
            comparison.verdict(),
            f"{comparison.difference:+.{_decimals(comparison)}f}",
            f"{comparison.lower:+.{_decimals(comparison)}f} … {comparison.upper:+.{_decimals(comparison)}f}",
            NOTHING if comparison.randomization_p is None else f"{comparison.randomization_p:.4f}",
        )
        for comparison in test_set.comparisons
    ]
    return _without_empty_columns(headers, rows, num_text_columns=4)


def _decimals(comparison: Comparison) -> int:
    return 2 if comparison.metric in METRICS else 4  # programs outside, such as COMET, answer between 0 and 1


def risk_table(test_set: TestSetScores) -> Table:
    """Return how often each system fails in ways that an average hides, the references last."""
    named = [(row.system, row.risks) for row in test_set.systems]
    named.append(_reference_risks(test_set))
    headers = (
        "system", "empty", "copied", "oscillating", "5-gram twice", "same for 5 sources", "too long", "too short",
        "other language", "unsure", "length ratio",
    )  # fmt: skip
    return _without_empty_columns(headers, [(name, *_risk_cells(risks)) for name, risks in named])


def _reference_risks(test_set: TestSetScores) -> tuple[str, Risks]:
    whose = "human" if test_set.references_by == "human" else "the teacher's"
    return f"({whose} references)", test_set.reference_risks


def loss_table(test_set: TestSetScores) -> Table:
    """Return how often each system loses what it must keep, and runs on after a single word, the references last."""
    named = [(row.system, row.risks) for row in test_set.systems]
    named.append(_reference_risks(test_set))
    counts = test_set.reference_risks
    kinds = {
        f"placeholder lost, of {counts.num_with_placeholders:,}": "lost_placeholder_rate",
        f"number lost, of {counts.num_with_numbers:,}": "lost_number_rate",
        f"address lost, of {counts.num_with_urls:,}": "lost_url_rate",
        f"single word failed, of {counts.num_single_words:,}": "single_word_failure_rate",
    }
    rows = [(name, *(_percent(getattr(risks, field)) for field in kinds.values())) for name, risks in named]
    return _without_empty_columns(("system", *kinds), rows)


def robustness_table(test_set: TestSetScores) -> Table:
    """Return the chrF2++ of each system on the clean test set, and what each noise changes about it."""
    rows = []
    for row in test_set.systems:
        changes = [
            f"{score.chrf.value - row.scores.chrf.value:+.2f}"
            for noisy in test_set.robustness
            for score in noisy.systems
            if score.system == row.system
        ]
        if changes:
            rows.append((row.system, f"{row.scores.chrf.value:.2f}", *changes))
    noises = (f"{noisy.noise.replace('_', ' ')} ({noisy.num_changed:,})" for noisy in test_set.robustness)
    return Table(headers=("system", "clean", *noises), rows=tuple(rows))


def efficiency_table(report: Report) -> Table:
    """Return latency, throughput and memory of each system on one core and on all."""
    headers = ("system", "cores", "ms a sentence", "slow ones ms", "sent/s", "tok/s", "load s", "memory MB", "disk MB")
    rows = [
        (
            measured.system,
            str(measured.num_cores),
            f"{1000 * measured.latency.seconds / measured.latency.num_sentences:.1f}",
            f"{1000 * measured.slow_sentence_seconds:.1f}",
            _rate(measured.throughput.sentences_per_second),
            NOTHING if (rate := measured.throughput.tokens_per_second) is None else _rate(rate),
            f"{measured.load_seconds:.1f}",
            _megabytes(measured.peak_bytes),
            _megabytes(report.system(measured.system).num_bytes),
        )
        for measured in report.efficiency
    ]
    return _without_empty_columns(headers, rows)


def corpus_table(report: Report) -> Table:
    """Return per source of text what came, what stayed and which filters took the rest."""
    headers = ("direction", "source", "licence", "filters", "read", "pairs kept", "sentences kept")
    return Table(
        headers=headers,
        rows=tuple(
            (
                source.direction,
                source.origin,
                source.licence,
                ", ".join(f"{dropped.reason} {dropped.count:,}" for dropped in source.dropped) or NOTHING,
                f"{source.num_read:,}",
                f"{source.num_train:,}",
                f"{source.num_mono:,}",
            )
            for source in report.background.corpus
        ),
        num_text_columns=4,
    )


def settings_table(report: Report) -> Table:
    """Return the keys in which the recipes of several runs differ."""
    background = report.background
    return Table(
        headers=("key", *background.runs),
        rows=tuple((setting.key, *setting.values) for setting in background.settings),
        num_text_columns=1 + len(background.runs),
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


def legend(report: Report) -> list[str]:
    """Say what the columns of the score tables mean."""
    by_teacher = [test_set.name for test_set in report.test_sets if test_set.references_by == "teacher"]
    references = "references" if by_teacher else "human references"
    lines = [f"BLEU, chrF2++ (higher is better) and TER (lower is better) against {references}, by sacreBLEU."]
    if by_teacher:
        lines.append(
            f"References of {', '.join(by_teacher)}: the teacher's own translations. Scores there say how well it is "
            "imitated, not how good the translations are; its own score says nothing."
        )
    if any(row.scores.chrf.lower is not None for test_set in report.test_sets for row in test_set.systems):
        lines.append("±: half of the 95 % interval, by bootstrap over the sentences of the test set.")
    if report.teacher is not None:
        lines.append(
            f"agree: chrF2++ against the output of `{report.teacher}`; share: chrF2++ in percent of that system's."
        )
    if report.imitator is not None:
        lines.append(
            f"{report.imitator}: lines as they stand, as the teacher reads them; other exports as `translate` runs "
            "them, sentence by sentence, with placeholders and markup brought through."
        )
    if any(speed_ratio(report, test_set, row) for test_set in report.test_sets for row in test_set.systems):
        lines.append(f"speed: sentences per second, `{report.speed_reference}` = 1.")
    return lines


def outside_metrics(test_set: TestSetScores) -> list[str]:
    """Name the outside metrics of a test set, in order."""
    return list(dict.fromkeys(score.metric for row in test_set.systems for score in row.outside))


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
        risks.natural_hallucination_rate, risks.too_long_rate, risks.too_short_rate, risks.off_target_rate,
        risks.unknown_language_rate,
    )  # fmt: skip
    return [*map(_percent, rates), f"{risks.length_ratio:.3f}"]


def _percent(rate: float | None) -> str:
    return NOTHING if rate is None else f"{100 * rate:.2f}%"


def _megabytes(count: int | None) -> str:
    return NOTHING if count is None else f"{count / 1e6:,.1f}"


def _with_interval(measure: Measure, digits: int) -> str:
    if measure.lower is None or measure.upper is None:
        return f"{measure.value:.{digits}f}"
    return f"{measure.value:.{digits}f} ±{(measure.upper - measure.lower) / 2:.{digits}f}"


def _outside(metric: str, row: SystemScores, _: System) -> str:
    found = [score for score in row.outside if score.metric == metric]
    return f"{found[0].value:.4f} ±{(found[0].upper - found[0].lower) / 2:.4f}" if found else NOTHING


def _without_empty_columns(headers: Sequence[str], rows: Sequence[Sequence[str]], num_text_columns: int = 1) -> Table:
    """Make a table of the columns that hold something in some row; the columns of text always stay."""
    kept = [
        column
        for column in range(len(headers))
        if column < num_text_columns or any(row[column] != NOTHING for row in rows)
    ]
    return Table(
        headers=tuple(headers[column] for column in kept),
        rows=tuple(tuple(row[column] for column in kept) for row in rows),
        num_text_columns=num_text_columns,
    )
