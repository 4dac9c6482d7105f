"""Several runs of like recipes in one report: teacher, students, baselines and outside engines on the same text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path

from nmt_distill.configuration import to_content
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.background import Background, differing_settings, read_corpus, read_curves
from nmt_distill.evaluation.page import write_report
from nmt_distill.evaluation.report import Report
from nmt_distill.evaluation.speed import machine
from nmt_distill.languages import Direction
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import load_recipe
from nmt_distill.scoring.contestant import Contestant
from nmt_distill.scoring.peers import command_contestant
from nmt_distill.scoring.scoreboard import (
    TEACHER,
    contest_of,
    export_contestants,
    plain_contestants,
    teacher_contestants,
    test_texts,
)


def compare_runs(
    run_folders: Sequence[Path],
    folder: Path,
    *,
    overrides: Sequence[str],
    peers: Sequence[str],
    title: str,
    notes: Sequence[str] = (),
    command: str,
    json_name: str = "results.json",
) -> Report:
    """Score the exports of several finished runs and write one report.

    The first run gives teacher and test sets; of every two runs the last exports are compared by paired bootstrap.

    :param run_folders: runs of the same corpus
    :param overrides: ``--set`` values for the first run's recipe, such as ``evaluation.suites``
    :param peers: ``NAME=COMMAND``: outside engines, a program that answers every line of standard input with one
    :raises NmtDistillError: if a run is not finished, or was made from another corpus than the first
    """
    pipelines = [
        finished_run(run_folder, overrides if not index else ()) for index, run_folder in enumerate(run_folders)
    ]
    first = pipelines[0]
    for other in pipelines[1:]:
        if other.corpus.fingerprint != first.corpus.fingerprint:
            raise NmtDistillError(
                f"{other.run_folder} was made from another corpus than {first.run_folder}, so that its training text "
                "may hold test lines; compare runs of one corpus."
            )
    names = _run_names(pipelines)
    teachers = teacher_contestants(first)
    plain = [
        replace(each, system=replace(each.system, name=_name(each, names[0])))
        for each in plain_contestants(first, teachers)
    ]
    contestants, mains = list(teachers), []
    for name, pipeline in zip(names, pipelines, strict=True):
        own = [_named(contestant, name, pipeline, pipeline is not first) for contestant in export_contestants(pipeline)]
        mains.append(own[-1].system.name)
        contestants += own if pipeline is first else own[-1:]
    contestants += plain
    contestants += [_peer(text, first.directions) for text in peers]
    _refuse_twice([contestant.system.name for contestant in contestants])
    teacher = TEACHER if teachers else None
    comparisons = [(name, TEACHER) for name in (mains[0], *(each.system.name for each in plain)) if teacher]
    comparisons += combinations(mains, 2)
    contest = contest_of(first, contestants, focus=mains[0], comparisons=comparisons)
    texts = test_texts(first)
    sets = [contest.score(text) for text in texts]
    report = Report(
        title=title,
        systems=tuple(contestant.system for contestant in contestants),
        test_sets=tuple(sets),
        machine=machine(),
        command=command,
        teacher=teacher,
        imitator=plain[0].system.name if plain else None,
        notes=tuple(notes),
        speed_reference=_speed_reference(first, contestants[-1].system.name if peers else teacher),
        created=date.today().isoformat(),
        efficiency=contest.efficiency(texts[0]),
        background=_background(names, pipelines),
    ).without_private_text()
    write_report(report, folder, json_name=json_name)
    return report


def _speed_reference(pipeline: Pipeline, name: str | None) -> str | None:
    return name if pipeline.recipe.evaluation.speed_repetitions else None


def finished_run(run_folder: Path, overrides: Sequence[str]) -> Pipeline:
    """Open a run whose export is valid.

    :raises NmtDistillError: if there is none
    """
    path = run_folder / "recipe.yaml"
    if not path.is_file():
        raise NmtDistillError(f"{run_folder} holds no run (no recipe.yaml); name run folders such as runs/quickstart.")
    pipeline = Pipeline(load_recipe(path, overrides), run_folder)
    if pipeline.export.stamp() is None:
        raise NmtDistillError(f"{run_folder} is not finished; run `nmt-distill run` on its recipe first.")
    return pipeline


def _run_names(pipelines: Sequence[Pipeline]) -> list[str]:
    """Name runs as their recipes do, or by their folders where two recipes have one name."""
    names = [pipeline.recipe.name for pipeline in pipelines]
    return names if len({*names}) == len(names) else [pipeline.run_folder.resolve().name for pipeline in pipelines]


def _refuse_twice(names: Sequence[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise NmtDistillError(
            f"two systems are called {twice[0]}; name each run once, in folders of different names, and give each "
            "--peer a name of its own."
        )


def _named(contestant: Contestant, name: str, pipeline: Pipeline, is_baseline: bool) -> Contestant:
    system = replace(
        contestant.system,
        name=_name(contestant, name),
        role="baseline" if is_baseline else "export",
        description=pipeline.recipe.description or contestant.system.description,
    )
    return replace(contestant, system=system)


def _name(contestant: Contestant, run: str) -> str:
    return f"{run} {contestant.system.name.removeprefix('student ')}"


def _background(names: Sequence[str], pipelines: Sequence[Pipeline]) -> Background:
    """How the students of all runs came about, and in what their recipes differ."""
    curves = [
        read_curves(run.student.run_folder / "metrics.jsonl", name) for name, run in zip(names, pipelines, strict=True)
    ]
    return Background(
        runs=tuple(names),
        curves=tuple(curve for own in curves for curve in own),
        corpus=read_corpus(pipelines[0].corpus.path / "corpus.json"),
        settings=differing_settings(
            [to_content(pipeline.recipe) for pipeline in pipelines],
            ignored=("name", "description", "reuse", "evaluation"),
        ),
    )


def _peer(text: str, directions: Sequence[Direction]) -> Contestant:
    name, separator, command = text.partition("=")
    if not separator or not name.strip() or not command.strip():
        raise NmtDistillError(f"--peer must be NAME=COMMAND, but is `{text}`.")
    return command_contestant(name.strip(), command, directions)
