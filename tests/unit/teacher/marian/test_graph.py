"""The graph against an independent reading of the same parameters in numpy, one sentence and one position at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.file import MarianFile
from nmt_distill.teacher.marian.graph import MarianGraph, pad
from tests.marian_models import (
    PRE_NORM,
    SELF_ATTENTION,
    SEPARATE_TABLES,
    UNTIED,
    architecture,
    random_parameters,
    write_marian_model,
)

VOCAB_SIZE, SOURCE_VOCAB_SIZE = 23, 19
WIDTH = 16
Doubles = npt.NDArray[np.float64]
SWISH = {"transformer-ffn-activation": "swish"}
GRAPHS: dict[str, dict[str, Any]] = {
    "cells": {},
    "self-attention": SELF_ATTENTION,
    "pre-norm cells": PRE_NORM | SWISH,
    "pre-norm self-attention": SELF_ATTENTION | PRE_NORM,
    "separate tables": SELF_ATTENTION | SEPARATE_TABLES | SWISH,
    "untied": SEPARATE_TABLES | UNTIED,
    "tied source": SELF_ATTENTION | UNTIED | {"tied-embeddings-src": True},
    "normalised embeddings, a bypass": SELF_ATTENTION
    | {"transformer-postprocess-emb": "nd", "transformer-postprocess-top": "dan"},
    "other order": SELF_ATTENTION | PRE_NORM | {"transformer-postprocess": "nda", "transformer-postprocess-top": ""},
}
"""options that differ from those of Bergamot's small students"""


def draw(settings: dict[str, Any]) -> MarianFile:
    """Draw a model; encoder and decoder, source and target have sizes of their own where the options let them."""
    options = architecture(settings, model_dim=WIDTH)
    parameters = random_parameters(
        options,
        vocab_size=VOCAB_SIZE,
        source_vocab_size=SOURCE_VOCAB_SIZE,
        ffn_inner_dim=40,
        decoder_ffn_inner_dim=56,
        generator=np.random.default_rng(),
    )
    return MarianFile(parameters, options)


@pytest.fixture(scope="module", params=list(GRAPHS.values()), ids=list(GRAPHS))
def file(request: pytest.FixtureRequest) -> MarianFile:
    return draw(request.param)


@pytest.fixture(scope="module")
def graph(file: MarianFile) -> MarianGraph:
    return MarianGraph(file, "model.bin").eval()


