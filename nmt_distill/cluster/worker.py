"""What labels in a process of the cluster."""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from nmt_distill.cluster.slots import Slot
from nmt_distill.distillation.forecast import Forecast
from nmt_distill.distillation.labelling import Labelling
from nmt_distill.distillation.source_text import Pair
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import remove_partials_below
from nmt_distill.languages import Direction
from nmt_distill.memory import keep_freed_memory
from nmt_distill.recipe import Recipe
from nmt_distill.stages.distilled import make_labelling, prepare_labelling, source_texts, write_references
from nmt_distill.stages.run import Run


class LabellingWorker:
    """What runs in a process of the cluster: it loads the teacher and labels the shards that it is given."""

    def __init__(
        self, recipe: Recipe, run_folder: Path, working_folder: Path, direction: Direction, slot: Slot
    ) -> None:
        self._recipe, self._run_folder, self._working_folder = recipe, run_folder, working_folder
        self._direction, self._slot = direction, slot
        self._made: list[int] = []

    def start(self) -> str:
        """Load the teacher; return where this runs.

        :raises NmtDistillError: if the folder of the run is not what the one who starts it sees
        """
        if not self._slot.num_gpus and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self._slot.cores(os.sched_getaffinity(0)))
        keep_freed_memory()
        where = f"{socket.gethostname()}, process {os.getpid()}"
        if self._working_folder.is_dir():
            os.chdir(self._working_folder)
        _ = self._run.teacher_files
        if not self._run.distilled.has_begun:
            raise NmtDistillError(
                f"{where} does not see this run in {self._run_folder.absolute()}, or another teacher; put the run "
                "folder and what the recipe names on a disk that all machines of the cluster see under the same path, "
                "and pin a model of the hub by teacher.revision."
            )
        _ = self._labelling
        return where

    @cached_property
    def _run(self) -> Run:
        return Run(self._recipe, self._run_folder, defaultdict(lambda: _made_elsewhere))

    @cached_property
    def _labelling(self) -> Labelling:
        return make_labelling(self._run, self._direction)

    def prepare(self) -> None:
        """Check the teacher, keep its vocabulary, and let it translate held-out text, where the recipe wants that."""
        prepare_labelling(self._run, self._direction)
        if self._run.recipe.corpus.split.references == "teacher":
            write_references(self._run, self._direction)
            del self._labelling  # its teacher is closed

    def forecast(self, num_workers: int) -> Forecast | None:
        """Measure on a sample what labelling will cost so many workers; None where that is not worth while.

        :raises NmtDistillError: if the disk has not room for the labels
        """
        folder = self._run.labels(self._direction)
        folder.mkdir(parents=True, exist_ok=True)
        remove_partials_below(folder)  # of a worker that was lost over its sample
        texts = source_texts(self._run, self._direction)
        return self._labelling.forecast(texts, folder, num_workers=num_workers)

    def label(self, index: int, part: Sequence[Pair]) -> tuple[int, bool]:
        """Make a shard that is not whole yet; return the number of its labels, and whether it was made now."""
        folder = self._run.labels(self._direction)
        known = self._labelling.known_labels(folder, index)
        if known is not None:
            return known, False
        num_labels = self._labelling.label_shard(folder, index, part, lambda _: None)
        self._made.append(index)
        return num_labels, True

    def close(self) -> None:
        """End the teacher."""
        self._labelling.close_teacher(self._run.labels(self._direction), self._made)

    def put_together(self, num_records: Sequence[int]) -> dict[str, Any]:
        """Write what stands beside the shards.

        :param num_records: labels of each shard
        """
        return self._labelling.put_together(self._run.labels(self._direction), num_records, direction=self._direction)


def _made_elsewhere(run: Run) -> dict[str, Any]:
    raise NotImplementedError(f"{run.run_folder}: no stage runs in a worker")
