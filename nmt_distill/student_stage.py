"""The student stage: from a run's records, vocabulary and teacher to a trained student."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from nmt_distill.distillation.store import Records, Store, StoreHeader, shard_path, write_header, write_shard
from nmt_distill.distillation.trimmed_store import TrimmedStore
from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.files import atomic_file, read_lines
from nmt_distill.progress import say
from nmt_distill.run import TRAINING, Run
from nmt_distill.student.checkpoint import save_student, special_ids
from nmt_distill.student.graph import StudentModel, build_student, count_parameters
from nmt_distill.student.initialization import initialize_from
from nmt_distill.teacher.marian.teacher import MarianTeacher
from nmt_distill.training.trainer import Trainer
from nmt_distill.training.validation import UserPathValidation
from nmt_distill.vocabulary.shared import SharedVocabulary
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
    assert isinstance(run.teacher, MarianTeacher)  # the recipe was checked for it
    return student, initialize_from(student, run.teacher.graph.student_parameters(), kept_ids=run.kept_ids())


def _records(run: Run, pad_id: int) -> Records:
    """Open the labels in the student's ids: the store, through a trimmed vocabulary, or text that is encoded now."""
    vocabulary = SharedVocabulary.load(run.distilled.path)
    if vocabulary is None:
        return _encoded_text(run)
    store = Store(run.distilled.path)
    store.require(
        vocabulary=vocabulary.fingerprint,
        direction=str(run.direction),
        temperature=run.recipe.distillation.temperature,
    )
    kept_ids = run.kept_ids()
    if kept_ids is None:
        return store
    own = SharedVocabulary(run.sentencepiece_path)
    records = TrimmedStore(
        store,
        IdMap.of(kept_ids, vocabulary.num_ids),
        resegment=lambda ids: own.encode([vocabulary.decode(ids)])[0],
        pad_id=pad_id,
    )
    say(
        f"trimmed vocabulary: of {len(records):,} records {records.num_new_sources:,} have their source segmented "
        f"anew, {records.num_new_targets:,} their target, which makes them sequence level only"
    )
    return records


def _encoded_text(run: Run) -> Store:
    """Write the labels in the ids of the student's own vocabulary, where the teacher has none to share."""
    own, folder = SharedVocabulary(run.sentencepiece_path), run.run_folder / TRAINING / "records"
    header = StoreHeader(
        teacher="",
        vocabulary=own.fingerprint,
        direction=str(run.direction),
        temperature=run.recipe.distillation.temperature,
        num_kept=0,
        state_dim=0,
        vocab_size=own.num_ids,
    )
    sides = [read_lines(run.distilled.path / f"distilled.{tag}") for tag in (run.recipe.source, run.recipe.target)]
    pairs = zip(*sides, strict=True)
    num_records: list[int] = []
    while part := list(islice(pairs, run.recipe.distillation.shard_sentences)):
        sources, targets = (own.encode(side) for side in zip(*part, strict=True))
        write_shard(shard_path(folder, len(num_records)), header, sources, targets)
        num_records.append(len(part))
    write_header(folder, header, num_records)
    return Store(folder)


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
