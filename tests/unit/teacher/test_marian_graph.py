"""The graph against an independent reading of the same parameters in numpy, one sentence and one position at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian_file import MarianFile
from nmt_distill.teacher.marian_graph import MarianGraph, pad
from tests.marian_models import architecture, random_parameters

VOCAB_SIZE = 23
WIDTH = 16
Doubles = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def file() -> MarianFile:
    options = architecture(model_dim=WIDTH)
    generator = np.random.default_rng()
    return MarianFile(random_parameters(options, vocab_size=VOCAB_SIZE, generator=generator), options)


@pytest.fixture(scope="module")
def graph(file: MarianFile) -> MarianGraph:
    return MarianGraph(file, "model.bin").eval()


class NumpyMarian:
    """Marian's formulae, written down once more: row vectors, x W + b, everything in double precision."""

    def __init__(self, file: MarianFile) -> None:
        self.parameters = {name: array.astype(np.float64) for name, array in file.parameters.items()}
        self.options = file.architecture

    def affine(self, x: Doubles, weight: str, bias: str) -> Doubles:
        result: Doubles = x @ self.parameters[weight] + self.parameters[bias][0]
        return result

    def norm(self, x: Doubles, name: str) -> Doubles:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
        scale, bias = (self.parameters[f"{name}_ln_{part}"][0] for part in ("scale", "bias"))
        result: Doubles = centred / deviation * scale + bias
        return result

    def position(self, index: int) -> Doubles:
        half = WIDTH // 2
        angles = [index * np.exp(-i * np.log(10000) / (half - 1)) for i in range(half)]
        return np.array([*map(np.sin, angles), *map(np.cos, angles)])

    def embed(self, token: int) -> Doubles:
        result: Doubles = self.parameters["Wemb"][token] * np.sqrt(WIDTH)
        return result

    def attend(self, x: Doubles, memory: Doubles, name: str) -> Doubles:
        queries = self.affine(x, f"{name}_Wq", f"{name}_bq")
        keys = self.affine(memory, f"{name}_Wk", f"{name}_bk")
        values = self.affine(memory, f"{name}_Wv", f"{name}_bv")
        heads, mixed = self.options["transformer-heads"], []
        size = WIDTH // heads
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / np.sqrt(size)
            weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            mixed.append(weights @ values[:, part])
        return self.norm(x + self.affine(np.concatenate(mixed, axis=1), f"{name}_Wo", f"{name}_bo"), f"{name}_Wo")

    def feed_forward(self, x: Doubles, name: str) -> Doubles:
        inner = np.maximum(self.affine(x, f"{name}_ffn_W1", f"{name}_ffn_b1"), 0)
        return self.norm(x + self.affine(inner, f"{name}_ffn_W2", f"{name}_ffn_b2"), f"{name}_ffn_ffn")

    def encode(self, source: list[int]) -> Doubles:
        x = np.stack([self.embed(token) + self.position(place) for place, token in enumerate(source)])
        for layer in range(1, self.options["enc-depth"] + 1):
            x = self.feed_forward(self.attend(x, x, f"encoder_l{layer}_self"), f"encoder_l{layer}")
        return x

    def decode(self, memory: Doubles, target: list[int]) -> Doubles:
        """Return the last decoder state before each token of the target."""
        layers = range(1, self.options["dec-depth"] + 1)
        cells = {layer: np.zeros(WIDTH) for layer in layers}
        states = []
        for place in range(len(target)):
            x = self.position(place) + (self.embed(target[place - 1]) if place else 0)
            for layer in layers:
                name = f"decoder_l{layer}"
                forget = 1 / (1 + np.exp(-self.affine(x, f"{name}_rnn_Wf", f"{name}_rnn_bf")))
                cells[layer] = forget * cells[layer] + (1 - forget) * (x @ self.parameters[f"{name}_rnn_W"])
                x = self.norm(x + np.maximum(cells[layer], 0), f"{name}_rnn_ffn")
                x = self.feed_forward(self.attend(x[None], memory, f"{name}_context"), name)[0]
            states.append(x)
        return np.stack(states)

    def logits(self, states: Doubles) -> Doubles:
        result: Doubles = states @ self.parameters["Wemb"].T + self.parameters["decoder_ff_logit_out_b"][0]
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
        np.testing.assert_allclose(tensor[0].transpose(0, 1).flatten(1).numpy(), expected, atol=1e-5)
    states = oracle.decode(memory, TARGET)
    found = forced_states(graph, SOURCE, TARGET)
    np.testing.assert_allclose(found.numpy(), states, atol=1e-5)
    np.testing.assert_allclose(graph.logits(found).numpy(), oracle.logits(states), atol=1e-4)


