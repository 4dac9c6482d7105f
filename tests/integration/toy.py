"""A toy language pair that takes learning, and a teacher that has learned it, as Marian would have written it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

Pair = tuple[str, str]

MODEL_DIM, FFN_DIM, NUM_HEADS, NUM_ENCODER_LAYERS, NUM_DECODER_LAYERS = 64, 128, 4, 2, 1
ARCHITECTURE = {
    "type": "transformer",
    "enc-depth": NUM_ENCODER_LAYERS,
    "dec-depth": NUM_DECODER_LAYERS,
    "dec-cell": "ssru",
    "transformer-heads": NUM_HEADS,
    "transformer-decoder-autoreg": "rnn",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-ffn-activation": "relu",
    "transformer-train-position-embeddings": False,
    "tied-embeddings-all": True,
}


@dataclass(frozen=True)
class ToyLanguage:
    """Words with one translation each; the adjective goes behind its noun, and the verb to the end."""

    determiners: tuple[Pair, ...]
    adjectives: tuple[Pair, ...]
    nouns: tuple[Pair, ...]
    verbs: tuple[Pair, ...]

    @classmethod
    def invent(cls, seed: int) -> ToyLanguage:
        """Make up words out of syllables."""
        generator = random.Random(seed)
        words: set[str] = set()
        while len(words) < 2 * (3 + 8 + 14 + 8):
            words.add("".join(generator.choice("bdfgklmnprstvz") + generator.choice("aeiou") for _ in range(3)))
        stock = sorted(words)
        generator.shuffle(stock)
        pairs = iter(list(zip(stock[::2], stock[1::2], strict=True)))
        determiners, adjectives, nouns, verbs = (tuple(next(pairs) for _ in range(number)) for number in (3, 8, 14, 8))
        return cls(determiners, adjectives, nouns, verbs)

    def sentences(self, number: int, seed: int) -> list[Pair]:
        """Draw distinct sentences with their translations."""
        generator = random.Random(seed)
        found: dict[str, str] = {}
        while len(found) < number:
            subject, verb, thing = self._phrase(generator), generator.choice(self.verbs), self._phrase(generator)
            source = [word for phrase in (subject, [verb], thing) for word, _ in phrase]
            target = [word for phrase in (subject, thing) for word in self._reordered(phrase)] + [verb[1]]
            found.setdefault(" ".join(source), " ".join(target))
        return list(found.items())

    def _phrase(self, generator: random.Random) -> list[Pair]:
        adjective = [generator.choice(self.adjectives)] if generator.random() < 0.5 else []
        return [generator.choice(self.determiners), *adjective, generator.choice(self.nouns)]

    @staticmethod
    def _reordered(phrase: list[Pair]) -> list[str]:
        determiner, *adjectives, noun = (word for _, word in phrase)
        return [determiner, noun, *adjectives]


def train_vocabulary(pairs: list[Pair], path: Path) -> Path:
    """Write one SentencePiece model for both sides: ``</s>``, then ``<unk>``.

    Every word becomes a piece, so that sentences are short; the trainer's own pieces are what trimming takes away.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    prefix = path.with_suffix("")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text for pair in pairs for text in pair),
        model_prefix=str(prefix),
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=1.0,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto()
    model.ParseFromString(prefix.with_suffix(".model").read_bytes())
    known = {piece.piece for piece in model.pieces}
    for word in sorted({f"▁{word}" for pair in pairs for text in pair for word in text.split()} - known):
        model.pieces.add(piece=word, score=-4.0)
    path.write_bytes(model.SerializeToString())
    for suffix in (".model", ".vocab"):
        prefix.with_suffix(suffix).unlink()
    return path


