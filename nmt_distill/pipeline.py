"""The whole: from a recipe to a scored export, one function a stage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nmt_distill import __version__
from nmt_distill.configuration import to_content, write_yaml
from nmt_distill.corpus.prepare import prepare_corpus
from nmt_distill.errors import NmtDistillError, QualityBoundError, RecipeError
from nmt_distill.files import read_json, remove_partials, remove_partials_below
from nmt_distill.lock import locked
from nmt_distill.memory import keep_freed_memory
from nmt_distill.progress import say
from nmt_distill.ranks import Ranks
from nmt_distill.recipe import RECIPE_NAME, Recipe
from nmt_distill.stages.recipe_files import (
    source_file_faults,
    student_file_faults,
    suite_file_faults,
    teacher_file_faults,
)
from nmt_distill.stages.run import Run, Work
from nmt_distill.stages.stage import STAMPS, Stage, run_stages

LOCK = ".lock"
"""file in a run that is locked while a process works there"""


class Pipeline(Run):
    """The stages of one recipe in one run folder, and what makes them."""

    def __init__(
        self,
        recipe: Recipe,
        run_folder: Path,
        *,
        force: bool = False,
        label: Work | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        """Find out what is valid; nothing is computed or fetched yet.

        :param force: whether the export is made again, whatever stands there
        :param label: what labels the corpus in the place of this process, such as a cluster
        :param ranks: the processes that train the student; only the main one may :meth:`run` the stages
        """
        work = {
            "corpus": _corpus,
            "distilled": label or _distilled,
            "vectors": _vectors,
            "vocabulary": _vocabulary,
            "student": _student,
            "export": _export,
            "scores": _scores,
        }
        super().__init__(recipe, run_folder, work, force=force, ranks=ranks)

    def plan(self) -> list[str]:
        """One line a stage: what is valid, what runs."""
        return [f"{self.recipe.name}, in {self.run_folder}:", *(stage.describe() for stage in self.stages)]

    def check_files(self, last: str = "scores") -> None:
        """Tell of every file of this machine that the stages up to one will want, and that is not there.

        :raises RecipeError: names the keys of all of them
        """
        missing = [stage for stage in self._up_to(last) if stage.stamp() is None]
        faults: list[str] = []
        if self.corpus in missing:
            faults += source_file_faults(self.recipe)
        if any(stage is not self.corpus for stage in missing):
            faults += teacher_file_faults(self.recipe)
        if self.student in missing:
            faults += student_file_faults(self.recipe)
        if self.scores in missing:
            faults += suite_file_faults(self.recipe)
        if faults:
            raise RecipeError(f"The recipe {self.recipe.name}", faults)

    def _up_to(self, last: str) -> list[Stage]:
        return self.stages[: [stage.name for stage in self.stages].index(last) + 1]

    def run(self, last: str = "scores") -> None:
        """Make everything up to a stage that is not valid yet.

        :raises RecipeError: as :meth:`check_files` does
        """
        keep_freed_memory()
        self.ranks.join()
        try:
            self.check_files(last)
            if self.recipe.reuse and not any(stage.reused for stage in self.stages):
                valid = self.distilled.stamp() is not None
                if not valid:
                    say(f"nothing of the run {self.recipe.reuse} fits this recipe, so all stages are made here")
            with self._own_folder():
                self._run(last)
        finally:
            with contextlib.suppress(NmtDistillError):  # who is gone need not be sent home
                self.ranks.call(None)

    def train_along(self, called_for: str) -> None:
        """Be one of the processes that only train, once the main one has made all that is read and calls.

        :param called_for: fingerprint of the student that the main process trains
        :raises NmtDistillError: if this process would train another one
        """
        from nmt_distill.stages.student import train_along

        if self.student.fingerprint != called_for:
            raise NmtDistillError(
                f"{self.run_folder} holds another run here than for the main process; give every process the same "
                "recipe, files and run folder, on a disk that all of them see."
            )
        keep_freed_memory()
        train_along(self)

    def check_bounds(self, *, allow_drop: bool = False) -> None:
        """Warn of an export that misses what the recipe promises.

        :param allow_drop: whether that is all
        :raises QualityBoundError: if it misses something, and that is not allowed
        """
        stamp = self.export.stamp()
        missed = self.recipe.export.missed_bounds(stamp["result"]) if stamp else []
        if missed and not allow_drop:
            raise QualityBoundError(f"{'; '.join(missed)}; the export is made, and --allow-drop accepts it.")
        for sentence in missed:
            say(f"allowed by --allow-drop: {sentence}")

    def label_share(self, num_shards: int, shard_idx: int) -> None:
        """Do one of several processes' share of labelling; they may run side by side, on machines that share the disk.

        :raises NmtDistillError: if the corpus is not made yet, or another process works in the folder
        """
        keep_freed_memory()
        from nmt_distill.distillation.source_text import Share
        from nmt_distill.stages.distilled import label_share

        if self.corpus.stamp() is None:
            raise NmtDistillError(f"{self.run_folder} has no valid corpus yet; run `prepare-data` on the recipe first.")
        if self.distilled.stamp() is not None:
            return
        self._say_licences()
        _ = self.teacher_files  # before labelling has begun, since they decide about what began
        with self._own_folder(shared=True):
            with locked(self.run_folder / f"{LOCK}-begin", wait=True):
                self.distilled.begin()
            label_share(self, Share(num_shards, shard_idx))

    @contextlib.contextmanager
    def _own_folder(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other processes out of the run folder; those that label a share each let each other in."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        with locked(self.run_folder / LOCK, shared=shared) as is_ours:
            if not is_ours:
                raise NmtDistillError(
                    f"another nmt-distill works in {self.run_folder}; wait for it, or name another folder with --out."
                )
            yield

    def _run(self, last: str) -> None:
        self._clear_up()
        write_yaml(self.run_folder / RECIPE_NAME, to_content(self.recipe))
        wanted = self._up_to(last)
        if self.student in wanted and self.student.stamp() is None:
            from nmt_distill.training.requirements import require_machine

            require_machine(self.recipe.training)
        teacher_needed = any(stage.stamp() is None for stage in wanted if stage is not self.corpus)
        self._require_held_out(wanted)
        if teacher_needed:
            self._say_licences()
            _ = self.teacher_files  # what is missing is told now, not after the corpus is made
        run_stages(wanted)

    def _require_held_out(self, wanted: Sequence[Stage]) -> None:
        """Tell before a long labelling that a stage will have no text to judge by.

        :raises NmtDistillError: if a stage that is to be made needs held-out text, and the recipe holds none out
        """
        split = self.recipe.corpus.split
        for stage, key, number in ((self.student, "num_dev", split.num_dev), (self.export, "num_test", split.num_test)):
            if number == 0 and stage in wanted and stage.stamp() is None:
                raise NmtDistillError(
                    f"`corpus.split.{key}` must be 1 or more for the stage {stage.name}, but is 0 instead: it is "
                    "judged on held-out text, of which some hundred sentences suffice; without pairs set "
                    "`corpus.split.references` to teacher."
                )

    def _say_licences(self) -> None:
        """Tell whose teachers these are and what their licences say."""
        for told in dict.fromkeys((teacher.origin, teacher.licence) for teacher in self.recipe.teachers.values()):
            say("teacher: {}; licence: {}".format(*told))
        if (reverse := self.recipe.distillation.filters.reverse) and reverse.teacher:
            say(f"reverse teacher: {reverse.teacher.origin}; licence: {reverse.teacher.licence}")

    def _clear_up(self) -> None:
        """Remove files that a killed run was writing."""
        if not (self.run_folder / STAMPS).is_dir():
            return  # no run was here
        names = {name for stage in self.stages for name in (*stage.artefacts, *stage.scratch)}
        for path in (self.run_folder / name for name in (*names, RECIPE_NAME, STAMPS)):
            remove_partials(path)
            if path.is_dir():
                remove_partials_below(path)


# Each stage imports what it needs when it runs, so that `--plan` and the verbs before it load no torch.


def _corpus(run: Run) -> dict[str, Any]:
    report = prepare_corpus(run.recipe.corpus, directions=run.directions, folder=run.corpus.path)
    return {"sizes": {direction: account["sizes"] for direction, account in report["directions"].items()}}


def _distilled(run: Run) -> dict[str, Any]:
    from nmt_distill.stages.distilled import label_corpus

    return label_corpus(run)


def _vectors(run: Run) -> dict[str, Any]:
    from nmt_distill.stages.vectors import embed_corpus

    return embed_corpus(run)


def _vocabulary(run: Run) -> dict[str, Any]:
    from nmt_distill.stages.vocabulary import make_vocabulary

    return make_vocabulary(run)


def _student(run: Run) -> dict[str, Any]:
    from nmt_distill.stages.student import train_student

    return train_student(run)


def _export(run: Run) -> dict[str, Any]:
    from nmt_distill.export.model_card import Origin
    from nmt_distill.export.release import Text, export_student
    from nmt_distill.stages.vectors import embedding_origin

    share = -(-run.recipe.export.num_parity_sentences // len(run.directions))  # as many of all together as wanted
    texts = {
        direction: Text(held_out=run.held_out(direction, "test", share), distilled=run.distilled_text(direction))
        for direction in run.directions
    }
    return export_student(
        run.student.path,
        run.export.path,
        config=run.recipe.export,
        tags=run.tags,
        name=run.recipe.name,
        teachers=[Origin(teacher.origin, teacher.licence) for teacher in run.recipe.teachers.values()],
        corpus=read_json(run.corpus.path / "corpus.json"),
        texts=texts,
        making=_making(run.recipe),
        vectors_of=None if run.recipe.embedding is None else Origin(*embedding_origin(run)),
    )


def _making(recipe: Recipe) -> list[str]:
    """Say how the student is made, a sentence each."""
    labels, student, phases = recipe.distillation, recipe.student, recipe.training.phases
    sentences = [f"By `nmt-distill run {recipe.name}`, nmt-distill {__version__}; the recipe lies in the run's folder."]
    soft = f"; {labels.num_kept} soft targets a token ({labels.kept})" if labels.num_kept else ""
    if labels.targets == "human":
        sentences.append("Labels: people's translations; no teacher's are among them.")
    elif labels.targets == "forced":
        sentences.append(f"Labels: people's translations, as the teacher reads them{soft}.")
    else:
        which = "the teacher's translation of each sentence"
        if labels.num_candidates > 1:
            which = f"{labels.num_labels} of {labels.num_candidates} translations of each sentence by the teacher"
            which += f", chosen by {labels.choose_by}"
        sentences.append(f"Labels: {which}, found with a beam of {labels.beam_size}{soft}.")
    start = {
        "teacher": "layers and embeddings of its teacher",
        "embeddings": "the embeddings of its teacher",
        "random": "random weights",
    }
    sentences.append(f"Student: the {student.graph} graph, started from {start[student.initialization]}.")
    steps = ", ".join(f"{phase.num_steps:,} updates" for phase in phases)
    return [*sentences, f"Training: {len(phases)} phases, {steps}." if len(phases) > 1 else f"Training: {steps}."]


def _scores(run: Run) -> dict[str, Any]:
    from nmt_distill.scoring.scoreboard import score_run

    return score_run(run)
