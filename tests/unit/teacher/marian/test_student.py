from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.file import MarianFile
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from tests.marian_models import PRE_NORM, SELF_ATTENTION, SEPARATE_TABLES, UNTIED, architecture, random_parameters

VOCAB_SIZE = 30


def draw(settings: dict[str, Any]) -> MarianGraph:
    options = architecture(settings)
    parameters = random_parameters(options, vocab_size=VOCAB_SIZE, generator=np.random.default_rng())
    return MarianGraph(MarianFile(parameters, options), "model.npz").eval()


def test_model_with_self_attention_is_transformers_marian_model() -> None:
    """All parameters are taken over, and the logits are those of MarianMTModel with Marian's positions and epsilon."""
    from transformers import MarianConfig, MarianMTModel

    graph = draw(SELF_ATTENTION)
    config = MarianConfig(
        vocab_size=VOCAB_SIZE + 1,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        activation_function="relu",
        max_position_embeddings=16,
        scale_embedding=True,
        pad_token_id=VOCAB_SIZE,
        decoder_start_token_id=VOCAB_SIZE,
        eos_token_id=0,
        forced_eos_token_id=None,
    )
    model = MarianMTModel(config).eval()
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    taken = graph.hand_down().parameters
    left = {"model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"}
    assert own.keys() - taken.keys() == left
    with torch.no_grad():
        for name, value in taken.items():
            if name == "model.shared.weight":
                own[name].copy_(torch.cat([value, torch.zeros(1, 32)]))
            elif name == "final_logits_bias":
                own[name][0, :-1] = value
            else:
                own[name].copy_(value)
        for name in left:
            own[name].copy_(graph.positions(0, 16))
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.eps = 1e-6
        source, mask = pad([[5, 9, 2, 17, 0], [8, 0]], torch.device("cpu"))
        target = torch.tensor([[4, 21, 3, 0], [7, 7, 1, 0]])
        fed = torch.cat([torch.full((2, 1), VOCAB_SIZE), target[:, :-1]], dim=1)
        logits = model(input_ids=source, attention_mask=mask.long(), decoder_input_ids=fed).logits[..., :-1]
        states = graph.decode(target.roll(1, dims=1), graph.encode(source, mask), length=4)
        torch.testing.assert_close(graph.logits(states), logits, atol=1e-3, rtol=1e-4)


def test_what_a_student_must_have_is_told() -> None:
    """8 heads of which the test knows nothing, but for Marian's options."""
    swish = draw(SELF_ATTENTION | {"transformer-ffn-activation": "swish", "transformer-heads": 8}).hand_down()
    assert (swish.graph, swish.activation, swish.num_heads, swish.obstacles) == ("marian", "swish", 8, ())
    assert (swish.model_dim, swish.ffn_inner_dim) == (32, 48)
    assert (swish.num_layers("encoder"), swish.num_layers("decoder")) == (2, 2)


def test_of_another_graph_there_are_embeddings_alone() -> None:
    graph = draw(PRE_NORM)
    inheritance = graph.hand_down()
    assert inheritance.graph is None
    assert inheritance.obstacles == ("is not post-norm (transformer-postprocess dan alone)",)
    assert inheritance.parameters == {"model.shared.weight": graph.get_buffer("Wemb")}


@pytest.mark.parametrize("settings", [SEPARATE_TABLES, UNTIED | {"tied-embeddings-src": True}])
def test_several_tables_are_not_taken_over(settings: dict[str, Any]) -> None:
    told = r"model\.npz has more than one embedding table, .*; set student\.initialization=random\."
    with pytest.raises(NmtDistillError, match=told):
        draw(settings).hand_down()
