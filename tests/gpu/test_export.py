"""A student trained on a GPU is validated, saved and exported as one that was trained on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import sentencepiece
import torch
from safetensors.torch import load_file

from nmt_distill.distillation.store import Store
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.parity import HeldOut, StudentAnswers
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import load_student, save_student
from nmt_distill.training.validation import UserPathValidation
from tests.trainings import CONFIG, PHASE, train, weights

pytestmark = pytest.mark.gpu
DIRECTION = Direction(source="en", target="pt-BR")


def convert(student: Path, folder: Path) -> None:
    convert_student(student, folder, precision="float32", tags={DIRECTION: None}, name="toy")


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    toy_store: Store,
    toy_student: Path,
    toy_sentencepiece: Path,
    toy_sentences: list[str],
    device: Any,
) -> Path:
    """A folder with `student` and `export` of a toy that has been trained and validated on the GPU.

    The toy task is in the first ids, which this student never says: its words stay apart as they were.
    """
    folder = tmp_path_factory.mktemp("trained")
    student, sources = load_student(toy_student), toy_sentences[:5]
    seen: list[Sequence[str]] = []

    def similarity(translations: Sequence[str], references: Sequence[str]) -> float:
        seen.append(translations)
        return float(len(seen))

    validation = UserPathValidation(
        {DIRECTION: (sources, sources)}, sentencepiece_path=toy_sentencepiece, export=convert, similarity=similarity
    )
    phase = replace(PHASE, num_steps=4, learning_rate=1e-4, kd_weight=0.0)
    train(student, toy_store, replace(CONFIG, phases=(phase,), device=device), folder / "log", validate=validation)
    assert len(seen) == 2
    assert all(map(any, seen))
    assert student.device.type == device
    before = weights(student)
    save_student(student, toy_sentencepiece, folder / "from-device")
    save_student(student.to("cpu"), toy_sentencepiece, folder / "student")
    saved = load_file(folder / "student" / "model.safetensors")
    for name, tensor in load_file(folder / "from-device" / "model.safetensors").items():
        assert torch.equal(tensor, saved[name]), name
        assert torch.equal(tensor, before[name].cpu()), name
    convert(folder / "student", folder / "export")
    return folder


def test_export_says_what_its_student_says(trained: Path, toy_sentences: list[str]) -> None:
    texts = [HeldOut(direction=DIRECTION, tag=None, sources=toy_sentences[:30], references=toy_sentences[:30])]
    parity = StudentAnswers(trained / "student", texts).compare(trained / "export")
    assert (parity.num_equal, parity.num_sentences) == (30, 30), parity.differences


def test_ctranslate2_says_the_same_on_a_gpu(
    gpu: str, trained: Path, toy_sentencepiece: Path, toy_sentences: list[str]
) -> None:
    if not ctranslate2.get_cuda_device_count():
        pytest.skip("ctranslate2 finds no CUDA device")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(toy_sentencepiece))
    rows = [[*processor.encode(sentence, out_type=str), "</s>"] for sentence in toy_sentences[:20]]
    found = []
    for place in ("cpu", gpu):
        try:
            engine = ctranslate2.Translator(str(trained / "export"), device=place, compute_type="float32")
            results = engine.translate_batch(rows, beam_size=1, max_decoding_length=20)
        except RuntimeError as error:
            if "Library" not in str(error):
                raise
            pytest.skip(f"ctranslate2 lacks a library of CUDA ({error})")
        found.append([result.hypotheses[0] for result in results])
    assert found[0] == found[1]
