"""Teachers that are run in the training step: what they show of a batch is what the model makes of each pair alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import ForcedDecoding, ForcedPass, OnlineTeacher
from nmt_distill.teacher.marian.teacher import MarianTeacher
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.transformers_models import POSITIONS

SENTENCES = ["Turn on the light in the kitchen", "Stop", "open the door and the window please"]
FACTS: dict[str, Any] = {"direction": Direction(source="en", target="de"), "origin": "drawn by a test", "licence": ""}


def pairs_of(teacher: Any) -> tuple[list[list[int]], list[list[int]]]:
    """Encode the sentences, with targets of which the second has no end of sentence, as a sample that was cut."""
    sources = teacher.encode(SENTENCES)
    targets = [[*ids[::-1][1:], teacher.end_id] for ids in sources]
    targets[1] = targets[1][:-1]
    return sources, targets


def joined(passes: list[ForcedPass], side: str) -> list[Tensor]:
    return [torch.cat(layers) for layers in zip(*(getattr(forced, side) for forced in passes), strict=True)]


def check_that_the_decoder_waits(teacher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass of which the encoder alone is asked for runs no decoder."""
    expected = teacher.forced_pass(*pairs_of(teacher))

    def decode(*_: Any, **__: Any) -> None:
        raise RuntimeError("the decoder was run")

    with monkeypatch.context() as patch:
        patch.setattr(teacher.graph, "decode", decode)
        found = teacher.forced_pass(*pairs_of(teacher))
        for layer, wanted in zip(found.encoder, expected.encoder, strict=True):
            assert torch.equal(layer, wanted)
        with pytest.raises(RuntimeError, match="the decoder was run"):
            found.logits(slice(None))


def check_forced_pass(teacher: Any) -> ForcedPass:
    """Check that company changes nothing, that distributions are those of labelling, and that no gradient is kept."""
    typed: OnlineTeacher = teacher
    assert isinstance(typed, OnlineTeacher)
    sources, targets = pairs_of(teacher)
    whole = typed.forced_pass(sources, targets)
    alone = [typed.forced_pass([source], [target]) for source, target in zip(sources, targets, strict=True)]
    num_rows = sum(map(len, targets))
    assert {len(layer) for layer in whole.encoder} == {sum(map(len, sources))}
    assert {len(layer) for layer in whole.decoder} == {num_rows}
    for side in ("encoder", "decoder"):
        for layer, expected in zip(getattr(whole, side), joined(alone, side), strict=True):
            torch.testing.assert_close(layer, expected, rtol=1e-4, atol=1e-4)
            assert not layer.requires_grad
    probs = whole.logits(slice(0, num_rows)).softmax(dim=-1)
    kept = typed.teacher_output(sources, targets, num_kept=5)
    found = probs.gather(1, torch.from_numpy(kept.token_ids))
    torch.testing.assert_close(found, torch.from_numpy(kept.probs), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(whole.logits(slice(3, 5)), whole.logits(slice(0, num_rows))[3:5], rtol=1e-4, atol=1e-4)
    return whole


def test_marian(teacher: MarianTeacher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a post-norm model, layer k is what a model of k layers puts out."""
    whole = check_forced_pass(teacher)
    graph = teacher.graph
    assert (len(whole.encoder), len(whole.decoder)) == (1 + graph.num_encoder_layers, 1 + graph.num_decoder_layers)
    torch.testing.assert_close(graph.logits(whole.decoder[-1]), whole.logits(slice(None)), rtol=1e-4, atol=1e-4)
    sources, targets = pairs_of(teacher)
    numbers = (graph.num_encoder_layers, graph.num_decoder_layers)
    try:
        for side, place in (("encoder", 0), ("decoder", 1)):
            for layer in range(numbers[place]):
                graph.num_encoder_layers, graph.num_decoder_layers = numbers
                setattr(graph, f"num_{side}_layers", layer)
                shallow = teacher.forced_pass(sources, targets)
                torch.testing.assert_close(getattr(shallow, side)[-1], getattr(whole, side)[layer])
    finally:
        graph.num_encoder_layers, graph.num_decoder_layers = numbers
    assert teacher.max_target_tokens is None
    check_that_the_decoder_waits(teacher, monkeypatch)


@pytest.mark.parametrize("name", ["nllb", "small100", "marian_tagged", "t5"])
def test_transformers(checkpoints: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden states are transformers' own, without those of tags and prompts."""
    teacher = TransformersTeacher(str(checkpoints[name]), **FACTS)
    whole = check_forced_pass(teacher)
    check_that_the_decoder_waits(teacher, monkeypatch)
    sources, targets = pairs_of(teacher)
    prefix, forced = teacher.room.source_prefix, teacher.graph.forced_ids
    assert prefix
    model, expected = teacher.graph.model, []
    for source, target in zip(sources, targets, strict=True):
        given = {
            "input_ids": torch.tensor([[*prefix, *source]]),
            "decoder_input_ids": torch.tensor([[*forced, *target[:-1]]]),
        }
        with torch.no_grad():
            output = model(**given, output_hidden_states=True)
        encoder = tuple(layer[0, len(prefix) :] for layer in output.encoder_hidden_states)
        decoder = tuple(layer[0, len(forced) - 1 :] for layer in output.decoder_hidden_states)
        expected.append(ForcedPass(encoder, partial(ForcedDecoding, decoder, whole.logits)))
    for side in ("encoder", "decoder"):
        for layer, wanted in zip(getattr(whole, side), joined(expected, side), strict=True):
            torch.testing.assert_close(layer, wanted, rtol=1e-4, atol=1e-4)


def test_targets_have_to_find_room(checkpoints: dict[str, Path]) -> None:
    teacher = TransformersTeacher(str(checkpoints["nllb"]), **FACTS)
    assert teacher.max_target_tokens == POSITIONS - 1, "the language tag takes a position"
    source = teacher.encode(["Stop"])
    teacher.forced_pass(source, [[5] * (POSITIONS - 1)])
    with pytest.raises(
        NmtDistillError, match=f"a target has {POSITIONS + 1} tokens with its tag, but .* has {POSITIONS}"
    ):
        teacher.forced_pass(source, [[5] * POSITIONS])
