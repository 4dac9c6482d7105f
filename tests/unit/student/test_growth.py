from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.checkpoint import load_student, save_student, special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, StudentModel, build_student, count_parameters
from nmt_distill.student.growth import grow

GRAPHS = ["marian", "nllb"]
SPECIAL = {
    "marian": SpecialIds(end=0, unknown=1, pad=40, vocab_size=41),
    "nllb": SpecialIds(end=0, unknown=2, pad=1, vocab_size=41),
}


def draw(graph: str, special: SpecialIds | None = None) -> StudentModel:
    """Make a student whose biases and norms are not those of an untrained one."""
    torch.manual_seed(random.randrange(1 << 30))
    config = StudentConfig(
        graph=graph,  # type: ignore[arg-type]
        model_dim=16,
        ffn_inner_dim=24,
        num_heads=2,
        num_encoder_layers=3,
        num_decoder_layers=2,
        max_positions=32,
        dropout=0.0,
    )
    student = build_student(config, special or SPECIAL[graph]).eval()
    with torch.no_grad():
        for name, value in student.named_parameters():
            if "norm" in name or name.endswith("bias"):
                value.add_(0.3 * torch.randn_like(value))
        if graph == "marian":
            student.final_logits_bias[0, :-1].normal_()
    return student


def logits(student: StudentModel, padding: int = 0) -> Tensor:
    """Read two sentences of unlike length, and a target."""
    pad, start = student.config.pad_token_id, student.config.decoder_start_token_id
    source = torch.tensor([[5, 9, 30, 7, 0, *[pad] * padding], [7, 0, pad, pad, pad, *[pad] * padding]])
    target_input = torch.tensor([[start, 4, 6, 33], [start, 9, 9, 2]])
    found: Tensor = student(
        input_ids=source, attention_mask=(source != pad).long(), decoder_input_ids=target_input
    ).logits
    return found


WIDER = {"ffn_inner_dim": 41}
DEEPER = {"num_encoder_layers": 5, "num_decoder_layers": 6}


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("graph", "sizes"), [("marian", WIDER), ("nllb", WIDER), ("nllb", DEEPER), ("nllb", WIDER | DEEPER)]
)
def test_a_grown_student_says_the_same(graph: str, sizes: dict[str, Any], padding: int) -> None:
    student = draw(graph)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    grown = grow(student, **sizes)
    torch.testing.assert_close(logits(grown, padding), logits(student, padding), atol=1e-5, rtol=0)
    assert logits(student).std() > 0.1, "logits that are all the same prove nothing"
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert count_parameters(grown) > count_parameters(student)
    assert grown.lm_head.weight.data_ptr() == grown.model.shared.weight.data_ptr() != student.lm_head.weight.data_ptr()
    source = torch.tensor([[5, 9, 30, 0]])
    written = [model.generate(source, max_new_tokens=8, max_length=None) for model in (grown, student)]
    assert torch.equal(*written), "decoding with a cache too"


@pytest.mark.parametrize("graph", GRAPHS)
def test_shape_of_a_grown_student(graph: str) -> None:
    grown = grow(draw(graph), ffn_inner_dim=32, num_encoder_layers=4, num_decoder_layers=3, depth="stack")
    assert (len(grown.model.encoder.layers), len(grown.model.decoder.layers)) == (4, 3)
    assert (grown.config.encoder_layers, grown.config.decoder_layers, grown.config.encoder_ffn_dim) == (4, 3, 32)
    for layer in (*grown.model.encoder.layers, *grown.model.decoder.layers):
        assert (layer.fc1.weight.shape, layer.fc2.weight.shape) == ((32, 16), (16, 32))


@pytest.mark.parametrize("graph", GRAPHS)
def test_stacked_layers_repeat_all_from_the_first_on(graph: str) -> None:
    student = draw(graph)
    grown = grow(student, num_encoder_layers=7, num_decoder_layers=3, depth="stack")
    for part, count in (("encoder", 7), ("decoder", 3)):
        own, theirs = getattr(grown.model, part).layers, getattr(student.model, part).layers
        for number in range(count):
            expected = theirs[number % len(theirs)].state_dict()
            assert all(torch.equal(value, expected[name]) for name, value in own[number].state_dict().items())
    assert not torch.allclose(logits(grown), logits(student), atol=1e-2)


