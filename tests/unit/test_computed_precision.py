"""Models in a precision that the processor lacks: loaded without a warning, and told where it matters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import ctranslate2
import pytest

from nmt_distill.computed_precision import fallbacks_untold, falls_back
from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.export.parity import HeldOut, StudentAnswers
from nmt_distill.languages import Direction
from nmt_distill.scoring.contestants import export_contestant
from nmt_distill.translation.translator import Translator

DIRECTION = Direction(source="en", target="pt-BR")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory, toy_student: Path) -> Path:
    """An export in float16, with its encoder."""
    folder = tmp_path_factory.mktemp("half") / "float16"
    convert_student(toy_student, folder, precision="float16", tags={DIRECTION: None}, name="toy")
    write_encoder(toy_student, folder, precision="float16", name="toy")
    return folder


@pytest.fixture
def level() -> Iterator[int]:
    """The log level of CTranslate2, which is put back."""
    level = ctranslate2.get_log_level()
    yield level
    ctranslate2.set_log_level(level)


def test_whoever_loads_a_model_is_not_warned(half: Path, toy_student: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lacks = "float16" not in ctranslate2.get_supported_compute_types("cpu")
    computed = ctranslate2.Translator(str(half)).compute_type
    assert ("[ctranslate2]" in capfd.readouterr().err) == lacks
    translator = Translator(half, threads=2)
    SentenceEncoder(half / "encoder", threads=2)
    text = HeldOut(direction=DIRECTION, tag=None, sources=["Stop"], references=["Pare"])
    assert StudentAnswers(toy_student, [text]).compare(half).num_sentences == 1
    assert "[ctranslate2]" not in capfd.readouterr().err
    assert translator.engine.computed_in == computed


def test_reports_say_what_a_processor_takes(half: Path, toy_export: Path) -> None:
    whole, other = export_contestant("whole", toy_export), export_contestant("other", half)
    assert "this processor" not in whole.system.description
    computed = Translator(half).engine.computed_in
    told = f"CTranslate2 float16 export, as `nmt-distill translate` runs it; this processor computes it in {computed}"
    assert (other.system.description == told) == (computed != "float16")


def test_warnings_come_back_after_loading(level: int) -> None:
    ctranslate2.set_log_level(logging.WARNING)
    with pytest.raises(ValueError, match="damaged"), fallbacks_untold(), fallbacks_untold():
        assert ctranslate2.get_log_level() == logging.ERROR
        raise ValueError("damaged")
    assert ctranslate2.get_log_level() == logging.WARNING


def test_who_wants_to_know_more_is_told_all(level: int) -> None:
    ctranslate2.set_log_level(logging.INFO)
    with fallbacks_untold():
        assert ctranslate2.get_log_level() == logging.INFO


@pytest.mark.parametrize(
    ("precision", "computed", "lacks"),
    [
        ("float32", "float32", False),
        ("float16", "float32", True),
        ("int8", "int8_float32", False),
        ("int8", "int8_bfloat16", False),
        ("int8", "float32", True),
        ("int8_float16", "int8_float32", True),
    ],
)
def test_what_is_another_precision(precision: str, computed: str, lacks: bool) -> None:
    assert falls_back(precision, computed) == lacks
