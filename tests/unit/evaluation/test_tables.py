"""Tables: which values stand where, and how wide they are."""

from __future__ import annotations

import dataclasses

import pytest

from nmt_distill.evaluation.document import Table
from nmt_distill.evaluation.report import Report, System
from nmt_distill.evaluation.tables import (
    corpus_table,
    efficiency_table,
    legend,
    loss_table,
    risk_table,
    robustness_table,
    score_columns,
    significance_table,
    speed_ratio,
    speed_table,
)
from nmt_distill.evaluation.terminal import plain_text, score_table


def test_main_table_by_hand(report: Report) -> None:
    test_set = report.test_sets[0]
    table = score_columns(report, test_set)
    assert table.headers == (
        "system", "BLEU", "chrF2++", "TER", "COMET22", "agree", "share", "params", "MB", "sent/s", "tok/s", "speed",
    )  # fmt: skip
    teacher, student, baseline = table.rows
    assert (teacher[4], student[4]) == ("0.9175 ±0.0212", "0.8312 ±0.0110")
    assert teacher[5:] == ("100.0", "100.0%", "16.9M", "–", "2.0", "10.0", "1.0x")
    bleu = test_set.systems[1].scores.bleu
    assert bleu.lower is not None
    assert bleu.upper is not None
    assert student[1] == f"{bleu.value:.1f} ±{(bleu.upper - bleu.lower) / 2:.1f}"
    assert student[7:] == ("2.3M", "3.5", "32.0", "160", "16.0x")
    assert baseline[7:] == ("99,999", "–", "–", "–", "–")


def test_columns_without_values_are_left_out(report: Report) -> None:
    test_set = report.test_sets[0]
    bare = dataclasses.replace(
        test_set,
        systems=tuple(
            dataclasses.replace(row, speed=None, agreement=None, teacher_share=None, outside=())
            for row in test_set.systems
        ),
    )
    assert score_columns(report, bare).headers == ("system", "BLEU", "chrF2++", "TER", "params", "MB")


def test_speed_ratio_is_of_the_same_test_set(report: Report) -> None:
    test_set = report.test_sets[0]
    assert [speed_ratio(report, test_set, row) for row in test_set.systems] == [1, 16, None]
    other = dataclasses.replace(report, speed_reference="baseline")
    assert [speed_ratio(other, test_set, row) for row in test_set.systems] == [None, None, None]


def test_what_nobody_measured_is_not_explained(report: Report) -> None:
    assert "speed: sentences per second, `teacher` = 1." in legend(report)
    timed_alone = dataclasses.replace(report, speed_reference="baseline")  # which has no speed
    assert not any(line.startswith("speed:") for line in legend(timed_alone))


def test_terminal_table_is_at_most_110_columns_wide(report: Report) -> None:
    long_name = "student from the very long family of names that nobody will ever want to type " * 2
    systems = (*report.systems, System(name=long_name, role="student"))
    row = dataclasses.replace(report.test_sets[0].systems[1], system=long_name)
    test_set = dataclasses.replace(report.test_sets[0], systems=(*report.test_sets[0].systems, row))
    text = score_table(dataclasses.replace(report, systems=systems, test_sets=(test_set,)))
    assert max(map(len, text.splitlines())) <= 110
    (line,) = (line for line in text.splitlines() if line.startswith("student from the ver…  "))
    short = next(line for line in text.splitlines() if line.startswith("student int8"))
    values = ["–" if value == "3.5" else value for value in short.split()[2:]]  # it has no size
    assert line.split()[-len(values) :] == values


def test_terminal_table_reads_as_a_table(report: Report) -> None:
    lines = score_table(report).splitlines()
    assert lines[0] == "Catalogues: 4 sentences, en to pt"
    header, rule, *rows = lines[1:6]
    assert set(rule) == {"─"}
    assert len(header) == len(rows[0]) == len(rows[1]) == len(rule) <= 110
    assert "tok/s" not in header  # with an outside metric there is no room for all columns
    assert rows[1].startswith("student int8  ")
    assert rows[1].endswith("16.0x")
    assert "Everyday: 4 sentences, en to pt" in lines
    assert "one sentence at a time, and all at once" in lines
    assert lines[-1] == "speed: sentences per second, `teacher` = 1."


