"""Small Marian models for tests: written here in Marian's own file formats, from random weights."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

FLOAT32, INTGEMM8, INT8 = 0x404, 0x4101, 0x101
ARCHITECTURE_ITEM = "special:model.yml"

SELF_ATTENTION = {"transformer-decoder-autoreg": "self-attention", "dec-cell": "gru"}
"""options of a decoder as other Transformers have it"""
PRE_NORM = {"transformer-preprocess": "n", "transformer-postprocess": "da", "transformer-postprocess-top": "n"}
"""options of Marian's tasks ``transformer-*-prenorm``"""
SEPARATE_TABLES = {"tied-embeddings-all": False, "tied-embeddings": True}
"""options of a model with one table for the source and one for target and output"""
UNTIED = {"tied-embeddings-all": False, "tied-embeddings": False}
"""options of a model with three tables"""

FloatArray = npt.NDArray[np.float32]
Item = tuple[str, int, tuple[int, ...], bytes]
"""name, type, shape, data"""


def architecture(
    settings: Mapping[str, Any] | None = None,
    *,
    model_dim: int = 32,
    num_heads: int = 4,
    num_encoder_layers: int = 2,
    num_decoder_layers: int = 2,
) -> dict[str, Any]:
    """Return the options that Marian writes into a model, by default those of Bergamot's small students.

    :param settings: options that are other
    """
    return {
        "type": "transformer",
        "dec-cell": "ssru",
        "dim-emb": model_dim,
        "enc-depth": num_encoder_layers,
        "dec-depth": num_decoder_layers,
        "layer-normalization": False,
        "right-left": False,
        "special-vocab": None,
        "tied-embeddings": False,
        "tied-embeddings-all": True,
        "tied-embeddings-src": False,
        "transformer-decoder-autoreg": "rnn",
        "transformer-ffn-activation": "relu",
        "transformer-ffn-depth": 2,
        "transformer-guided-alignment-layer": "last",
        "transformer-heads": num_heads,
        "transformer-no-projection": False,
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-postprocess-top": "",
        "transformer-preprocess": "",
        "transformer-tied-layers": [],
        "transformer-train-position-embeddings": False,
        "version": "v1.9.56",
    } | dict(settings or {})


