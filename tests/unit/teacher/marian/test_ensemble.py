from __future__ import annotations

import numpy as np
import pytest
import torch

from nmt_distill.teacher.marian.ensemble import MarianEnsemble, mean_logits
from nmt_distill.teacher.marian.file import MarianFile
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from tests.marian_models import SELF_ATTENTION, architecture, random_parameters


@pytest.fixture(scope="module")
def graphs() -> list[MarianGraph]:
    """Two models of other widths and other decoders over one vocabulary."""
    drawn = []
    for options in (architecture(model_dim=16), architecture(SELF_ATTENTION, model_dim=24, num_decoder_layers=1)):
        parameters = random_parameters(options, vocab_size=20, generator=np.random.default_rng())
        drawn.append(MarianGraph(MarianFile(parameters, options), "model.bin").eval())
    return drawn


def test_one_models_logits_stay_as_they_are() -> None:
    logits = torch.randn(3, 5)
    assert mean_logits([logits]) is logits


def test_probabilities_are_the_mean() -> None:
    logits = [torch.randn(4, 7) * 5 for _ in range(3)]
    expected = torch.stack([model.softmax(-1) for model in logits]).mean(0)
    torch.testing.assert_close(mean_logits(logits).exp(), expected)


def test_every_step_is_the_mean_of_the_models(graphs: list[MarianGraph]) -> None:
    source, mask = pad([[5, 9, 0], [3, 0]], torch.device("cpu"))
    together = MarianEnsemble(graphs)
    state = together.encode(source, mask)
    states = [graph.encode(source, mask) for graph in graphs]
    previous = None
    for position in range(3):
        logits = [graph.next_logits(previous, own, position) for graph, own in zip(graphs, states, strict=True)]
        found = together.next_logits(previous, state, position)
        torch.testing.assert_close(found.exp(), (logits[0].softmax(-1) + logits[1].softmax(-1)) / 2)
        previous = found.argmax(-1)


def test_selected_rows_go_on_as_before(graphs: list[MarianGraph]) -> None:
    together = MarianEnsemble(graphs)
    state = together.encode(*pad([[5, 9, 0], [3, 0]], torch.device("cpu")))
    together.next_logits(None, state, 0)
    chosen = state.select(torch.tensor([1, 1]))
    expected = together.next_logits(torch.tensor([7, 8]), state, 1)
    found = together.next_logits(torch.tensor([8, 4]), chosen, 1)
    torch.testing.assert_close(found[0], expected[1], atol=1e-4, rtol=1e-4)