class NumpyMarian:
    """Marian's formulae, written down once more: row vectors, x W + b, everything in double precision.

    The decoder goes over the whole prefix again for every token.
    """

    def __init__(self, file: MarianFile) -> None:
        self.parameters = {name: array.astype(np.float64) for name, array in file.parameters.items()}
        self.options = file.architecture

    def affine(self, x: Doubles, weight: str, bias: str) -> Doubles:
        result: Doubles = x @ self.parameters[weight] + self.parameters[bias][0]
        return result

    def norm(self, x: Doubles, name: str, suffix: str = "") -> Doubles:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
        scale, bias = (self.parameters[f"{name}_ln_{part}{suffix}"][0] for part in ("scale", "bias"))
        result: Doubles = centred / deviation * scale + bias
        return result

    def before(self, x: Doubles, name: str, option: str = "transformer-preprocess") -> Doubles:
        return self.norm(x, name, "_pre") if "n" in self.options[option] else x

    def after(self, y: Doubles, x: Doubles, name: str, option: str = "transformer-postprocess") -> Doubles:
        for letter in self.options[option]:
            if letter == "a":
                y = y + x
            elif letter == "n":
                y = self.norm(y, name)
        return y

    def positions(self, length: int) -> Doubles:
        half = WIDTH // 2
        angles = [[place * np.exp(-i * np.log(10000) / (half - 1)) for i in range(half)] for place in range(length)]
        return np.array([[*map(np.sin, row), *map(np.cos, row)] for row in angles])

    def table(self, part: str) -> Doubles:
        return self.parameters["Wemb" if "Wemb" in self.parameters else f"{part}_Wemb"]

    def attend(self, x: Doubles, memory: Doubles, name: str, is_causal: bool = False) -> Doubles:
        queries = self.affine(x, f"{name}_Wq", f"{name}_bq")
        keys = self.affine(memory, f"{name}_Wk", f"{name}_bk")
        values = self.affine(memory, f"{name}_Wv", f"{name}_bv")
        heads, mixed = self.options["transformer-heads"], []
        size = WIDTH // heads
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            weights = np.exp(queries[:, part] @ keys[:, part].T / np.sqrt(size))
            if is_causal:
                weights *= np.tri(len(x))
            mixed.append(weights / weights.sum(axis=1, keepdims=True) @ values[:, part])
        return self.affine(np.concatenate(mixed, axis=1), f"{name}_Wo", f"{name}_bo")

    def feed_forward(self, x: Doubles, name: str) -> Doubles:
        inner = self.affine(self.before(x, f"{name}_ffn"), f"{name}_W1", f"{name}_b1")
        gate = 1 / (1 + np.exp(-inner)) if self.options["transformer-ffn-activation"] == "swish" else inner > 0
        return self.after(self.affine(inner * gate, f"{name}_W2", f"{name}_b2"), x, f"{name}_ffn")

    def self_attention(self, x: Doubles, name: str, is_causal: bool) -> Doubles:
        inner = self.before(x, f"{name}_Wo")
        return self.after(self.attend(inner, inner, name, is_causal), x, f"{name}_Wo")

    def recur(self, x: Doubles, name: str) -> Doubles:
        inner, cell, outputs = self.before(x, name), np.zeros(WIDTH), []
        for row in inner:
            forget = 1 / (1 + np.exp(-self.affine(row, f"{name}_Wf", f"{name}_bf")))
            cell = forget * cell + (1 - forget) * (row @ self.parameters[f"{name}_W"])
            outputs.append(np.maximum(cell, 0))
        return self.after(np.stack(outputs), x, f"{name}_ffn")

    def encode(self, source: list[int]) -> Doubles:
        bottom = self.table("encoder")[source] * np.sqrt(WIDTH) + self.positions(len(source))
        x = self.before(bottom, "encoder_emb", "transformer-postprocess-emb")
        for layer in range(1, self.options["enc-depth"] + 1):
            x = self.self_attention(x, f"encoder_l{layer}_self", is_causal=False)
            x = self.feed_forward(x, f"encoder_l{layer}_ffn")
        return self.after(x, bottom, "encoder_top", "transformer-postprocess-top")

    def decode(self, memory: Doubles, target: list[int]) -> Doubles:
        """Return the last decoder state before each token of the target."""
        embedded = np.stack([np.zeros(WIDTH), *self.table("decoder")[target[:-1]]]) * np.sqrt(WIDTH)
        bottom = embedded + self.positions(len(target))
        x = self.before(bottom, "decoder_emb", "transformer-postprocess-emb")
        for layer in range(1, self.options["dec-depth"] + 1):
            name = f"decoder_l{layer}"
            if self.options["transformer-decoder-autoreg"] == "rnn":
                x = self.recur(x, f"{name}_rnn")
            else:
                x = self.self_attention(x, f"{name}_self", is_causal=True)
            context = self.attend(self.before(x, f"{name}_context_Wo"), memory, f"{name}_context")
            x = self.feed_forward(self.after(context, x, f"{name}_context_Wo"), f"{name}_ffn")
        return self.after(x, bottom, "decoder_top", "transformer-postprocess-top")

    def logits(self, states: Doubles) -> Doubles:
        projection = self.parameters.get("decoder_ff_logit_out_Wt", self.table("decoder"))
        result: Doubles = states @ projection.T + self.parameters["decoder_ff_logit_out_b"][0]
        return result


def forced_states(graph: MarianGraph, source: list[int], target: list[int]) -> torch.Tensor:
    """Decode one sentence in one pass."""
    state = graph.encode(*pad([source], torch.device("cpu")))
    return graph.decode(torch.tensor([target]).roll(1, dims=1), state, length=len(target))[0]


SOURCE, TARGET = [5, 9, 2, 2, 17, 0], [3, 11, 22, 3, 0]


