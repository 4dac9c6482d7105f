"""The student stage: from a run's records, vocabulary and teacher to a trained student."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.distillation.joined_records import JoinedRecords, Part
from nmt_distill.distillation.records import Records, StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.distillation.trimmed_store import TrimmedStore
from nmt_distill.evaluation.metrics import corpus_chrf
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.files import atomic_file, read_lines
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.stages.run import TENSORBOARD, TRAINING, Run
from nmt_distill.stages.sentence_student import (
    save_with_vectors,
    sentence_term,
    with_projection,
    with_retrieval,
    with_vectors,
)
from nmt_distill.stages.student_start import new_student
from nmt_distill.student.checkpoint import special_ids
from nmt_distill.student.graph import StudentModel, build_student, count_parameters
from nmt_distill.training.phase_faults import require_state_width
from nmt_distill.training.supervision import Supervision, require_one_vocabulary
from nmt_distill.training.trainer import Trainer
from nmt_distill.training.validation import UserPathValidation
from nmt_distill.vocabulary.shared import SharedVocabulary
from nmt_distill.vocabulary.trimming import IdMap


def train_student(run: Run) -> dict[str, Any]:
    """Train the student of a run and write its folder and ``metrics.jsonl``."""
    student, heir = new_student(run)
    records = _records(run, student.config.pad_token_id)
    run.ranks.call(run.student.fingerprint)
    trainer = _trainer(run, student, records)
    progress = trainer.run()
    run.ranks.leave()
    save_with_vectors(run, student.to("cpu"), run.student.path)
    with atomic_file(run.run_folder / "metrics.jsonl", "wb") as stream:
        stream.write(trainer.folder.metrics.read_bytes())
    return {
        "num_parameters": count_parameters(student),
        "best_dev_chrf": progress.best_score,
        **(heir.facts() if heir else {"num_copied_parameters": 0}),
    }


def train_along(run: Run) -> None:
    """Train the student of a run together with the main process, which has made all that is read here."""
    student = build_student(run.recipe.student, special_ids(run.sentencepiece_path))  # weights come from there
    _trainer(run, student, _records(run, student.config.pad_token_id)).run()
    run.ranks.leave()


def _trainer(run: Run, student: StudentModel, records: Records) -> Trainer:
    return Trainer(
        with_projection(run, student),
        with_vectors(run, records),
        run.recipe.training,
        folder=run.run_folder / TRAINING,
        temperature=run.recipe.distillation.temperature,
        validate=with_retrieval(run, _validation(run)),
        supervision=_supervision(run),
        ranks=run.ranks,
        events=run.run_folder / TENSORBOARD,
        sentence_term=sentence_term(run),
    )


def _records(run: Run, pad_id: int) -> Records:
    """Open the labels of all directions in the student's ids."""
    own = SharedVocabulary(run.sentencepiece_path)
    teachers = run.recipe.teachers
    first = teachers.get(run.directions[0])
    parts = [
        Part(
            _records_of(run, direction, own, pad_id),
            None if tag is None else own.processor.piece_to_id(tag),
            teachers.get(direction) == first,
        )
        for direction, tag in run.tags.items()
    ]
    return parts[0].records if len(parts) == 1 else JoinedRecords(parts, pad_id=pad_id)


