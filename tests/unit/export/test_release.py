from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.student_vectors import SentenceVectors, write_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import ExportConfig, VocabularyMapConfig
from nmt_distill.export.model_card import Origin
from nmt_distill.export.release import Text, export_student
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import count_parameters
from nmt_distill.translation.model_folder import verify_checksums

DIRECTION = Direction(source="en", target="pt-BR")

Export = Callable[..., dict[str, Any]]


@pytest.fixture
def export(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> Export:
    """Export the toy student to ``export/``; keywords change the settings."""

    def export(
        student: Path = toy_student, *, force: bool = False, vectors_of: Origin | None = None, **settings: Any
    ) -> dict[str, Any]:
        text = tmp_path / "distilled.txt"
        text.write_text("".join(f"{sentence}\n" for sentence in toy_sentences[:60]), encoding="utf-8")
        return export_student(
            student,
            tmp_path / "export",
            config=ExportConfig(**settings),
            tags={DIRECTION: None},
            name="toy",
            teachers=[Origin("a teacher", "a licence")],
            corpus={"directions": {}},
            texts={DIRECTION: Text(held_out=(toy_sentences[:12], toy_sentences[:12]), distilled=(text, text))},
            vectors_of=vectors_of,
            force=force,
        )

    return export


def test_every_precision_has_card_and_checksums(
    export: Export, student_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = export(student_folder, precisions=("int8", "float32"), encoder=True)
    assert told["num_parameters"] == count_parameters(load_student(student_folder))
    assert told["parity"] == {"num_sentences": 12, "num_equal": 12, "differences": []}
    assert list(told["precisions"]) == ["float32", "int8"]
    assert told["precisions"]["float32"]["computed_in"]["cpu"] == "float32"
    assert told["precisions"]["int8"]["num_bytes"] < told["precisions"]["float32"]["num_bytes"]
    json.dumps(told)
    said = capfd.readouterr().err
    assert "float32: " in said
    assert "of 12 sentences 12 have the student's ids" in said
    for precision in ("float32", "int8"):
        folder = tmp_path / "export" / precision
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert verify_checksums(folder) == len(files) - 1
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "license_link: LICENSE.md" in card
        assert "# What is known of the licence" in (folder / "LICENSE.md").read_text(encoding="utf-8")
        assert f"# toy, en-pt-BR, {precision}\n" in card
        assert "Float32: 12 of 12 held-out sentences" in card, "the check of float32 stands in every card"
        (folder / "encoder" / "model.bin").write_bytes(b"\x01\x02")
        with pytest.raises(NmtDistillError, match=r"encoder/model\.bin damaged or missing"):
            verify_checksums(folder)


def test_student_of_sentence_vectors_has_its_encoder_beside_it(
    toy_student: Path, export: Export, tmp_path: Path
) -> None:
    student = tmp_path / "student"
    shutil.copytree(toy_student, student)
    described = SentenceVectors(dim=16, is_normalized=True, languages=("en",), teacher="large", has_projection=False)
    write_description(student, described, None)
    export(student, precisions=("int16", "float32"), vectors_of=Origin("large", "MIT"))
    for precision in ("int16", "float32"):
        folder = tmp_path / "export" / precision
        assert SentenceEncoder(folder).described == described
        assert "Teacher of sentence vectors (`encoder/`): large." in (folder / "README.md").read_text(encoding="utf-8")
    folder = tmp_path / "export" / "sentence-transformers"
    assert (folder / "modules.json").is_file()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "library_name: sentence-transformers\n" in card
    assert "Teacher of sentence vectors (`encoder/`): large. Licence of its weights: MIT." in card
    assert "MIT" in (folder / "LICENSE.md").read_text(encoding="utf-8")
    assert verify_checksums(folder) >= 8
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    export(student, precisions=("float32",), force=True)
    assert not (tmp_path / "export" / "float32" / "encoder").exists()


def test_what_a_processor_lacks_is_told_once(export: Export, capfd: pytest.CaptureFixture[str]) -> None:
    import ctranslate2

    precision = "int8_float16"
    told = export(precisions=(precision,))
    assert told["parity"] is None
    computed = told["precisions"][precision]["computed_in"]["cpu"]
    lacks = precision not in ctranslate2.get_supported_compute_types("cpu")
    words = f"this processor does not compute in {precision}, so CTranslate2 takes {computed}"
    said = capfd.readouterr().err
    assert (words in said) == lacks
    assert "[ctranslate2]" not in said


def test_vocabulary_map_is_kept_only_where_it_pays(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"precisions": ("float32",), "vocabulary_map": VocabularyMapConfig(num_pairs=30, num_frequent=400)}
    monkeypatch.setattr("nmt_distill.export.map_trial.MIN_SPEEDUP", 0)
    trial = export(max_drop=100.0, **settings)["precisions"]["float32"]["vocabulary_map"]
    assert (trial["kept"], trial["num_sentences"]) == (True, 12)
    assert (tmp_path / "export" / "float32" / "vmap.txt").is_file()
    assert verify_checksums(tmp_path / "export" / "float32", ["vmap.txt"]) == 1
    monkeypatch.setattr("nmt_distill.export.map_trial.MIN_SPEEDUP", 1e9)
    trial = export(max_drop=100.0, force=True, **settings)["precisions"]["float32"]["vocabulary_map"]
    assert not trial["kept"]
    assert not (tmp_path / "export" / "float32" / "vmap.txt").exists()
    assert "with a vocabulary map" in (tmp_path / "export" / "float32" / "README.md").read_text(encoding="utf-8")


def test_fairseq2_is_a_format(export: Export, nllb_student: Path, tmp_path: Path) -> None:
    told = export(nllb_student, precisions=("float32",), formats=("fairseq2",))
    assert told["formats"]["fairseq2"]["num_bytes"] > 0
    assert (tmp_path / "export" / "fairseq2" / "model.yaml").is_file()


def test_transformers_is_a_format_of_half_the_size(export: Export, nllb_student: Path, tmp_path: Path) -> None:
    told = export(nllb_student, precisions=("float32",), formats=("transformers",))
    folder = tmp_path / "export" / "transformers"
    parity = told["formats"]["transformers"]["parity"]
    assert parity["num_sentences"] == 12
    assert parity["num_equal"] >= 11, "of random weights a near tie may turn"
    weights = [each / "model.safetensors" for each in (folder, nllb_student)]
    assert weights[0].stat().st_size < 0.6 * weights[1].stat().st_size
    assert {path.name for path in folder.iterdir()} == {path.name for path in nllb_student.iterdir()}
    for name, half in load_student(folder).state_dict().items():
        whole = load_student(nllb_student).state_dict()[name]
        assert half.dtype == torch.float16
        torch.testing.assert_close(half.float(), whole, rtol=2**-11, atol=2**-25)


def test_folders_that_stand_are_not_replaced(export: Export, tmp_path: Path) -> None:
    (tmp_path / "export" / "int8").mkdir(parents=True)
    with pytest.raises(NmtDistillError, match=r"int8 exists; give --force to replace it\."):
        export(precisions=("int8",))
    export(precisions=("int8",), force=True)
    assert verify_checksums(tmp_path / "export" / "int8")
