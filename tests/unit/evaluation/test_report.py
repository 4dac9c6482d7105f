"""A report goes to JSON and comes back, and what is no report is told."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report, read_report


def test_json_there_and_back(report: Report) -> None:
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_written_files_can_be_made_again_from_the_json(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path / "first")
    again = read_report(tmp_path / "first" / "scores.json")
    write_report(again, tmp_path / "second", json_name="results.json")
    names = [str(path.relative_to(tmp_path / "first")) for path in (tmp_path / "first").rglob("*.*")]
    assert {"report.md", "report.html", "plots/quality_speed_1.svg", "plots/bars_chrf.svg"} < set(names)
    names.remove("scores.json")
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert (tmp_path / "first/scores.json").read_bytes() == (tmp_path / "second/results.json").read_bytes()


def without(*path: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def with_value(value: Any, *path: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("title"), "`title` is missing"),
        (without("test_sets", 1, "systems", 0, "scores", "ter"), "`test_sets.1.systems.0.scores.ter` is missing"),
        (with_value(3, "colour"), "`colour` is not a field of a report"),
        (with_value("many", "systems", 2, "num_parameters"), "`systems.2.num_parameters` is 'many', which does not"),
        (with_value(True, "test_sets", 0, "systems", 0, "teacher_share"), "teacher_share` is True, which does not"),
        (with_value("boss", "systems", 0, "role"), "`systems.0.role` is 'boss', which does not belong there"),
        (with_value([], "machine"), r"`machine` is \[\], which does not belong there"),
        (with_value({}, "test_sets", 0, "worst"), r"`test_sets.0.worst` is {}, which does not belong there"),
        (with_value(1, "format_version"), "`format_version` must be 5, but is 1 instead; make the report again"),
    ],
)
def test_faults_are_told_with_their_path(report: Report, change: Callable[[Any], None], message: str) -> None:
    content = copy.deepcopy(json.loads(json.dumps(report.to_json())))
    change(content)
    with pytest.raises(NmtDistillError, match=f"results.json: .*{message}"):
        Report.from_json(content, "results.json")


def test_what_is_no_report_is_told(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"list\.json: `format_version` must be 5, but is None instead"):
        read_report(tmp_path / "list.json")
    with pytest.raises(NmtDistillError, match=r"none\.json does not exist"):
        read_report(tmp_path / "none.json")


def test_report_of_the_version_before_is_read(report: Report) -> None:
    content = json.loads(json.dumps(report.to_json()))
    content["format_version"] = 2
    del content["efficiency"], content["background"]
    for test_set in content["test_sets"]:
        del test_set["changed"], test_set["robustness"]
        for row in test_set["systems"]:
            del row["outside"], row["scores"]["bleu"]["lower"], row["risks"]["off_target_rate"]
    old = Report.from_json(content)
    assert old.test_sets[0].systems[0].scores.bleu.lower is None
    assert old.efficiency == ()


def test_report_without_sentence_vectors_is_read(report: Report) -> None:
    content = json.loads(json.dumps(report.to_json()))
    content["format_version"] = 3
    del content["embeddings"], content["sentence_maps"]
    assert Report.from_json(content).embeddings == ()


def test_whole_numbers_of_json_are_numbers(report: Report) -> None:
    content = json.loads(json.dumps(report.to_json()))
    content["test_sets"][0]["systems"][0]["speed"]["seconds"] = 2
    speed = Report.from_json(content).test_sets[0].systems[0].speed
    assert speed is not None
    assert isinstance(speed.seconds, float)


def test_unknown_system_is_told(report: Report) -> None:
    assert report.system("baseline").role == "baseline"
    with pytest.raises(NmtDistillError, match="The report has no system `x`; it has teacher, student int8, baseline"):
        report.system("x")


def test_private_text_leaves_no_trace(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.evaluation.page.can_draw", lambda: False)
    catalogues, everyday = report.without_private_text().test_sets
    assert catalogues == report.test_sets[0]
    assert everyday.examples == ()
    assert [sentence.source for sentence in everyday.changed] == [None] * len(report.test_sets[1].changed)
    assert len(everyday.changed) > 0
    assert len(everyday.worst) == len(report.test_sets[1].worst) > 0
    for bare, full in zip(everyday.worst, report.test_sets[1].worst, strict=True):
        assert (bare.line, bare.source, bare.reference) == (full.line, None, None)
        assert [(t.system, t.text, t.chrf) for t in bare.translations] == [
            (t.system, None, t.chrf) for t in full.translations
        ]
    assert everyday.systems == report.test_sets[1].systems
    only_private = dataclasses.replace(report, test_sets=report.test_sets[1:])
    write_report(only_private.without_private_text(), tmp_path)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert "gato" not in path.read_text(encoding="utf-8")
        assert "Where is" not in path.read_text(encoding="utf-8")