def _records_of(run: Run, direction: Direction, own: SharedVocabulary, pad_id: int) -> Records:
    """Open the labels of a direction: a store, seen through the student's vocabulary, or text that is encoded now."""
    folder = run.labels(direction)
    vocabulary, first = SharedVocabulary.load(folder), SharedVocabulary.load(run.labels(run.directions[0]))
    if vocabulary is None or first is None:
        if run.recipe.teachers:
            say(f"{direction}: teacher and student share no ids, so it is learned at sequence level")
        return _encoded_text(run, direction, own)
    store = Store(folder)
    store.require(
        vocabulary=vocabulary.fingerprint,
        direction=str(direction),
        temperature=run.recipe.distillation.temperature,
        kept=run.recipe.distillation.kept,
        num_kept=run.recipe.distillation.num_kept if run.recipe.distillation.targets != "human" else 0,
    )
    if direction == run.directions[0]:  # labels may be older than the student's width
        phases, model_dim = run.recipe.training.phases, run.recipe.student.model_dim
        require_state_width(phases, model_dim=model_dim, state_dim=store.header.state_dim)
    kept_ids, is_first = run.kept_ids(), vocabulary.fingerprint == first.fingerprint
    if is_first and kept_ids is None:
        return store
    if is_first and kept_ids is not None:
        id_map = IdMap.of(kept_ids, vocabulary.num_ids)
    else:
        id_map = vocabulary.map_to(own)
    records = TrimmedStore(
        store,
        id_map,
        texts=_texts(run, direction),
        encode=own.encode,
        pad_id=pad_id,
        sources=None if is_first else _encoded_text(run, direction, own),
    )
    own_pieces = "the teacher's with new pieces" if run.recipe.vocabulary.size is None else "trimmed"
    say(f"{direction}, vocabulary {own_pieces if is_first else 'of another teacher'}: {records.describe()}")
    return records


def _texts(run: Run, direction: Direction) -> tuple[Iterator[str], Iterator[str]]:
    """Read sources and labels of a direction, a line for each record of its store."""
    sources, targets = run.distilled_text(direction)
    return read_lines(sources), read_lines(targets)


def _encoded_text(run: Run, direction: Direction, own: SharedVocabulary) -> Store:
    """Write the labels in the ids of the student's own vocabulary, where the teacher has none to share.

    The main process does; the others read what it has written.
    """
    folder = run.run_folder / TRAINING / "records" / str(direction)
    if not run.ranks.is_main:
        return Store(folder)
    header = StoreHeader(
        teacher="",
        vocabulary=own.fingerprint,
        direction=str(direction),
        temperature=run.recipe.distillation.temperature,
        num_kept=0,
        state_dim=0,
        vocab_size=own.num_ids,
    )
    pairs = zip(*_texts(run, direction), strict=True)
    num_records: list[int] = []
    while part := list(islice(pairs, run.recipe.distillation.shard_sentences)):
        sources, targets = (own.encode(side) for side in zip(*part, strict=True))
        write_shard(shard_path(folder, len(num_records)), header, sources, targets)
        num_records.append(len(part))
    write_header(folder, header, num_records)
    return Store(folder)


def _supervision(run: Run) -> Supervision | None:
    """Load the teachers that are run in the training step, those of all directions, where a phase wants them."""
    if not any(phase.runs_teacher for phase in run.recipe.training.phases):
        return None
    first = require_one_vocabulary({
        direction: SharedVocabulary.load(run.labels(direction)) for direction in run.directions
    })
    own, kept_ids = special_ids(run.sentencepiece_path), run.kept_ids()
    teacher_ids = np.full(own.vocab_size, -1, dtype=np.int64)
    known = first.teacher_ids if kept_ids is None else kept_ids
    teacher_ids[: len(known)] = known
    return Supervision(
        [run.online_teacher(direction) for direction in run.directions],
        teacher_ids.tolist(),
        has_tags=None not in run.tags.values(),
        end_id=own.end,
        unknown_id=own.unknown,
    )


def _validation(run: Run) -> Callable[[StudentModel], float]:
    """Score a student by the chrF of its export on the development text, the mean over directions."""
    limit = run.recipe.training.max_dev_sentences
    texts = {direction: run.held_out(direction, "dev", limit) for direction in run.directions}

    def export(student_folder: Path, folder: Path) -> None:
        convert_student(
            student_folder,
            folder,
            precision=run.recipe.export.ordered_precisions[-1],
            tags=run.tags,
            name=run.recipe.name,
            beam_size=run.recipe.export.beam_size,
        )

    return UserPathValidation(
        texts,
        sentencepiece_path=run.sentencepiece_path,
        export=export,
        similarity=lambda translations, truth: corpus_chrf(translations, truth).value,
    )
