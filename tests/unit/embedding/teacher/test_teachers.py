"""Teachers of sentence vectors against what makes their vectors by another way."""

from __future__ import annotations

import shlex
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt_distill.corpus.wheels import WheelConfig
from nmt_distill.embedding.teacher.command import CommandEncoder
from nmt_distill.embedding.teacher.transformers_encoder import TransformersEncoder, pool
from nmt_distill.embedding.teacher.translation_encoder import TranslationEncoder
from nmt_distill.embedding.teacher.wheel import WheelEncoder
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import sha256_of
from nmt_distill.languages import Direction
from nmt_distill.teacher.marian.teacher import MarianTeacher
from nmt_distill.translation.engine import available_cores

LENGTHS = "import sys\nfor line in sys.stdin: print({})"


def program(answer: str) -> str:
    return shlex.join([sys.executable, "-c", LENGTHS.format(answer)])


class TestPooling:
    states = torch.tensor([[[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]], [[2.0, 0.0], [0.0, 2.0], [4.0, 4.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])

    @pytest.mark.parametrize(
        ("pooling", "expected"),
        [
            ("mean", [[2.0, 2.0], [2.0, 2.0]]),
            ("first_token", [[1.0, 0.0], [2.0, 0.0]]),
            ("last_token", [[3.0, 4.0], [4.0, 4.0]]),
        ],
    )
    def test_by_hand(self, pooling: Any, expected: list[list[float]]) -> None:
        assert pool(self.states, self.mask, pooling, normalize=False).tolist() == expected

    def test_length_1(self) -> None:
        assert pool(self.states, self.mask, "last_token", normalize=True)[0].tolist() == pytest.approx([0.6, 0.8])


def test_encoder_of_a_translation_model_of_transformers(toy_student: Path) -> None:
    sentences = ["turn on the light", "close", "set temperature to degrees please"]
    encoder = TransformersEncoder(str(toy_student), normalize=False, batch_tokens=8)
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(toy_student)
    model = AutoModelForSeq2SeqLM.from_pretrained(toy_student).eval().get_encoder()
    with torch.inference_mode():
        expected = [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0) for text in sentences
        ]
    assert np.abs(encoder.embed(sentences) - torch.stack(expected).numpy()).max() < 1e-5
    other = TransformersEncoder(str(toy_student), normalize=False, pooling="last_token")
    assert other.fingerprint != encoder.fingerprint
    assert not np.allclose(other.embed(sentences), encoder.embed(sentences))
    prefixed = TransformersEncoder(str(toy_student), normalize=False, prefix="turn ")
    assert np.allclose(prefixed.embed(["on"]), encoder.embed(["turn on"]), atol=1e-5)
    with pytest.raises(NmtDistillError, match=r"a sentence has \d+ tokens, but .* is given at most 3 \(embedding\."):
        TransformersEncoder(str(toy_student), max_tokens=3).embed(["turn on the light in kitchen"])


def test_decoder_only_model_is_pooled_at_its_last_token(tmp_path: Path, toy_sentencepiece: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    words = {"<pad>": 0, "<unk>": 1, "turn": 2, "on": 3, "off": 4, "light": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path)
    model = LlamaModel(
        LlamaConfig(
            vocab_size=6,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    ).eval()
    model.save_pretrained(tmp_path)
    encoder = TransformersEncoder(str(tmp_path), pooling="last_token", normalize=False)
    found = encoder.embed(["turn on", "turn on light off"])
    with torch.inference_mode():
        expected = [model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1] for ids in ([2, 3], [2, 3, 5, 4])]
    assert np.abs(found - torch.stack(expected).numpy()).max() < 1e-5


def test_encoder_of_a_marian_teacher(tiny_marian: Path) -> None:
    teacher = MarianTeacher(
        tiny_marian / "model.bin",
        tiny_marian / "vocab.spm",
        direction=Direction(source="en", target="de"),
        origin="o",
        licence="l",
    )
    sentences = ["turn on the light", "close"]
    raw = TranslationEncoder(teacher, normalize=False)
    hidden: list[torch.Tensor] = []
    with torch.inference_mode():
        for ids in teacher.encode(sentences):
            teacher.graph.encode(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool), hidden=hidden)
    layers = teacher.graph.num_encoder_layers + 1
    expected = np.stack([states[0].mean(dim=0).numpy() for states in hidden[layers - 1 :: layers]])
    assert np.abs(raw.embed(sentences) - expected).max() < 1e-5
    unit = TranslationEncoder(teacher)
    assert np.linalg.norm(unit.embed(sentences), axis=1).tolist() == pytest.approx([1, 1])
    assert unit.fingerprint != raw.fingerprint


@pytest.mark.parametrize("answer", ["[len(line), 0.5]", "len(line), 0.5", "'%d\\t0.5' % len(line)"])
def test_program_may_write_json_or_numbers(answer: str) -> None:
    encoder = CommandEncoder(program(answer), mode="batch", timeout_seconds=60)
    assert encoder.embed(["abc", "a"]).tolist() == [[4, 0.5], [2, 0.5]]
    encoder.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("'hello'", r"answered `abc` with `hello`, but must write a JSON list of numbers"),
        ("'[1, [2]]'", r"must write a JSON list of numbers"),
        ("'1 ' * len(line)", r"answered `a` with 2 numbers, but the line before with 4"),
    ],
)
def test_program_that_writes_something_else_is_refused(answer: str, message: str) -> None:
    with pytest.raises(NmtDistillError, match=message):
        CommandEncoder(program(answer), mode="batch", timeout_seconds=60).embed(["abc", "a"])