@pytest.mark.parametrize("name", ["日本語の先生", "e\u0301tudiant", "[bold]x[/]", ":smile:"])
def test_wide_combining_and_marked_up_names_keep_columns_in_line(name: str) -> None:
    text = plain_text(Table(headers=("system", "BLEU"), rows=((name, "1.0"), ("x", "22.0"))), "scores")
    columns = 12 if name[0] == "日" else 8 if name[0] == "e" else len(name)
    assert text.splitlines()[0] == "scores"
    assert text.splitlines()[4] == "x" + " " * (columns + 2 - 1) + "22.0"
    assert text.splitlines()[3].startswith(name + "   ")


@pytest.mark.parametrize("num_columns", [3, 5, 9])
def test_long_names_are_cut_and_values_are_not(num_columns: int) -> None:
    values = tuple(f"{column}77.1429 ±124.5000" for column in range(num_columns))
    headers = tuple(f"metric {column}" for column in range(num_columns))
    rows = (("n" * 200, *values), ("日本語" * 60, *values))
    heading, header, rule, *lines = plain_text(Table(headers=("system", *headers), rows=rows), "x" * 300).splitlines()
    assert header.split()[1:] == " ".join(headers).split()
    for line in lines:
        assert all(value in line for value in values)
    assert len(rule) == (110 if num_columns < 5 else 16 + num_columns * 20)
    assert len(heading) <= len(rule)


def test_significance_and_risks(report: Report) -> None:
    rows = significance_table(report.test_sets[0]).rows
    assert [row[:3] for row in rows] == [
        ("student int8", "baseline", "BLEU"),
        ("student int8", "baseline", "chrF2++"),
        ("student int8", "baseline", "TER"),
        ("student int8", "baseline", "COMET22"),
        ("teacher", "teacher", "BLEU"),
        ("teacher", "teacher", "chrF2++"),
        ("teacher", "teacher", "TER"),
        ("teacher", "teacher", "COMET22"),
    ]
    assert rows[2][3].startswith("better") == rows[2][4].startswith("-"), "a lower TER is the better one"
    assert rows[3][4] == "+0.5312"
    lower, upper = rows[3][5].split(" … ")
    assert "+0.5148" <= lower < "+0.5312" < upper <= "+0.5500", "between the least and the largest of any sentence"
    assert rows[4][3:] == ("identical", "+0.00", "+0.00 … +0.00", "1.0000")
    risks = risk_table(report.test_sets[0])
    assert [row[0] for row in risks.rows] == ["teacher", "student int8", "baseline", "(human references)"]
    assert risks.rows[3][-1] == "1.000"


def test_conditions_of_speed(report: Report) -> None:
    rows = speed_table(report).rows
    assert len(rows) == 4
    assert rows[0] == (
        "teacher", "Catalogues", "all at once", "greedy", "2", "1", "2.00", "1.00 … 4.00", "0.2",
    )  # fmt: skip


def test_robustness_is_told_as_change(report: Report) -> None:
    test_set = report.test_sets[0]
    table = robustness_table(test_set)
    assert table.headers == ("system", "clean", "upper case (4)")
    chrf = test_set.systems[1].scores.chrf.value
    assert table.rows[1] == ("student int8", f"{chrf:.2f}", f"{30 - chrf:+.2f}")
    assert len(table.rows) == 2  # the baseline was not asked


def test_losses_stand_only_where_there_is_something_to_lose(report: Report) -> None:
    table = loss_table(report.test_sets[0])
    assert table.headers == ("system", "placeholder lost, of 1", "single word failed, of 1")
    assert table.rows[2] == ("baseline", "100.00%", "0.00%")


def test_efficiency_by_hand(report: Report) -> None:
    one, two = efficiency_table(report).rows
    assert one == ("student int8", "1", "125.0", "300.0", "16.0", "80.0", "1.5", "123.4", "3.5")
    assert two[:5] == ("student int8", "2", "125.0", "300.0", "32.0")


def test_filters_are_counted(report: Report) -> None:
    assert corpus_table(report).rows == (
        ("en-pt", "invented catalogues", "CC0-1.0", "identical 150, repeated 50", "1,000", "700", "100"),
    )
