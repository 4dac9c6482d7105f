"""Trainings on a GPU: they learn, are what they are on the processor, and go on from checkpoints of either."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_distill.distillation.store import Store
from nmt_distill.embedding.config import EmbeddingConfig, TranslationEncoderConfig
from nmt_distill.embedding.projection import add_projection
from nmt_distill.embedding.records import RecordsWithVectors
from nmt_distill.embedding.term import SentenceTerm
from nmt_distill.embedding.vectors import VectorStore, write_vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.student.graph import StudentModel
from nmt_distill.teacher.marian.teacher import MarianTeacher
from nmt_distill.training.config import HiddenConfig
from nmt_distill.training.supervision import Supervision
from nmt_distill.training.trainer import Trainer
from tests.trainings import CONFIG, PHASE, InterruptedTrainingError, Make, closeness_to_3, rank_of, train, weights
from tests.transformers_teachers import load
from tests.unit.training.conftest import END, NUM_IDS

pytestmark = pytest.mark.gpu
PAIRS = (
    HiddenConfig(side="encoder", teacher_layer=1, student_layer=1, distance="cosine"),
    HiddenConfig(side="decoder", teacher_layer=0, student_layer=1, distance="mse", weight=2.0),
)
PHASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "states": {"state_weight": 1.0},
    "anchor": {"embedding_anchor": 1.0},
    "accumulated": {"num_accumulated": 3},
    "smoothed": {"label_smoothing": 0.1, "kd_share": 0.5, "divergence": "js"},
    "frozen embeddings": {"trainable": "layers"},
    "frozen encoder": {"trainable": "decoder_and_embeddings"},
    "all tokens sampled": {"num_sampled": NUM_IDS + 1},
    "moving weight": {"kd_weight": 1.0, "kd_weight_end": 0.0},
}
WITH_TEACHER: dict[str, dict[str, Any]] = {
    "hidden": {"hidden": PAIRS},
    "hidden alone": {"hidden": PAIRS, "vocabulary_weight": 0.0},
}
WITH_CHANCE: dict[str, dict[str, Any]] = {
    "num_sampled": {"num_sampled": 4},
    "on_policy": {"on_policy_share": 0.5},
    "on_policy alone": {"on_policy_share": 1.0, "hidden": PAIRS, "kd_weight": 1.0},
}
TERM = SentenceTerm(EmbeddingConfig(teacher=TranslationEncoderConfig()), has_tags=False)


def distance(found: dict[str, Tensor], expected: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """Tell how far weights are from others, as a share of the way that those came.

    Biases of keys, whose gradient is 0 but for rounding, are left out.
    """

    def length(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
        names = [name for name in other if not name.endswith("k_proj.bias")]
        return float(sum((one[name].cpu().double() - other[name].cpu().double()).square().sum() for name in names))

    return float((length(found, expected) / length(start, expected)) ** 0.5)


def assert_like_the_processor(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare logs, all but the speed and what a tie decides."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in one.keys() - {"timing", "chrf", "agreed"}:
            assert one[name] == pytest.approx(other[name], rel=2e-3, abs=1e-4), name


@pytest.mark.parametrize("graph", ["marian", "nllb"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_student_learns_fifty_pairs_by_heart(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, precision: Any, graph: str
) -> None:
    student = new_student(graph, seed=3)
    phase = replace(PHASE, num_steps=200, learning_rate=5e-3, warmup_steps=20, batch_tokens=400, kd_weight=1.0)
    config = replace(
        CONFIG, phases=(phase,), validate_every=1000, checkpoint_every=1000, device=device, precision=precision
    )
    trainer, log = train(student, toy_store, config, tmp_path)
    assert trainer.accelerator.device.type == device
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
    student.to("cpu").eval()
    assert rank_of(student, toy_store) > (0.99 if precision == "float32" else 0.97)
    assert log[-1]["kl"] < 0.5
    if graph == "marian":
        pad = student.config.pad_token_id
        assert not student.get_input_embeddings().weight[pad].any(), "the row of the padding must stay zero"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_interrupted_training_ends_where_it_would_have(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, precision: Any
) -> None:
    """With dropout, so with the GPU's random state; kernels may add in another order, hence not to the bit."""
    config = replace(CONFIG, device=device, precision=precision)
    whole = new_student(dropout=0.2, seed=3)
    start = weights(whole)
    _, expected = train(whole, toy_store, config, tmp_path / "whole", validate=closeness_to_3)
    scores: Iterator[Exception | None] = iter([None, InterruptedTrainingError(), None, None])

    def validate(student: StudentModel) -> float:
        if error := next(scores):
            raise error
        return closeness_to_3(student)

    with pytest.raises(InterruptedTrainingError):
        train(new_student(dropout=0.2, seed=3), toy_store, config, tmp_path / "parts", validate=validate)
    torch.rand(7, device=device)  # another process has drawn otherwise
    student = new_student(dropout=0.2)
    _, log = train(student, toy_store, config, tmp_path / "parts", validate=validate)
    assert student.device.type == device
    assert distance(weights(student), weights(whole), start) < 0.05
    assert [line["nll"] for line in log] == pytest.approx([line["nll"] for line in expected], rel=1e-3)
    other = new_student(dropout=0.2, seed=3)
    train(other, toy_store, replace(config, seed=2), tmp_path / "other", validate=closeness_to_3)
    assert distance(weights(other), weights(whole), start) > 0.1, "other dropout and order lead elsewhere"