def test_step_by_step_equals_teacher_forcing(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    expected = graph.logits(forced_states(graph, SOURCE, TARGET))
    previous = None
    for place, token in enumerate(TARGET):
        torch.testing.assert_close(graph.next_logits(previous, state, place)[0], expected[place], atol=1e-5, rtol=1e-5)
        previous = torch.tensor([token])


def test_decoding_in_two_halves_equals_one_pass(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    fed = torch.tensor([TARGET]).roll(1, dims=1)
    halves = [graph.decode(fed[:, :2], state, length=2), graph.decode(fed[:, 2:], state, start=2, length=3)]
    torch.testing.assert_close(torch.cat(halves, dim=1)[0], forced_states(graph, SOURCE, TARGET))


def test_batch_and_padding_change_nothing(graph: MarianGraph) -> None:
    sources = [SOURCE, [7, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]]
    targets = [TARGET, [6, 6, 6, 6, 6, 6, 6, 6, 0], [0]]
    source, mask = pad(sources, torch.device("cpu"))
    source[~mask] = 12  # whatever stands there
    target, target_mask = pad(targets, torch.device("cpu"))
    states = graph.decode(target.roll(1, dims=1), graph.encode(source, mask), length=target.shape[1])[target_mask]
    alone = [forced_states(graph, *pair) for pair in zip(sources, targets, strict=True)]
    torch.testing.assert_close(states, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_the_first_token_fed_is_not_read(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE], torch.device("cpu")))
    for token in (0, 21):
        fed = torch.tensor([[token]])
        torch.testing.assert_close(
            graph.decode(fed, state.select(torch.tensor([0])))[0], forced_states(graph, SOURCE, [0])
        )


def test_future_tokens_are_not_seen(graph: MarianGraph) -> None:
    short, long = forced_states(graph, SOURCE, TARGET[:3]), forced_states(graph, SOURCE, TARGET)
    torch.testing.assert_close(short, long[:3])


def test_selected_rows_go_on_as_before(graph: MarianGraph) -> None:
    state = graph.encode(*pad([SOURCE, [7, 0], [4, 4, 0]], torch.device("cpu")))
    graph.next_logits(None, state, 0)
    chosen = state.select(torch.tensor([2, 0, 0]))
    expected = graph.next_logits(torch.tensor([8, 9, 10]), state, 1)
    found = graph.next_logits(torch.tensor([10, 8, 8]), chosen, 1)
    torch.testing.assert_close(found, expected[[2, 0, 0]])


def test_parameters_are_counted_once(graph: MarianGraph, file: MarianFile) -> None:
    assert graph.num_parameters == sum(array.size for array in file.parameters.values())
    assert (graph.vocab_size, graph.model_dim) == (VOCAB_SIZE, WIDTH)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("dec-cell", "gru", "dec-cell is 'gru', not 'ssru'"),
        ("type", "s2s", "type is 's2s', not 'transformer'"),
        ("transformer-preprocess", "n", "transformer-preprocess is 'n', not ''"),
        ("transformer-decoder-autoreg", "self-attention", "transformer-decoder-autoreg is 'self-attention', not 'rnn'"),
        ("transformer-postprocess-top", "n", "transformer-postprocess-top is 'n', not ''"),
        ("transformer-heads", None, "transformer-heads is None, not a positive number"),
        ("enc-depth", 0, "enc-depth is 0, not a positive number"),
    ],
)
def test_other_graph_is_refused(file: MarianFile, option: str, value: Any, told: str) -> None:
    other = MarianFile(file.parameters, file.architecture | {option: value})
    with pytest.raises(NmtDistillError, match=rf"model\.bin: this graph cannot be read as a teacher yet: {told}\."):
        MarianGraph(other, "model.bin")


def test_options_of_later_versions_may_be_missing(file: MarianFile) -> None:
    optional = ("transformer-postprocess-top", "transformer-no-projection", "transformer-tied-layers")
    options = {key: value for key, value in file.architecture.items() if key not in optional}
    assert MarianGraph(MarianFile(file.parameters, options), "model.bin").num_heads == 4


def test_all_that_differs_is_told_at_once(file: MarianFile) -> None:
    other = MarianFile(file.parameters, file.architecture | {"dec-cell": "gru", "tied-embeddings-all": False})
    with pytest.raises(NmtDistillError, match="dec-cell is 'gru', not 'ssru'; tied-embeddings-all is False, not True"):
        MarianGraph(other, "model.bin")


@pytest.mark.parametrize("name", ["Wemb", "encoder_l2_ffn_W2", "decoder_l1_rnn_Wf", "decoder_l2_context_Wo_ln_bias"])
def test_missing_parameter_is_named(file: MarianFile, name: str) -> None:
    rest = {key: array for key, array in file.parameters.items() if key != name}
    with pytest.raises(NmtDistillError, match=rf"model\.bin lacks 1 parameters, the first is {name}\."):
        MarianGraph(MarianFile(rest, file.architecture), "model.bin")