def test_new_identity_layers_stand_behind_their_origins() -> None:
    student = draw("nllb")
    grown = grow(student, num_encoder_layers=5)
    writes = [bool(layer.fc2.weight.any()) for layer in grown.model.encoder.layers]
    origins = [0, 0, 1, 1, 2]
    assert writes == [True, False, True, False, True]
    for layer, origin in zip(grown.model.encoder.layers, origins, strict=True):
        assert torch.equal(layer.fc1.weight, student.model.encoder.layers[origin].fc1.weight)


@pytest.mark.parametrize(("graph", "sizes"), [("marian", WIDER), ("nllb", WIDER | DEEPER)])
def test_what_is_new_learns_and_no_two_units_alike(graph: str, sizes: dict[str, Any]) -> None:
    """After some steps new units read otherwise than before, write in several directions, and new layers add much."""
    grown = grow(draw(graph), **sizes).train()
    optimizer = torch.optim.AdamW(grown.parameters(), lr=1e-3)
    before = {name: value.detach().clone() for name, value in grown.named_parameters()}
    source, target = torch.randint(2, 40, (2, 16, 12))
    for _ in range(6):
        found = grown(input_ids=source, decoder_input_ids=target.roll(1, dims=1)).logits
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(found.flatten(0, 1), target.flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    for name, reading in grown.named_parameters():
        if name.endswith("fc1.weight"):
            writing = dict(grown.named_parameters())[name.replace("fc1", "fc2")][:, 24:].T
            is_awake = writing.any(dim=1)  # a unit may be below zero for all these tokens
            assert is_awake.float().mean() > 0.4
            assert (reading[24:] - before[name][24:]).any(dim=1)[is_awake].all()
            assert torch.linalg.matrix_rank(writing, rtol=1e-2) >= 3
            units = torch.cat([reading[24:], writing], dim=1)
            assert (torch.cdist(units, units) + torch.eye(len(units))).min() > 1e-3
        if name.endswith(("fc2.weight", "out_proj.weight")):
            assert not torch.equal(reading, before[name]), name


def test_seed_decides_about_new_units() -> None:
    student = draw("marian")
    one, same, other = (
        grow(student, ffn_inner_dim=32, seed=seed).model.encoder.layers[0].fc1.weight for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert torch.equal(one[:24], other[:24])
    assert not torch.equal(one[24:], other[24:])


@pytest.mark.parametrize(
    ("graph", "sizes", "told"),
    [
        ("nllb", {"ffn_inner_dim": 23}, r"--ffn-inner-dim must be at least the 24 that the student has, but is 23"),
        ("nllb", {"num_encoder_layers": 2}, r"--num-encoder-layers must be at least the 3 that the student has, but"),
        ("marian", {"num_decoder_layers": 1}, r"--num-decoder-layers must be at least the 2 that the student has"),
        ("nllb", {}, r"nothing would grow; give one of --ffn-inner-dim, --num-encoder-layers, --num-decoder-layers a"),
        ("nllb", {"ffn_inner_dim": 24}, r"nothing would grow"),
        ("nllb", {"ffn_inner_dim": 10**14}, r"there is no memory for a student of 100,000,000,000,000 feed-forward"),
        ("nllb", {"ffn_inner_dim": 10**20}, r"there is no memory for a student of .* 3-2 layers; give smaller sizes"),
        ("marian", {"num_encoder_layers": 4}, r"a layer of the marian graph cannot leave .*; give --depth stack,"),
    ],
)
def test_what_cannot_grow(graph: str, sizes: dict[str, Any], told: str) -> None:
    with pytest.raises(NmtDistillError, match=told):
        grow(draw(graph), **sizes)


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_grown_student_is_kept_like_any_other(
    graph: str, toy_sentencepiece: Path, padded_sentencepiece: Path, tmp_path: Path
) -> None:
    pieces = toy_sentencepiece if graph == "marian" else padded_sentencepiece
    student = draw(graph, special_ids(pieces))
    grown = grow(student, num_encoder_layers=4, ffn_inner_dim=32, depth="stack")
    save_student(grown, pieces, tmp_path / "grown")
    torch.testing.assert_close(logits(load_student(tmp_path / "grown")), logits(grown), atol=0, rtol=0)