@pytest.mark.parametrize("begins_on", ["cpu", "gpu"])
def test_checkpoints_go_on_on_another_device(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, begins_on: str
) -> None:
    whole = new_student(seed=3)
    start = weights(whole)
    train(whole, toy_store, CONFIG, tmp_path / "whole")
    places: tuple[Any, Any] = ("cpu", device) if begins_on == "cpu" else (device, "cpu")
    calls = iter(range(9))

    def stop(_: StudentModel) -> float:
        if next(calls) == 1:
            raise InterruptedTrainingError
        return 0.0

    with pytest.raises(InterruptedTrainingError):
        train(new_student(seed=3), toy_store, replace(CONFIG, device=places[0]), tmp_path / "parts", validate=stop)
    student = new_student()
    trainer, _ = train(student, toy_store, replace(CONFIG, device=places[1]), tmp_path / "parts")
    assert trainer.accelerator.device.type == places[1]
    assert distance(weights(student), weights(whole), start) < 0.05


@pytest.mark.parametrize("name", PHASES)
def test_phase_is_that_of_the_processor(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, name: str
) -> None:
    logs = []
    for number, place in enumerate(("cpu", device)):
        config = replace(CONFIG, phases=(replace(PHASE, **PHASES[name]),), device=place)
        logs.append(train(new_student(seed=3), toy_store, config, tmp_path / str(number))[1])
    assert_like_the_processor(logs[1], logs[0])


@pytest.fixture
def supervise(tiny_marian: Path, checkpoints: dict[str, Path]) -> Any:
    """Load a teacher of either kind on a device; its first ids are those of the toy task."""

    def make(kind: str, device: str) -> Supervision:
        if kind == "transformers":
            teacher: Any = load(checkpoints["marian"], device=device)
        else:
            direction = Direction(source="en", target="pt")
            paths = (tiny_marian / "model.bin", tiny_marian / "vocab.spm")
            teacher = MarianTeacher(*paths, direction=direction, origin="", licence="", device=device)
        return Supervision([teacher], [*range(NUM_IDS), -1], end_id=END, unknown_id=1)

    return make


@pytest.mark.parametrize("kind", ["marian", "transformers"])
@pytest.mark.parametrize("name", WITH_TEACHER)
def test_imitated_layers_are_those_of_the_processor(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, supervise: Any, kind: str, name: str
) -> None:
    """Narrower or wider than the student's, so through projections."""
    logs = []
    for number, place in enumerate(("cpu", device)):
        student = new_student(seed=3, model_dim=24)
        config = replace(CONFIG, phases=(replace(PHASE, **WITH_TEACHER[name]),), device=place)
        trainer, log = train(student, toy_store, config, tmp_path / str(number), supervision=supervise(kind, place))
        assert {each.device.type for each in trainer.objective.projections.parameters()} == {place}
        assert len(trainer.objective.projections) == 2
        logs.append(log)
    assert_like_the_processor(logs[1], logs[0])
    assert logs[1][-1]["hidden"] > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["marian", "transformers"])
