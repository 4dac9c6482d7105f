"""Labelling the text of a run on a Ray cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from nmt_distill.cluster.crew import Crew, Task, one_line
from nmt_distill.cluster.slots import find_slots
from nmt_distill.counting import counted
from nmt_distill.distillation.labelling import tell
from nmt_distill.distillation.source_text import shard_texts
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.progress import job, say
from nmt_distill.stages.distilled import say_which, source_texts
from nmt_distill.stages.run import Run
from nmt_distill.teacher.place import settings_at


def load_ray() -> Any:
    """Import the library.

    :raises NmtDistillError: if it is not installed
    """
    try:
        import ray.util.scheduling_strategies
    except ImportError:
        raise NmtDistillError(
            "--ray needs the library ray on every machine of the cluster; install it with "
            "pip install 'nmt-distill[ray]'."
        ) from None
    return ray


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine."""
    ray = load_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise NmtDistillError(
            f"no Ray cluster lets this process in at {address} ({one_line(error)}); give the address that `ray start` "
            "told, set RAY_AUTH_MODE=token where the cluster asks for a token, or give no address to use this machine."
        ) from None
    try:
        with redirect_stdout(sys.stderr):  # Ray tells of lost workers where only results belong
            yield ray
    finally:
        ray.shutdown()


def label_on_cluster(run: Run, *, address: str | None = None, cpus_per_worker: int | None = None) -> dict[str, Any]:
    """Label the text of a run on a Ray cluster; see :func:`nmt_distill.stages.distilled.label_corpus`.

    :param address: of the cluster; None takes the one that runs on this machine, or starts one on it alone
    :param cpus_per_worker: processor cores of a worker; None gives it its share of the machine
    """
    with _connected(address) as ray:
        uses_gpus = run.recipe.training.device != "cpu"
        slots = find_slots(ray.nodes(), cpus_per_worker=cpus_per_worker, uses_gpus=uses_gpus)
        if not slots:
            raise NmtDistillError("the Ray cluster has no machine with processor cores to work on; see `ray status`.")
        power = "a GPU" if slots[0].num_gpus else "processor cores"
        say(f"labelling on Ray, {counted(len(slots), 'worker')} with {power} each")
        summaries = {}
        for direction in run.directions:
            crew = Crew(ray, (run.recipe, run.run_folder, Path.cwd(), direction), slots)
            try:
                with settings_at(run.recipe.teacher_places[direction]):
                    summaries[str(direction)] = _label_direction(crew, run, direction)
            finally:
                crew.dismiss()  # the teacher of the next direction wants the same devices
        return summaries


def _label_direction(crew: Crew, run: Run, direction: Direction) -> dict[str, Any]:
    say_which(run, direction)
    crew.hire()
    _ask(crew, Task("the check of the teacher", "prepare"))
    if expected := _ask(crew, Task("the forecast", "forecast", (len(crew.slots),))):
        say(str(expected))
    texts, shard_sentences = source_texts(run, direction), run.recipe.distillation.shard_sentences
    total = sum(map(len, shard_texts(texts, shard_sentences)))
    parts = enumerate(shard_texts(texts, shard_sentences))
    tasks = (Task(f"shard {index}", "label", (index, part)) for index, part in parts)
    num_records: dict[int, int] = {}
    with job("distilling", total=total) as running:
        for task, (num_labels, is_new) in crew.do(tasks):
            index, part = task.arguments
            num_records[index] = num_labels
            (running.advance if is_new else running.skip)(len(part))
    crew.close()
    in_order = [num_records[index] for index in range(len(num_records))]
    summary = _ask(crew, Task("the last files", "put_together", (in_order,)))
    tell(summary, run.recipe.distillation)
    return dict(summary)


def _ask(crew: Crew, task: Task) -> Any:
    """Let one worker do one thing."""
    ((_, result),) = crew.do([task])
    return result
