from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MarianMTModel

from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.parity import HeldOut, Parity, StudentAnswers
from nmt_distill.languages import Direction
from nmt_distill.translation.engine import END, Wish
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

DIRECTION = Direction(source="en", target="pt-BR")


def held_out(sources: list[str], references: list[str] | None = None) -> list[HeldOut]:
    return [HeldOut(direction=DIRECTION, tag=None, sources=sources, references=references or sources)]


def convert(student: Path, folder: Path, precision: str = "float32", **options: Any) -> Path:
    convert_student(student, folder, precision=precision, tags={DIRECTION: None}, name="toy", **options)
    return folder


def disturbed(student: Path, folder: Path) -> Path:
    """Copy a student with other weights in its decoder."""
    shutil.copytree(student, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.decoder.layers.0.fc2.weight"] += 3 * torch.randn(tensors["model.decoder.layers.0.fc2.weight"].shape)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_export_says_what_its_student_says(student_folder: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    folder = convert(student_folder, tmp_path / "float32")
    sentences = [*toy_sentences[:30], "🙂", "</s> <pad> <unk> >>pt<<"]
    answers = StudentAnswers(student_folder, held_out(sentences))
    parity = answers.compare(folder)
    assert parity == Parity(num_sentences=32, num_equal=32, differences=())
    assert parity.share == 1.0
    assert parity.content() == {"num_sentences": 32, "num_equal": 32, "differences": []}


def test_beams_say_the_same(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    answers = StudentAnswers(toy_student, held_out(toy_sentences[:12]))
    parity = answers.compare(convert(toy_student, tmp_path / "float32"), beam_size=3)
    assert parity.num_equal == parity.num_sentences == 12
    assert answers.pieces(3) != answers.pieces(1), "the beam changes something"


def test_scores_are_those_of_the_engine_that_people_have(
    toy_student: Path, tmp_path: Path, toy_sentences: list[str]
) -> None:
    """References are what the export says of whole sentences, so that it has 100 points."""
    folder = convert(toy_student, tmp_path / "float32")
    engine = Translator(folder).engine
    rows = [[*tokens, END] for tokens in engine.pieces.encode(toy_sentences[:20])]
    found = engine.search(rows, beam_size=1, wish=Wish())
    references = engine.pieces.decode([best.tokens for best, *_ in found])
    answers = StudentAnswers(toy_student, held_out(toy_sentences[:20], references))
    (drop,) = answers.drops(Translator(folder))
    assert drop.direction == DIRECTION
    assert drop.export.bleu.value == pytest.approx(100)
    assert 0 < drop.student.chrf.value <= 100, "a toy never ends, and `translate` cuts it sooner"
    other = convert(disturbed(toy_student, tmp_path / "student"), tmp_path / "other")
    (lost,) = answers.drops(Translator(other))
    assert lost.student == drop.student
    assert lost.bleu > drop.bleu
    assert lost.chrf == pytest.approx(drop.student.chrf.value - lost.export.chrf.value)
    assert lost.export.chrf.value < 100


def test_what_translate_never_says_is_not_expected_of_an_export(
    toy_student: Path, tmp_path: Path, toy_sentences: list[str]
) -> None:
    """A student of people's translations may have learned ``<unk>``, which ``translate`` rules out."""
    student = tmp_path / "student"
    shutil.copytree(toy_student, student)
    model = MarianMTModel.from_pretrained(student)
    model.final_logits_bias[0, load_sentencepiece(student / "source.spm").unk_id()] = 1e4
    model.save_pretrained(student)
    answers = StudentAnswers(student, held_out(toy_sentences[:8]))
    other = StudentAnswers(toy_student, held_out(toy_sentences[:8]))
    assert {piece for pieces in answers.pieces(1) for piece in pieces} == {"<unk>"}
    assert answers.pieces(1, may_be_unknown=False) == other.pieces(1)
    assert other.pieces(1, may_be_unknown=False) == other.pieces(1)
    found = answers.drops(Translator(convert(student, tmp_path / "export")))
    assert found == other.drops(Translator(convert(toy_student, tmp_path / "other")))


def test_other_weights_are_noticed(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    folder = convert(toy_student, tmp_path / "float32")
    other = disturbed(toy_student, tmp_path / "other")
    parity = StudentAnswers(other, held_out(toy_sentences[:20])).compare(folder)
    assert parity.num_equal < 20
    assert parity.share == parity.num_equal / 20
    assert len(parity.differences) == min(5, 20 - parity.num_equal)
    first = parity.differences[0]
    assert first["source"] in toy_sentences
    assert first["transformers"] != first["ctranslate2"]


def test_sentences_that_do_not_fit_are_left_out(toy_student: Path, tmp_path: Path) -> None:
    folder = convert(toy_student, tmp_path / "float32")
    sentences, references = ["open the door", "open the door " * 40, "stop"], ["a", "b", "c"]
    answers = StudentAnswers(toy_student, held_out(sentences, references))
    assert answers.sources == ["open the door", "stop"]
    assert answers.texts[0].references == ["a", "c"]
    assert answers.compare(folder).num_sentences == 2


@pytest.mark.parametrize(("num_equal", "num_sentences", "share"), [(0, 0, 1.0), (1, 4, 0.25)])
def test_share(num_equal: int, num_sentences: int, share: float) -> None:
    assert Parity(num_sentences=num_sentences, num_equal=num_equal, differences=()).share == share