def test_encoder_and_decoder_equal_numpy(graph: MarianGraph, file: MarianFile) -> None:
    oracle = NumpyMarian(file)
    memory = oracle.encode(SOURCE)
    keys, values = graph.encode(*pad([SOURCE], torch.device("cpu"))).source[0]
    for tensor, letter in ((keys, "k"), (values, "v")):
        expected = oracle.affine(memory, f"decoder_l1_context_W{letter}", f"decoder_l1_context_b{letter}")
        np.testing.assert_allclose(tensor[0].transpose(0, 1).flatten(1).numpy(), expected, atol=1e-4, rtol=1e-4)
    states = oracle.decode(memory, TARGET)
    found = forced_states(graph, SOURCE, TARGET)
    np.testing.assert_allclose(found.numpy(), states, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(graph.logits(found).numpy(), oracle.logits(states), atol=1e-3, rtol=1e-4)


def test_step_by_step_equals_teacher_forcing(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    expected = graph.logits(forced_states(graph, SOURCE, TARGET))
    previous = None
    for place, token in enumerate(TARGET):
        torch.testing.assert_close(graph.next_logits(previous, state, place)[0], expected[place], atol=1e-4, rtol=1e-4)
        previous = torch.tensor([token])


def test_decoding_in_two_halves_equals_one_pass(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    fed = torch.tensor([TARGET]).roll(1, dims=1)
    halves = [graph.decode(fed[:, :2], state, length=2), graph.decode(fed[:, 2:], state, start=2, length=3)]
    torch.testing.assert_close(torch.cat(halves, dim=1)[0], forced_states(graph, SOURCE, TARGET), atol=1e-4, rtol=1e-4)


def test_batch_and_padding_change_nothing(graph: MarianGraph) -> None:
    sources = [SOURCE, [7, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]]
    targets = [TARGET, [6, 6, 6, 6, 6, 6, 6, 6, 0], [0]]
    source, mask = pad(sources, torch.device("cpu"))
    source[~mask] = 12  # whatever stands there
    target, target_mask = pad(targets, torch.device("cpu"))
    states = graph.decode(target.roll(1, dims=1), graph.encode(source, mask), length=target.shape[1])[target_mask]
    alone = [forced_states(graph, *pair) for pair in zip(sources, targets, strict=True)]
    torch.testing.assert_close(states, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_the_first_token_fed_is_not_read(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    for token in (0, 21):
        fed = torch.tensor([[token]])
        torch.testing.assert_close(
            graph.decode(fed, state.select(torch.tensor([0])))[0],
            forced_states(graph, SOURCE, [0]),
            atol=1e-4,
            rtol=1e-4,
        )


def test_future_tokens_are_not_seen(graph: MarianGraph) -> None:
    short, long = forced_states(graph, SOURCE, TARGET[:3]), forced_states(graph, SOURCE, TARGET)
    torch.testing.assert_close(short, long[:3], atol=1e-4, rtol=1e-4)


def test_selected_rows_go_on_as_before(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE, [7, 0], [4, 4, 0]], torch.device("cpu")))
    graph.next_logits(None, state, 0)
    chosen = state.select(torch.tensor([2, 0, 0]))
    expected = graph.next_logits(torch.tensor([8, 9, 10]), state, 1)
    found = graph.next_logits(torch.tensor([10, 8, 8]), chosen, 1)
    torch.testing.assert_close(found, expected[[2, 0, 0]], atol=1e-4, rtol=1e-4)


def test_parameters_are_counted_once(graph: MarianGraph, file: MarianFile) -> None:
    assert graph.num_parameters == sum(array.size for array in file.parameters.values())
    assert (graph.vocab_size, graph.model_dim) == (VOCAB_SIZE, WIDTH)
    is_joint = "Wemb" in file.parameters
    assert graph.source_vocab_size == (VOCAB_SIZE if is_joint else SOURCE_VOCAB_SIZE)


def test_output_projection_of_the_first_versions_is_the_other_way_round() -> None:
    new = draw(UNTIED)
    parameters = dict(new.parameters)
    parameters["decoder_ff_logit_out_W"] = parameters.pop("decoder_ff_logit_out_Wt").T
    old = MarianGraph(MarianFile(parameters, new.architecture), "model.npz")
    states = torch.randn(3, WIDTH)
    torch.testing.assert_close(old.logits(states), MarianGraph(new, "model.npz").logits(states))


@pytest.mark.parametrize("name", ["self-attention", "pre-norm self-attention", "separate tables", "tied source"])
def test_log_probabilities_equal_those_of_ctranslate2(tmp_path: Path, name: str) -> None:
    """CTranslate2 4.8 converts Marian's files by code of its own; it is given the table of positions as a parameter."""
    import ctranslate2
    from ctranslate2.converters import MarianConverter

    file = draw(GRAPHS[name])
    graph = MarianGraph(file, "model.npz").eval()
    positions = {"Wpos": graph.positions(0, 64).numpy()}
    write_marian_model(tmp_path / "model.npz", file.parameters | positions, file.architecture)
    for side, size in (("source", graph.source_vocab_size), ("target", graph.vocab_size)):
        pieces = ["</s>", "<unk>", *(f"piece{token}" for token in range(2, size))]
        lines = [f'"{piece}": {token}\n' for token, piece in enumerate(pieces)]
        (tmp_path / f"{side}.yml").write_text("".join(lines), encoding="utf-8")
    vocabularies = [str(tmp_path / f"{side}.yml") for side in ("source", "target")]
    MarianConverter(str(tmp_path / "model.npz"), vocabularies).convert(str(tmp_path / "converted"))
    translator = ctranslate2.Translator(str(tmp_path / "converted"), intra_threads=1)
    (scores,) = translator.score_batch(
        [[f"piece{token}" for token in SOURCE[:-1]]], [[f"piece{token}" for token in TARGET[:-1]]]
    )
    log_probs = graph.logits(forced_states(graph, SOURCE, TARGET)).log_softmax(-1)
    expected = log_probs[torch.arange(len(TARGET)), TARGET].tolist()
    assert scores.log_probs == pytest.approx(expected, abs=2e-3)


def test_model_of_another_graph_is_refused_by_its_file_name() -> None:
    other = draw({})
    options = other.architecture | {"type": "s2s"}
    with pytest.raises(NmtDistillError, match=r"model\.bin: this graph cannot be read as a teacher yet: type is 's2s'"):
        MarianGraph(MarianFile(other.parameters, options), "model.bin")
