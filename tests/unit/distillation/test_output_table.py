"""Logits of one chunk after the other in the same memory."""

from __future__ import annotations

import pytest
import torch

from nmt_distill.distillation.losses import vocabulary_loss
from nmt_distill.distillation.output_table import OutputTable


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_chunks_have_the_logits_of_the_whole_in_one_buffer(kind: torch.dtype) -> None:
    torch.manual_seed(1)
    states, weight, bias = torch.randn(7, 4).to(kind), torch.randn(30, 4), torch.randn(30)
    wide = torch.float64 if kind == torch.float64 else torch.float32
    expected = (states @ weight.to(kind).T).to(wide) + bias.to(wide)
    table = OutputTable(states, weight, bias, 3)
    places = set()
    for chunk, rows in zip(torch.split(states, 3), torch.split(expected, 3), strict=True):
        logits = table.logits(chunk)
        assert logits.dtype == wide
        torch.testing.assert_close(logits, rows)
        narrowed = table.narrowed(logits)
        assert narrowed.dtype == kind
        assert torch.equal(narrowed, logits.to(kind))
        places.add(logits.data_ptr())
    assert len(places) == 1


def test_a_token_as_probable_as_the_best_agrees() -> None:
    states, weight = torch.ones(2, 1), torch.tensor([[1.0], [1.0], [0.0]])
    loss = vocabulary_loss(states, weight, torch.zeros(3), torch.tensor([1, 2]))
    assert loss.num_agreed == 1