def random_parameters(
    options: Mapping[str, Any],
    *,
    vocab_size: int,
    source_vocab_size: int | None = None,
    ffn_inner_dim: int = 48,
    decoder_ffn_inner_dim: int | None = None,
    embedding_scale: float = 1.0,
    generator: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draw all parameters of a model: matrices (in, out), vectors (1, out), as Marian shapes them."""
    width = options["dim-emb"]
    parameters = {}

    def normal(*shape: int, scale: float = 1.0) -> FloatArray:
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    def matrix(name: str, rows: int, columns: int) -> None:
        parameters[name] = normal(rows, columns, scale=rows**-0.5)

    def vector(name: str, size: int) -> None:
        parameters[name] = normal(1, size, scale=0.3)

    def norm(name: str) -> None:
        parameters[f"{name}_ln_scale"] = 1 + normal(1, width, scale=0.2)
        parameters[f"{name}_ln_bias"] = normal(1, width, scale=0.2)

    def norms(before: str, after: str) -> None:
        if "n" in options["transformer-preprocess"]:
            for part in ("scale", "bias"):
                parameters[f"{before}_ln_{part}_pre"] = (part == "scale") + normal(1, width, scale=0.2)
        if "n" in options["transformer-postprocess"]:
            norm(after)

    def attention(name: str) -> None:
        for letter in "qkvo":
            matrix(f"{name}_W{letter}", width, width)
            vector(f"{name}_b{letter}", width)
        norms(f"{name}_Wo", f"{name}_Wo")

    def ffn(name: str, inner_dim: int) -> None:
        matrix(f"{name}_W1", width, inner_dim)
        vector(f"{name}_b1", inner_dim)
        matrix(f"{name}_W2", inner_dim, width)
        vector(f"{name}_b2", width)
        norms(f"{name}_ffn", f"{name}_ffn")

    def cell(name: str) -> None:
        matrix(f"{name}_W", width, width)
        matrix(f"{name}_Wf", width, width)
        vector(f"{name}_bf", width)
        norms(name, f"{name}_ffn")

    if options["tied-embeddings-all"] or options["tied-embeddings-src"]:
        parameters["Wemb"] = normal(vocab_size, width, scale=embedding_scale)
    else:
        parameters["encoder_Wemb"] = normal(source_vocab_size or vocab_size, width, scale=embedding_scale)
        parameters["decoder_Wemb"] = normal(vocab_size, width, scale=embedding_scale)
    if not (options["tied-embeddings-all"] or options["tied-embeddings"]):
        parameters["decoder_ff_logit_out_Wt"] = normal(vocab_size, width, scale=embedding_scale)
    parameters["decoder_ff_logit_out_b"] = normal(1, vocab_size, scale=0.5)
    for part in ("encoder", "decoder"):
        if "n" in options["transformer-postprocess-emb"]:
            parameters[f"{part}_emb_ln_scale_pre"] = 1 + normal(1, width, scale=0.2)
            parameters[f"{part}_emb_ln_bias_pre"] = normal(1, width, scale=0.2)
        if "n" in options["transformer-postprocess-top"]:
            norm(f"{part}_top")
    for layer in range(1, options["enc-depth"] + 1):
        attention(f"encoder_l{layer}_self")
        ffn(f"encoder_l{layer}_ffn", ffn_inner_dim)
    for layer in range(1, options["dec-depth"] + 1):
        if options["transformer-decoder-autoreg"] == "rnn":
            cell(f"decoder_l{layer}_rnn")
        else:
            attention(f"decoder_l{layer}_self")
        attention(f"decoder_l{layer}_context")
        ffn(f"decoder_l{layer}_ffn", decoder_ffn_inner_dim or ffn_inner_dim)
    return parameters


def float_item(name: str, array: FloatArray) -> Item:
    """Lay out a float32 item."""
    return name, FLOAT32, array.shape, array.astype("<f4").tobytes()


def intgemm8_item(name: str, array: FloatArray, kind: int = INTGEMM8) -> tuple[Item, FloatArray]:
    """Quantise a matrix and lay it out: transposed, but for the embeddings; also what a reader should make of it.

    :param kind: the number of the type
    """
    multiplier = np.float32(127 / np.abs(array).max())
    quantized = np.rint(array * multiplier).astype(np.int8)
    stored = quantized if "Wemb" in name else quantized.T
    data = np.ascontiguousarray(stored).tobytes() + multiplier.astype("<f4").tobytes()
    return (name, kind, array.shape, data), quantized.astype(np.float32) / multiplier


def architecture_item(options: Any) -> Item:
    """Lay out the architecture: YAML and a NUL."""
    text = options if isinstance(options, bytes) else yaml.safe_dump(options).encode() + b"\0"
    return ARCHITECTURE_ITEM, INT8, (len(text),), text


def binary(items: list[Item], *, version: int = 1, padding: int = 5) -> bytes:
    """Put items into one file of Marian's binary format."""
    parts = [struct.pack("<2Q", version, len(items))]
    parts += [
        struct.pack("<4Q", len(name.encode()) + 1, kind, len(shape), len(data)) for name, kind, shape, data in items
    ]
    parts += [name.encode() + b"\0" for name, *_ in items]
    parts += [struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in items]
    parts += [struct.pack("<Q", padding), b"\xff" * padding]
    parts += [data for *_, data in items]
    return b"".join(parts)


def write_marian_model(
    path: Path,
    parameters: Mapping[str, FloatArray],
    options: Mapping[str, Any],
    *,
    quantized: Collection[str] = (),
    kind: int = INTGEMM8,
) -> dict[str, FloatArray]:
    """Write a model, ``.npz`` or ``.bin``; return what a reader should find.

    :param quantized: names of the matrices that are kept in intgemm8 (``.bin`` only)
    :param kind: the number of that type
    """
    expected = dict(parameters)
    if path.suffix == ".npz":
        text = np.frombuffer(yaml.safe_dump(dict(options)).encode() + b"\0", dtype=np.int8)
        np.savez(path, **parameters, **{ARCHITECTURE_ITEM: text})  # type: ignore[arg-type]
        return expected
    items = []
    for name, array in parameters.items():
        if name in quantized:
            item, expected[name] = intgemm8_item(name, array, kind)
            items += [item, float_item(f"{name}_QuantMultA", np.full((1, 1), 63.5, dtype=np.float32))]
        else:
            items.append(float_item(name, array))
    path.write_bytes(binary([*items, architecture_item(dict(options))]))
    return expected


def write_piece_ids(path: Path, pieces: Sequence[str]) -> Path:
    """Write the list of pieces and ids that Marian makes of a vocabulary, and return its path."""
    quoted = ["".join(f"\\{letter}" if letter in '"\\' else letter for letter in piece) for piece in pieces]
    path.write_text("".join(f'"{piece}": {token}\n' for token, piece in enumerate(quoted)), encoding="utf-8")
    return path
