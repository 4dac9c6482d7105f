from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from ctranslate2.converters import TransformersConverter
from transformers import AutoModelForSeq2SeqLM, MarianMTModel

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.ctranslate2 import folder as ctranslate2_folder
from nmt_distill.teacher.ctranslate2.folder import converted, read_converted, read_shapes
from tests.transformers_models import POSITIONS

SPECIALS = {"start_id": 2, "end_id": 2}


def convert(folder: Path, cache: Path, name: str = "a model") -> Path:
    found = converted(folder, cache, hashes=[name], **SPECIALS)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def m2m100(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The m2m100 checkpoint, converted."""
    return convert(checkpoints["m2m100"], tmp_path_factory.mktemp("cache"))


@pytest.fixture
def copied(m2m100: Path, tmp_path: Path) -> Path:
    """A converted model to spoil."""
    return Path(shutil.copytree(m2m100, tmp_path / "copied"))


def test_pieces_are_numbers_but_for_padding(m2m100: Path, checkpoints: dict[str, Path]) -> None:
    model = read_converted(m2m100)
    size = AutoModelForSeq2SeqLM.from_pretrained(checkpoints["m2m100"]).config.vocab_size
    assert model.source_names == model.target_names == ["0", "<pad>", *map(str, range(2, size))]
    assert model.source_ids[model.end] == 2
    assert json.loads((m2m100 / "config.json").read_text())["decoder_start_token"] == "2"
    assert not model.adds_source_end


@pytest.mark.parametrize(("name", "positions"), [("m2m100", POSITIONS), ("mbart50", POSITIONS), ("t5", None)])
def test_positions_are_read(name: str, positions: int | None, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    assert read_converted(convert(checkpoints[name], tmp_path)).positions == (positions, positions)


def test_parameters_are_counted(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoints["m2m100"])
    for parameter in model.parameters():  # tensors that are equal are stored once
        parameter.data.uniform_()
    model.save_pretrained(tmp_path / "model")
    found = read_converted(convert(tmp_path / "model", tmp_path / "cache"))
    assert found.num_parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_version_of_the_format_that_is_not_known_has_no_shapes(copied: Path) -> None:
    content = (copied / "model.bin").read_bytes()
    (copied / "model.bin").write_bytes(b"\x07" + content[1:])
    assert read_shapes(copied / "model.bin") == ({}, {})
    assert read_converted(copied).positions == (None, None)
    assert read_converted(copied).num_parameters is None


def test_a_damaged_model_is_named(copied: Path) -> None:
    content = (copied / "model.bin").read_bytes()
    (copied / "model.bin").write_bytes(content[: len(content) // 2])
    with pytest.raises(NmtDistillError, match=r"model\.bin is damaged; convert or copy the model again"):
        _ = read_converted(copied).positions


def test_vocabularies_may_be_text_and_two(copied: Path) -> None:
    names = json.loads((copied / "shared_vocabulary.json").read_text())
    (copied / "shared_vocabulary.json").unlink()
    (copied / "source_vocabulary.txt").write_text("\n".join(["piece", *names]) + "\n")
    (copied / "target_vocabulary.json").write_text(json.dumps(names))
    model = read_converted(copied)
    assert (model.source_ids["3"], model.target_ids["3"]) == (4, 3)
    (copied / "config.json").unlink()  # as in folders of older versions
    with pytest.raises(NmtDistillError, match=r"its vocabulary lacks </s>, which config\.json names"):
        read_converted(copied)


def test_what_is_no_translation_model_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"nowhere is not the folder of a CTranslate2 model \(no model\.bin\)"):
        read_converted(tmp_path / "nowhere")
    (copied / "shared_vocabulary.json").rename(copied / "vocabulary.json")
    with pytest.raises(NmtDistillError, match="copied has no vocabulary of source and target"):
        read_converted(copied)
    (copied / "config.json").write_text("[]")
    with pytest.raises(NmtDistillError, match=r"config\.json must hold a JSON object"):
        read_converted(copied)


def test_a_model_is_converted_once(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = convert(checkpoints["m2m100"], tmp_path)
    assert capsys.readouterr().err.count("for CTranslate2, once") == 1
    with monkeypatch.context() as patch:
        patch.setattr(ctranslate2_folder, "_convert", None)
        assert convert(checkpoints["m2m100"], tmp_path) == first
    assert capsys.readouterr().err == ""
    other = convert(checkpoints["m2m100"], tmp_path, "another model")
    assert other != first
    assert {path.name: path.read_bytes() for path in other.iterdir()} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }


def test_two_that_want_one_model_convert_it_once(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, conversions = threading.Event(), []
    convert_whole = ctranslate2_folder._convert

    def slowly(*arguments: Any, **settings: Any) -> None:
        conversions.append(arguments)
        begun.set()
        second.start()
        convert_whole(*arguments, **settings)

    found: list[Path] = []
    second = threading.Thread(target=lambda: found.append(convert(checkpoints["m2m100"], tmp_path)))
    monkeypatch.setattr(ctranslate2_folder, "_convert", slowly)
    found.append(convert(checkpoints["m2m100"], tmp_path))
    second.join()
    assert len(set(found)) == len(conversions) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=repr)
def test_nothing_half_written_is_left(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def stop(_: Any, output_dir: str, **__: Any) -> None:
        (Path(output_dir) / "model.bin").write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(TransformersConverter, "convert", stop)
        with pytest.raises(type(error)):
            convert(checkpoints["m2m100"], tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert read_converted(convert(checkpoints["m2m100"], tmp_path)).positions == (POSITIONS, POSITIONS)


def test_what_a_killed_run_left_is_swept_away(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    name = convert(checkpoints["m2m100"], tmp_path / "other").name
    left = tmp_path / "cache" / f".{name}.killed.partial"
    left.mkdir(parents=True)
    (left / "model.bin").write_bytes(b"half")
    convert(checkpoints["m2m100"], tmp_path / "cache")
    assert not left.exists()


def test_a_model_that_ctranslate2_does_not_know_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "prophetnet"}))
    assert converted(tmp_path / "model", tmp_path / "cache", hashes=[], **SPECIALS) is None
    told = capsys.readouterr().err
    assert "cannot convert" in told
    assert "ProphetNetConfig" in told
    assert told.rstrip().endswith("transformers searches in its place, several times as slowly.")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_marian_model_that_starts_from_something_is_not_converted(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = MarianMTModel.from_pretrained(checkpoints["marian"])
    pad = model.config.pad_token_id
    specials = {"start_id": pad, "end_id": 0}
    found = converted(checkpoints["marian"], tmp_path, hashes=["marian"], **specials)
    assert found is not None
    assert read_converted(found).target_names == [str(index) for index in range(pad)]
    model.get_input_embeddings().weight.data[pad] += 0.01
    model.save_pretrained(tmp_path / "drifted")
    assert converted(tmp_path / "drifted", tmp_path, hashes=["drifted"], **specials) is None
    assert "has drifted from zero" in capsys.readouterr().err