def make_wheel(cache: Path, code: str) -> WheelConfig:
    cache.mkdir(exist_ok=True)
    path = cache / "toy_vectors-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toyvectors_of_a_test/__init__.py", code)
        archive.writestr("toyvectors_of_a_test/data.py", "WIDTH = 3\n")
        archive.writestr("toy_vectors.libs/libtoy.so", "a library")
    return WheelConfig(package="toy-vectors", version="1.0", sha256=sha256_of(path))


def test_pinned_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path / "cache"))
    code = (
        "import numpy as np\nfrom .data import WIDTH\n"
        "class Model:\n    def encode(self, texts):\n        return np.array([[len(t)] * WIDTH for t in texts])\n"
    )
    wheel = make_wheel(tmp_path / "cache", code)
    encoder = WheelEncoder(wheel, module="toyvectors_of_a_test", factory="Model", method="encode")
    assert encoder.embed(["abc", "a"]).tolist() == [[3, 3, 3], [1, 1, 1]]
    (library,) = (tmp_path / "cache").glob("*/toy_vectors.libs/libtoy.so")
    assert (library.parents[1] / "toyvectors_of_a_test" / "data.py").is_file(), "they must lie side by side"
    with pytest.raises(NmtDistillError, match=r"its Model has no `query`; correct embedding\.teacher\.method"):
        WheelEncoder(wheel, module="toyvectors_of_a_test", factory="Model", method="query")
    with pytest.raises(NmtDistillError, match=r"its package toyvectors_of_a_test has no `Modell`"):
        WheelEncoder(wheel, module="toyvectors_of_a_test", factory="Modell", method="encode")
    monkeypatch.delitem(sys.modules, "toyvectors_of_a_test", raising=False)


def test_a_model_of_a_wheel_has_no_more_threads_than_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path / "cache"))
    code = (
        "import numpy as np\n"
        "class Model:\n    def __init__(self, threads=99):\n        self.threads = threads\n"
        "    def encode(self, texts):\n        return np.full((len(texts), 1), self.threads)\n"
    )
    encoder = WheelEncoder(
        make_wheel(tmp_path / "cache", code), module="toyvectors_of_a_test", factory="Model", method="encode"
    )
    assert encoder.embed(["abc"]).tolist() == [[available_cores()]]
    monkeypatch.delitem(sys.modules, "toyvectors_of_a_test", raising=False)


def test_wheel_that_lacks_something_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path / "cache"))
    wheel = make_wheel(tmp_path / "cache", "import a_library_that_nobody_has\n")
    with pytest.raises(NmtDistillError, match=r"cannot be imported \(No module named .* install what it needs"):
        WheelEncoder(wheel, module="toyvectors_of_a_test", factory="Model", method="encode")
