"""The term of sentence vectors in the objective: what it is, and that batches, padding and tags don't matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.distillation.records import Record
from nmt_distill.embedding.config import EmbeddingConfig, TranslationEncoderConfig
from nmt_distill.embedding.projection import add_projection, detached_projection
from nmt_distill.embedding.records import RecordsWithVectors
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.embedding.vectors import VectorStore, write_vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, StudentModel, build_student
from nmt_distill.training.batches import collate, collate_samples
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.objective import LOGGED, Objective

CONFIG = EmbeddingConfig(teacher=TranslationEncoderConfig())
PHASE = PhaseConfig(num_steps=1, learning_rate=1.0, vocabulary_weight=0.0, embedding_weight=2.0)
TAG, END = 11, 0


@pytest.fixture(params=["marian", "nllb"])
def student(request: pytest.FixtureRequest) -> StudentModel:
    pad = 12 if request.param == "marian" else 1
    config = StudentConfig(
        graph=request.param,
        model_dim=16,
        ffn_inner_dim=32,
        num_heads=2,
        num_encoder_layers=1,
        num_decoder_layers=1,
        max_positions=32,
        dropout=0.0,
    )
    special = SpecialIds(end=END, unknown=2, pad=pad, vocab_size=13 if pad == 12 else 12)
    return build_student(config, special).eval()


def records(number: int, dim: int = 16) -> list[Record]:
    generator = np.random.default_rng()
    made = []
    for _ in range(number):
        source, target = (np.append(generator.integers(3, 11, generator.integers(1, 6)), END) for _ in range(2))
        vector = generator.standard_normal(dim).astype(np.float16)
        made.append(Record(source, target, None, None, None, None, vector=vector))
    return made


def loss(student: StudentModel, made: list[Record], config: EmbeddingConfig = CONFIG, **options: Any) -> float:
    phase = replace(PHASE, **options)
    term = SentenceTerm(config, has_tags=made[0].source_ids[0] == TAG)
    objective = Objective(student, temperature=1.0, sentence_term=term)
    ids = student.config
    batch = collate(made, pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id)
    total, sums = objective(batch, phase)
    if phase.is_embedding_alone:
        assert total.item() == pytest.approx(phase.embedding_weight * float(sums[LOGGED.index("embedding")]), rel=1e-5)
    return float(total.detach())


def pooled(student: StudentModel, ids: Any) -> Any:
    with torch.no_grad():
        states = student.get_encoder()(input_ids=torch.tensor([ids.tolist()])).last_hidden_state
    return states[0].mean(dim=0).numpy()


def test_value_by_hand(student: StudentModel) -> None:
    made = records(5)
    expected = 0.0
    for record in made:
        assert record.vector is not None
        for ids in (record.source_ids, record.target_ids):
            difference = pooled(student, ids) - record.vector.astype(np.float32)
            expected += len(record.target_ids) * float((difference**2).mean())
    assert loss(student, made) == pytest.approx(2 * expected, rel=1e-4)


def test_splitting_a_batch_changes_nothing(student: StudentModel) -> None:
    made = records(6)
    assert loss(student, made) == pytest.approx(loss(student, made[:2]) + loss(student, made[2:]), rel=1e-5)


def test_tag_changes_no_vector(student: StudentModel) -> None:
    made = records(4)
    tagged = [replace(record, source_ids=np.append(TAG, record.source_ids)) for record in made]
    assert loss(student, tagged) == pytest.approx(loss(student, made), rel=1e-5)


@pytest.mark.parametrize(
    "other",
    [{"distance": "cosine"}, {"distance_weight": 3.0}, {"on_translations": False}, {"contrastive_weight": 0.5}],
)
def test_every_setting_changes_the_loss(student: StudentModel, other: dict[str, Any]) -> None:
    made = records(4)
    assert loss(student, made, replace(CONFIG, **other)) != pytest.approx(loss(student, made), rel=1e-3)


@pytest.mark.parametrize("other", [{"contrastive_margin": 0.0}, {"contrastive_scale": 1.0}])
def test_every_setting_of_the_contrast_changes_it(student: StudentModel, other: dict[str, Any]) -> None:
    made, config = records(4), replace(CONFIG, contrastive_weight=1.0, distance_weight=0.0)
    assert loss(student, made, replace(config, **other)) != pytest.approx(loss(student, made, config), rel=1e-3)


def test_it_adds_to_the_translation_loss(student: StudentModel) -> None:
    made = records(4)
    likelihood = loss(student, made, vocabulary_weight=1.0, kd_weight=0.0, embedding_weight=0.0)
    both = loss(student, made, vocabulary_weight=1.0, kd_weight=0.0)
    assert both == pytest.approx(likelihood + loss(student, made), rel=1e-5)


def test_of_what_the_student_sampled_sources_alone_are_compared(student: StudentModel) -> None:
    made = records(4)
    config = replace(CONFIG, contrastive_weight=0.5)
    sampled = collate_samples(
        made,
        [record.target_ids for record in made],
        pad_id=student.config.pad_token_id,
        start_id=student.config.decoder_start_token_id,
    )
    teacher: Any = SimpleNamespace(read=lambda batch, temperature: None)  # the phase compares no probabilities
    term = SentenceTerm(config, has_tags=False)
    objective = Objective(student, temperature=1.0, sentence_term=term, supervision=teacher)
    total = float(objective(sampled, PHASE)[0].detach())
    assert total == pytest.approx(loss(student, made, replace(CONFIG, on_translations=False)), rel=1e-5)


def test_decoder_gets_no_gradient_where_vectors_are_all(student: StudentModel) -> None:
    made = records(3)
    objective = Objective(student, temperature=1.0, sentence_term=SentenceTerm(CONFIG, has_tags=False))
    ids = student.config
    objective(collate(made, pad_id=ids.pad_token_id, start_id=ids.decoder_start_token_id), PHASE)[0].backward()
    assert all(parameter.grad is None for parameter in student.model.decoder.layers.parameters())
    assert all(parameter.grad is not None for parameter in student.model.encoder.layers.parameters())


def test_projection_gives_vectors_of_the_teachers_width(student: StudentModel) -> None:
    made = records(3, dim=5)
    add_projection(student, 5, seed=1)
    with detached_projection(student) as matrix:
        assert not hasattr(student, "sentence_projection")
        assert matrix is not None
        expected = 0.0
        for record in made:
            assert record.vector is not None
            for ids in (record.source_ids, record.target_ids):
                difference = pooled(student, ids) @ matrix[:-1] + matrix[-1] - record.vector.astype(np.float32)
                expected += len(record.target_ids) * float((difference**2).mean())
    assert matrix.shape == (17, 5)
    assert loss(student, made) == pytest.approx(2 * expected, rel=1e-4)
    add_projection(student, 5, seed=2, weights=matrix)
    with detached_projection(student) as again:
        assert again is not None
        assert np.array_equal(again, matrix)


def test_records_without_vectors_are_a_mistake_of_the_caller(student: StudentModel) -> None:
    with pytest.raises(ValueError, match="no sentence vectors"):
        loss(student, [replace(record, vector=None) for record in records(2)])


class FiftyRecords:
    """Stands for a store of two directions."""

    folder, header, group_sizes = Path("store"), None, (30, 20)

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> Record:
        return Record(np.array([index]), np.array([END]), None, None, None, None)

    def lengths(self) -> Any:
        raise NotImplementedError


def store_of(folder: Path, numbers: range) -> VectorStore:
    """Write vectors that say which line they belong to."""

    def embed(lines: Any) -> Any:
        return np.array([[int(line), 1] for line in lines])

    write_vectors(folder, map(str, numbers), embed, teacher="t", corpus="c", shard_sentences=8)
    return VectorStore(folder)


def test_each_record_has_the_vector_of_its_line(tmp_path: Path) -> None:
    parts = [store_of(tmp_path / "one", range(30)), store_of(tmp_path / "two", range(100, 120))]
    both = RecordsWithVectors(FiftyRecords(), parts)  # type: ignore[arg-type]
    found = [(both[place].source_ids.tolist(), both[place].vector) for place in (0, 29, 30, 49)]
    assert [ids for ids, _ in found] == [[0], [29], [30], [49]]
    assert [vector.tolist() for _, vector in found if vector is not None] == [[0, 1], [29, 1], [100, 1], [119, 1]]


def test_another_number_of_vectors_is_refused(tmp_path: Path) -> None:
    parts = [store_of(tmp_path / "one", range(30)), store_of(tmp_path / "two", range(100, 110))]
    with pytest.raises(NmtDistillError, match=r"holds 10 vectors, but the corpus has 20 records"):
        RecordsWithVectors(FiftyRecords(), parts)  # type: ignore[arg-type]
