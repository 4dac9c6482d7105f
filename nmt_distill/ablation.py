"""Rows of finished runs that differ in their seed alone, scored against one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

from nmt_distill.comparison import finished_run
from nmt_distill.configuration import to_content
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.ablation import Ablation, AblationSet, Row, check_baselines, score_rows
from nmt_distill.evaluation.ablation_page import write_ablation
from nmt_distill.evaluation.background import differing_settings
from nmt_distill.evaluation.speed import machine
from nmt_distill.evaluation.test_texts import TestText
from nmt_distill.progress import say
from nmt_distill.scoring.scoreboard import export_contestants, test_texts
from nmt_distill.stages.run import Run

Rows = dict[str, list[Run]]


def compare_rows(
    rows: Sequence[str],
    folder: Path,
    *,
    baselines: Sequence[str],
    overrides: Sequence[str],
    title: str,
    notes: Sequence[str] = (),
    command: str,
) -> Ablation:
    """Score rows of runs on the test sets of the first run, and write one report.

    :param rows: ``NAME=RUN,RUN,...``: runs of one corpus that differ in ``training.seed`` alone
    :param baselines: rows that later ones are compared with; none means the first
    :param overrides: ``--set`` values for the first run's recipe, such as ``evaluation.suites``
    :raises NmtDistillError: if a run is not finished, has another corpus, or a row has a seed twice
    """
    runs = _read_rows(rows, overrides)
    first = next(iter(runs.values()))[0]
    for run in (run for row in runs.values() for run in row):
        if run.corpus.fingerprint != first.corpus.fingerprint:
            raise NmtDistillError(
                f"{run.run_folder} was made from another corpus than {first.run_folder}; compare runs of one corpus."
            )
    names = tuple(baselines) or tuple(runs)[:1]
    check_baselines(names, runs)
    report = Ablation(
        title=title,
        rows=tuple(_row(name, row) for name, row in runs.items()),
        baselines=names,
        test_sets=tuple(_score(runs, text, names, first.recipe.evaluation.tokenizer) for text in test_texts(first)),
        machine=machine(),
        command=command,
        notes=(*notes, *_mixed(runs), *_teachers_references(first)),
        created=date.today().isoformat(),
    )
    write_ablation(report, folder)
    return report


def _read_rows(rows: Sequence[str], overrides: Sequence[str]) -> Rows:
    found: Rows = {}
    for text in rows:
        name, separator, folders = text.partition("=")
        if not separator or not name or not all(folders.split(",")):
            raise NmtDistillError(f"--row must be NAME=RUN,RUN,..., but is `{text}`.")
        if name in found:
            raise NmtDistillError(f"--row names `{name}` twice; give all its runs at once.")
        found[name] = [
            finished_run(Path(folder), () if found or index else overrides)
            for index, folder in enumerate(folders.split(","))
        ]
        seeds = [run.recipe.training.seed for run in found[name]]
        if len(set(seeds)) < len(seeds):
            raise NmtDistillError(f"the runs of row `{name}` have the seeds {seeds}; every run needs one of its own.")
    return found


def _mixed(rows: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    """Tell of rows whose runs do not differ in their seed alone, so that their spread is not that of seeds."""
    for name, runs in rows.items():
        found = differing_settings(
            [to_content(run.recipe) for run in runs], ignored=("name", "description", "reuse", "evaluation")
        )
        if keys := [setting.key for setting in found if setting.key != "training.seed"]:
            yield f"The runs of {name} differ in more than their seed: {', '.join(keys)}."


def _teachers_references(run: Run) -> Iterator[str]:
    """Tell of held-out text whose references are no people's."""
    if run.recipe.corpus.split.references == "teacher":
        yield (
            f"The references of held-out text are translations by the teacher of {run.run_folder.name}, with that "
            "run's settings: scores there say how well it is imitated, and favour rows that learn from the same labels."
        )


def _row(name: str, runs: Sequence[Run]) -> Row:
    stamps: list[dict[str, Any]] = [run.student.stamp() or {} for run in runs]
    return Row(
        name=name,
        description=runs[0].recipe.description,
        seeds=tuple(run.recipe.training.seed for run in runs),
        num_parameters=(stamps[0].get("result") or {}).get("num_parameters"),
        hours=fmean(stamp.get("timing", {}).get("seconds", 0.0) for stamp in stamps) / 3600,
    )


def _score(rows: Rows, test_set: TestText, baselines: Sequence[str], tokenizer: str) -> AblationSet:
    outputs: dict[str, dict[int, list[str]]] = {}
    for name, runs in rows.items():
        sentences = counted(len(test_set.sources), "sentence")
        say(f"{test_set.name}: {name} translates {sentences}, {counted(len(runs), 'time')}")
        outputs[name] = {}
        for run in runs:
            (export,) = export_contestants(run, last_alone=True)
            outputs[name][run.recipe.training.seed] = export.answer(test_set)
    return score_rows(
        outputs,
        test_set.references,
        name=test_set.name.removesuffix(f" {test_set.direction}"),  # the report names directions itself
        direction=test_set.direction,
        baselines=baselines,
        origin=test_set.origin,
        licence=test_set.licence,
        tokenizer=tokenizer,
    )