def random_marian(vocab_size: int, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Make the parameters of a Marian model by their names there: matrices (in, out), vectors (1, out)."""
    generator = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> npt.NDArray[np.float32]:
        drawn: npt.NDArray[np.float64] = generator.standard_normal((rows, columns)) * (2 / (rows + columns)) ** 0.5
        return drawn.astype(np.float32)

    def vector(value: float, size: int = MODEL_DIM) -> npt.NDArray[np.float32]:
        return np.full((1, size), value, dtype=np.float32)

    embeddings = generator.standard_normal((vocab_size, MODEL_DIM)) * MODEL_DIM**-0.5
    parameters = {"Wemb": embeddings.astype(np.float32), "decoder_ff_logit_out_b": vector(0, vocab_size)}
    layers = [(f"encoder_l{layer + 1}", "self") for layer in range(NUM_ENCODER_LAYERS)]
    layers += [(f"decoder_l{layer + 1}", "context") for layer in range(NUM_DECODER_LAYERS)]
    for name, attention in layers:
        for letter in "qkvo":
            parameters[f"{name}_{attention}_W{letter}"] = matrix(MODEL_DIM, MODEL_DIM)
            parameters[f"{name}_{attention}_b{letter}"] = vector(0)
        parameters |= {f"{name}_ffn_W1": matrix(MODEL_DIM, FFN_DIM), f"{name}_ffn_b1": vector(0, FFN_DIM)}
        parameters |= {f"{name}_ffn_W2": matrix(FFN_DIM, MODEL_DIM), f"{name}_ffn_b2": vector(0)}
        norms = [f"{name}_{attention}_Wo", f"{name}_ffn_ffn"]
        if attention == "context":
            parameters |= {f"{name}_rnn_W{letter}": matrix(MODEL_DIM, MODEL_DIM) for letter in ("", "f")}
            parameters[f"{name}_rnn_bf"] = vector(0)
            norms.append(f"{name}_rnn_ffn")
        for norm in norms:
            parameters |= {f"{norm}_ln_scale": vector(1), f"{norm}_ln_bias": vector(0)}
    return parameters


def write_marian(path: Path, parameters: dict[str, npt.NDArray[np.float32]]) -> None:
    """Write Marian's ``.npz``, the architecture as YAML among the matrices."""
    text = yaml.safe_dump(ARCHITECTURE).encode("utf-8") + b"\0"
    items: dict[str, Any] = {"special:model.yml": np.frombuffer(text, dtype=np.int8), **parameters}
    with path.open("wb") as stream:
        np.savez(stream, **items)


def train_marian(
    pairs: list[Pair], vocabulary: Path, *, seed: int, num_steps: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Teach a Marian model the pairs by plain likelihood, through the graph that reads teachers."""
    import torch
    import torch.nn.functional as F

    from nmt_distill.teacher.marian.file import MarianFile
    from nmt_distill.teacher.marian.graph import MarianGraph, pad
    from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

    processor = load_sentencepiece(vocabulary)
    parameters = random_marian(processor.vocab_size(), seed)
    graph = MarianGraph(MarianFile(parameters, dict(ARCHITECTURE)), "toy")
    fused = [f"decoder_l{layer + 1}_rnn_W_and_Wf" for layer in range(NUM_DECODER_LAYERS)]
    trained = {name: tensor.requires_grad_() for name, tensor in graph.named_buffers()}
    optimizer = torch.optim.Adam(trained.values(), betas=(0.9, 0.98))
    ids = [[[*processor.encode(text), processor.eos_id()] for text in pair] for pair in pairs]
    generator = random.Random(seed)
    for step in range(num_steps):
        batch = generator.sample(ids, 64)
        source, source_mask = pad([source for source, _ in batch], torch.device("cpu"))
        target, target_mask = pad([target for _, target in batch], torch.device("cpu"))
        states = graph.decode(target.roll(1, dims=1), graph.encode(source, source_mask), length=target.shape[1])
        loss = F.cross_entropy(graph.logits(states[target_mask]), target[target_mask])
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min((step + 1) / 40, (num_steps - step) / num_steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
    learned = {name: tensor.detach().numpy() for name, tensor in trained.items()}
    for name in fused:  # both products of the cell are one matrix in memory, two in the file
        cell = name.removesuffix("_W_and_Wf")
        learned[f"{cell}_W"], learned[f"{cell}_Wf"] = np.split(learned.pop(name), 2)
    for name, matrix in learned.items():
        written = matrix.T if matrix.ndim == 2 and name != "Wemb" else matrix
        parameters[name] = np.ascontiguousarray(written).reshape(parameters[name].shape)
    return parameters