@pytest.mark.parametrize("name", WITH_CHANCE)
def test_what_is_drawn_on_a_gpu_is_drawn_again(
    new_student: Make,
    toy_store: Store,
    tmp_path: Path,
    device: Any,
    supervise: Any,
    name: str,
    kind: str,
    precision: Any,
) -> None:
    logs = []
    for number in range(2):
        phase = replace(PHASE, num_steps=3, **WITH_CHANCE[name])
        config = replace(CONFIG, phases=(phase,), device=device, precision=precision)
        supervision = supervise(kind, device) if phase.runs_teacher else None
        student = new_student(seed=3, dropout=0.1)
        start = weights(student)
        logs.append(train(student, toy_store, config, tmp_path / str(number), supervision=supervision)[1])
        assert distance(start, weights(student), {name: 0 * value for name, value in start.items()}) > 0
    assert [line["nll"] for line in logs[1]] == pytest.approx([line["nll"] for line in logs[0]], rel=1e-3, abs=1e-6)
    assert sum(line["divergence"] for line in logs[0]) > 0
    if name == "on_policy alone":
        assert [line["sampled"] for line in logs[0]] == [1.0] * len(logs[0])


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_sentence_vectors_are_learned_as_on_the_processor(
    new_student: Make, toy_store: Store, tmp_path: Path, device: Any, weight: float
) -> None:
    """Beside a translation loss, and alone."""

    def embed(lines: Any) -> Any:
        return np.random.default_rng(3).standard_normal((len(lines), 5))

    write_vectors(tmp_path / "v", map(str, range(50)), embed, teacher="t", corpus="c", shard_sentences=50)
    records = RecordsWithVectors(toy_store, [VectorStore(tmp_path / "v")])
    logs = []
    for number, place in enumerate(("cpu", device)):
        student = new_student(seed=3)
        add_projection(student, 5, seed=1)
        phase = replace(PHASE, vocabulary_weight=weight, embedding_weight=1.0)
        config = replace(CONFIG, phases=(phase,), device=place)
        logs.append(train(student, records, config, tmp_path / str(number), sentence_term=TERM)[1])
    assert_like_the_processor(logs[1], logs[0])
    assert logs[1][-1]["embedding"] > 0


HAS_COMPILER = (
    bool(shutil.which("g++") and shutil.which("gcc")) and (Path(sysconfig.get_path("include")) / "Python.h").is_file()
)


@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler, or no header of Python")
def test_compiled_student_learns_the_same(new_student: Make, toy_store: Store, tmp_path: Path, gpu: Any) -> None:
    logs = []
    for compile in (False, True):
        config = replace(CONFIG, phases=(replace(PHASE, num_steps=3),), compile=compile, device=gpu)
        logs.append(train(new_student(seed=3), toy_store, config, tmp_path / str(compile))[1])
    assert_like_the_processor(logs[1], logs[0])


def test_gpu_without_memory_is_told_a_budget(new_student: Make, toy_store: Store, tmp_path: Path, gpu: Any) -> None:
    """48 MiB are left: the average of the weights has room, the logits of a batch have none."""
    phase = replace(PHASE, batch_tokens=3000, kd_weight=0.0)
    student = new_student(seed=3, num_ids=100_000)
    trainer = Trainer(student, toy_store, replace(CONFIG, phases=(phase,), device=gpu), folder=tmp_path)
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (48 << 20)) / total)
    told = (
        r"^memory ran out in phase 1, step 1, on a batch of up to 3,000 target positions; set training\.batch_parts=2, "
    )
    try:
        with pytest.raises(NmtDistillError, match=told):
            trainer.run()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
