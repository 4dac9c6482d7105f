"""The plots: well-formed, complete, the same every time."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from nmt_distill.evaluation.document import Plot
from nmt_distill.evaluation.plot import quality_plots, score_bars, training_curves
from nmt_distill.evaluation.report import Report


def texts(plot: Plot) -> list[str]:
    root = ElementTree.fromstring(plot.svg)
    return [text for element in root.iter("{http://www.w3.org/2000/svg}text") for text in element.itertext()]


def test_quality_is_drawn_where_two_systems_have_a_value(report: Report) -> None:
    (speed,) = quality_plots(report, report.test_sets[0])  # only one system has a size
    assert speed.file_name == "plots/quality_speed_1.svg"
    assert speed.description == "Catalogues: chrF2++ against sentences per second"
    found = texts(speed)
    assert {"Catalogues: chrF2++", "teacher", "student int8"} <= set(found)
    assert "baseline" not in found  # it has no speed
    rows = report.test_sets[0].systems
    one = dataclasses.replace(report.test_sets[0], systems=(rows[0], dataclasses.replace(rows[1], speed=None)))
    assert list(quality_plots(dataclasses.replace(report, test_sets=(one,)), one)) == []


def test_bars_show_every_value(report: Report) -> None:
    bleu, chrf = score_bars(report)
    for plot, attribute in ((bleu, "bleu"), (chrf, "chrf")):
        found = texts(plot)
        for test_set in report.test_sets:
            for row in test_set.systems:
                assert f"{getattr(row.scores, attribute).value:.1f}" in found
        assert {"Catalogues", "Everyday", "teacher", "student int8", "baseline"} <= set(found)
        assert plot.description.endswith("95 % intervals")


@pytest.mark.filterwarnings("error")
def test_long_names_stay_in_the_picture(report: Report) -> None:
    long = ["日本語 " * 3, "a system of forty letters in all, or so", "x" * 200]
    renamed = {system.name: name for system, name in zip(report.systems, long, strict=True)}
    rows = tuple(dataclasses.replace(row, system=renamed[row.system]) for row in report.test_sets[0].systems)
    name = "The general translation task of a conference, 2026"
    test_set = dataclasses.replace(report.test_sets[0], name=name, systems=rows)
    systems = tuple(dataclasses.replace(system, name=renamed[system.name]) for system in report.systems)
    for plot in score_bars(dataclasses.replace(report, systems=systems, test_sets=(test_set,))):
        found = texts(plot)
        assert {*long[:2], "x" * 63 + "…"} <= {*found}
        assert {"The general", "translation", "task of a…"} <= {*found}


def test_every_measure_of_training_has_its_plot(report: Report) -> None:
    first, second = training_curves(report)
    assert "chrF2++ on held-out text" in texts(first)
    assert "divergence from the teacher, nats" in texts(second)
    assert "updates" in texts(second)


@pytest.mark.parametrize("name", ["a & <b>", "$x^2$ and $y$", "\\frac"])
def test_names_show_as_they_are(report: Report, name: str) -> None:
    test_set = dataclasses.replace(report.test_sets[0], name=name)
    (plot,) = quality_plots(dataclasses.replace(report, test_sets=(test_set,)), test_set)
    assert f"{name}: chrF2++" in texts(plot)


def test_svg_follows_the_page_and_is_the_same_every_time(report: Report) -> None:
    (plot,) = quality_plots(report, report.test_sets[0])
    assert plot == next(quality_plots(report, report.test_sets[0]))
    assert plot.svg.startswith('<svg class="plot" role="img" ')
    assert "prefers-color-scheme: dark" in plot.svg
    drawn = plot.svg.split("</style>")[1]
    assert re.findall(r"#[0-9a-f]{6}", drawn) == []  # every colour is a name that the scheme decides about
    assert "DejaVu" not in plot.svg
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", plot.svg)
