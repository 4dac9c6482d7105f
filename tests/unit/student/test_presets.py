from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.parity import HeldOut, StudentAnswers
from nmt_distill.languages import Direction
from nmt_distill.student.checkpoint import save_student, special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, build_student, count_parameters
from nmt_distill.student.presets import PRESETS, with_preset, without_shape

SHAPES = {
    "micro": (3, 1, 128, 512),
    "tiny": (6, 2, 256, 1536),
    "small": (6, 4, 384, 1536),
    "base": (6, 2, 512, 2048),
    "deep-12-1": (12, 1, 512, 2048),
    "deep-12-3": (12, 3, 512, 2048),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    config = PRESETS[name](StudentConfig())
    shape = (config.num_encoder_layers, config.num_decoder_layers, config.model_dim, config.ffn_inner_dim)
    assert shape == SHAPES[name]
    assert list(config.faults()) == []


def test_every_preset_can_be_named() -> None:
    names = {name for member in get_args(get_type_hints(StudentConfig)["preset"]) for name in get_args(member)}
    assert names == PRESETS.keys() == SHAPES.keys()


def test_the_guide_shows_every_preset_as_it_is() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide.md").read_text(encoding="utf-8")
    row = r"^\| `([a-z0-9-]+)` \|" + 5 * r" (\d+) \|" + r" ([0-9.]+) M \|$"
    rows = re.findall(row, guide, re.MULTILINE)
    assert [name for name, *_ in rows] == list(PRESETS)
    special = SpecialIds(end=0, unknown=1, pad=16_000, vocab_size=16_001)
    for name, *shape, millions in rows:
        config = PRESETS[name](StudentConfig())
        layers = (config.num_encoder_layers, config.num_decoder_layers)
        assert (*layers, config.model_dim, config.ffn_inner_dim, config.num_heads) == tuple(map(int, shape))
        with torch.device("meta"):
            assert count_parameters(build_student(config, special)) / 1e6 == pytest.approx(float(millions), abs=0.05)


def test_presets_leave_the_rest_of_their_base() -> None:
    base = StudentConfig(graph="nllb", dropout=0.3, max_positions=77)
    for preset in PRESETS.values():
        edited = preset(base)
        assert (edited.graph, edited.dropout, edited.max_positions) == ("nllb", 0.3, 77)


@pytest.mark.parametrize("section", [None, 5, {}, {"model_dim": 64}, {"preset": None}, {"preset": "huge"}])
def test_what_names_no_preset_stays(section: Any) -> None:
    assert with_preset(section) == section


SLOW = [name for name in SHAPES if name not in ("micro", "tiny")]


@pytest.mark.parametrize("graph", ["marian", "nllb"])
@pytest.mark.parametrize("name", ["micro", "tiny", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_export_is_the_same_model(
    name: str,
    graph: str,
    toy_sentencepiece: Path,
    padded_sentencepiece: Path,
    toy_sentences: list[str],
    tmp_path: Path,
) -> None:
    """Greedy ids of transformers and CTranslate2 in float32 are equal throughout, for weights that nobody trained."""
    pieces = toy_sentencepiece if graph == "marian" else padded_sentencepiece
    config = PRESETS[name](StudentConfig(graph=graph, max_positions=64))  # type: ignore[arg-type]
    student = build_student(config, special_ids(pieces))
    with torch.no_grad():  # weights just drawn say the same whatever they read
        for key, value in student.named_parameters():
            if "norm" not in key and "embed_positions" not in key:
                value.normal_(std=0.5 if "shared" in key else config.model_dim**-0.5)
        pad = student.config.pad_token_id
        student.get_input_embeddings().weight[pad] = 0
        if graph == "nllb":  # what training teaches it: padding is never said
            bias = student.model.decoder.layer_norm.bias
            bias.normal_()
            bias.mul_(6 / bias.norm())
            student.get_input_embeddings().weight[pad] = -20 * bias
    save_student(student, pieces, tmp_path / "student")
    direction = Direction(source="en", target="pt")
    convert_student(tmp_path / "student", tmp_path / "export", precision="float32", tags={direction: None}, name=name)
    sentences = toy_sentences[:20]
    text = HeldOut(direction=direction, tag=None, sources=sentences, references=sentences)
    parity = StudentAnswers(tmp_path / "student", [text], max_tokens=16).compare(tmp_path / "export")
    assert (parity.num_equal, parity.num_sentences) == (20, 20), parity.differences


def test_a_preset_that_is_chosen_replaces_the_shape() -> None:
    section = {"preset": "micro", "model_dim": 64, "num_decoder_layers": 3, "graph": "nllb", "dropout": 0.3}
    assert without_shape(section) == {"preset": "micro", "graph": "nllb", "dropout": 0.3}
    assert without_shape("none") == "none"
