"""The student stage: from a run's records, vocabulary and teacher to a trained student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nmt_distill.distillation.store import Records, Store
from nmt_distill.distillation.trimmed_store import TrimmedStore
from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.files import atomic_file
from nmt_distill.progress import say
from nmt_distill.run import TRAINING, Run
from nmt_distill.student.checkpoint import save_student, special_ids
from nmt_distill.student.graph import StudentModel, build_student, count_parameters
from nmt_distill.student.initialization import initialize_from
from nmt_distill.teacher.loading import vocabulary_fingerprint
from nmt_distill.training.trainer import Trainer
from nmt_distill.training.validation import UserPathValidation
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.trimming import IdMap


def train_student(run: Run) -> dict[str, Any]:
    """Train the student of a run and write its folder and ``metrics.jsonl``."""
    student, copied = _new_student(run)
    trainer = Trainer(
        student,
        _records(run, student.config.pad_token_id),
        run.recipe.training,
        folder=run.run_folder / TRAINING,
        temperature=run.recipe.distillation.temperature,
        validate=_validation(run),
    )
    progress = trainer.run()
    save_student(student.to("cpu"), run.sentencepiece_path, run.student.path)
    with atomic_file(run.run_folder / "metrics.jsonl", "wb") as stream:
        stream.write(trainer.folder.metrics.read_bytes())
    return {
        "num_parameters": count_parameters(student),
        "best_dev_chrf": progress.best_score,
        "num_copied_parameters": len(copied),
    }


def _new_student(run: Run) -> tuple[StudentModel, frozenset[str]]:
    torch.manual_seed(run.recipe.training.seed)
    student = build_student(run.recipe.student, special_ids(run.sentencepiece_path))
    if run.recipe.student.initialization == "random":
        return student, frozenset()
    return student, initialize_from(student, run.teacher.graph.student_parameters(), kept_ids=run.kept_ids())


def _records(run: Run, pad_id: int) -> Records:
    """Open the store, through the trimmed vocabulary where there is one."""
    store = Store(run.distilled.path)
    store.require(
        vocabulary=vocabulary_fingerprint(run.teacher_files.vocabulary),
        direction=str(run.direction),
        temperature=run.recipe.distillation.temperature,
    )
    kept_ids = run.kept_ids()
    if kept_ids is None:
        return store
    full, trimmed = map(load_sentencepiece, (run.teacher_files.vocabulary, run.sentencepiece_path))
    records = TrimmedStore(
        store,
        IdMap.of(kept_ids, full.vocab_size()),
        resegment=lambda ids: [*trimmed.encode(full.decode(list(ids)[:-1])), trimmed.eos_id()],
        pad_id=pad_id,
    )
    say(
        f"trimmed vocabulary: of {len(records):,} records {records.num_new_sources:,} have their source segmented "
        f"anew, {records.num_new_targets:,} their target, which makes them sequence level only"
    )
    return records


def _validation(run: Run) -> Callable[[StudentModel], float]:
    """Score a student by chrF of its export on the development text."""
    sources, references = run.held_out("dev", run.recipe.training.max_dev_sentences)

    def export(student_folder: Path, folder: Path) -> None:
        convert_student(
            student_folder,
            folder,
            precision="int8" if "int8" in run.recipe.export.precisions else "float32",
            direction=run.direction,
            name=run.recipe.name,
            beam_size=run.recipe.export.beam_size,
        )

    return UserPathValidation(
        sources,
        references,
        sentencepiece_path=run.sentencepiece_path,
        export=export,
        similarity=lambda translations, truth: corpus_chrf(translations, truth).value,
    )
