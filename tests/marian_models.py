"""Small Marian models for tests: written here in Marian's own file formats, from random weights."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

FLOAT32, INTGEMM8, INT8 = 0x404, 0x4101, 0x101
ARCHITECTURE_ITEM = "special:model.yml"

FloatArray = npt.NDArray[np.float32]
Item = tuple[str, int, tuple[int, ...], bytes]
"""name, type, shape, data"""


def architecture(
    *, model_dim: int = 32, num_heads: int = 4, num_encoder_layers: int = 2, num_decoder_layers: int = 2
) -> dict[str, Any]:
    """Return the options that Marian writes into a model of the kind that is read."""
    return {
        "type": "transformer",
        "dec-cell": "ssru",
        "dim-emb": model_dim,
        "enc-depth": num_encoder_layers,
        "dec-depth": num_decoder_layers,
        "tied-embeddings-all": True,
        "transformer-decoder-autoreg": "rnn",
        "transformer-ffn-activation": "relu",
        "transformer-heads": num_heads,
        "transformer-no-projection": False,
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-postprocess-top": "",
        "transformer-preprocess": "",
        "transformer-tied-layers": [],
        "transformer-train-position-embeddings": False,
        "version": "v1.9.56",
    }


def random_parameters(
    options: Mapping[str, Any],
    *,
    vocab_size: int,
    ffn_inner_dim: int = 48,
    embedding_scale: float = 1.0,
    generator: np.random.Generator,
) -> dict[str, FloatArray]:
    """Draw all parameters of a model: matrices (in, out), vectors (1, out), as Marian shapes them."""
    width = options["dim-emb"]

    def normal(*shape: int, scale: float = 1.0) -> FloatArray:
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    parameters = {
        "Wemb": normal(vocab_size, width, scale=embedding_scale),
        "decoder_ff_logit_out_b": normal(1, vocab_size, scale=0.5),
    }

    def matrix(name: str, rows: int, columns: int) -> None:
        parameters[name] = normal(rows, columns, scale=rows**-0.5)

    def vector(name: str, size: int) -> None:
        parameters[name] = normal(1, size, scale=0.3)

    def norm(name: str) -> None:
        parameters[f"{name}_ln_scale"] = 1 + normal(1, width, scale=0.2)
        parameters[f"{name}_ln_bias"] = normal(1, width, scale=0.2)

    def attention(name: str) -> None:
        for letter in "qkvo":
            matrix(f"{name}_W{letter}", width, width)
            vector(f"{name}_b{letter}", width)
        norm(f"{name}_Wo")

    def ffn(name: str) -> None:
        matrix(f"{name}_W1", width, ffn_inner_dim)
        vector(f"{name}_b1", ffn_inner_dim)
        matrix(f"{name}_W2", ffn_inner_dim, width)
        vector(f"{name}_b2", width)
        norm(f"{name}_ffn")

    for layer in range(1, options["enc-depth"] + 1):
        attention(f"encoder_l{layer}_self")
        ffn(f"encoder_l{layer}_ffn")
    for layer in range(1, options["dec-depth"] + 1):
        matrix(f"decoder_l{layer}_rnn_W", width, width)
        matrix(f"decoder_l{layer}_rnn_Wf", width, width)
        vector(f"decoder_l{layer}_rnn_bf", width)
        norm(f"decoder_l{layer}_rnn_ffn")
        attention(f"decoder_l{layer}_context")
        ffn(f"decoder_l{layer}_ffn")
    return parameters


def float_item(name: str, array: FloatArray) -> Item:
    """Lay out a float32 item."""
    return name, FLOAT32, array.shape, array.astype("<f4").tobytes()


def intgemm8_item(name: str, array: FloatArray) -> tuple[Item, FloatArray]:
    """Quantise a matrix and lay it out: transposed, but for the embeddings; also what a reader should make of it."""
    multiplier = np.float32(127 / np.abs(array).max())
    quantized = np.rint(array * multiplier).astype(np.int8)
    stored = quantized if name == "Wemb" else quantized.T
    data = np.ascontiguousarray(stored).tobytes() + multiplier.astype("<f4").tobytes()
    return (name, INTGEMM8, array.shape, data), quantized.astype(np.float32) / multiplier


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
    path: Path, parameters: Mapping[str, FloatArray], options: Mapping[str, Any], *, quantized: Collection[str] = ()
) -> dict[str, FloatArray]:
    """Write a model, ``.npz`` or ``.bin``; return what a reader should find.

    :param quantized: names of the matrices that are kept in intgemm8 (``.bin`` only)
    """
    expected = dict(parameters)
    if path.suffix == ".npz":
        text = np.frombuffer(yaml.safe_dump(dict(options)).encode() + b"\0", dtype=np.int8)
        np.savez(path, **parameters, **{ARCHITECTURE_ITEM: text})  # type: ignore[arg-type]
        return expected
    items = []
    for name, array in parameters.items():
        if name in quantized:
            item, expected[name] = intgemm8_item(name, array)
            items += [item, float_item(f"{name}_QuantMultA", np.full((1, 1), 63.5, dtype=np.float32))]
        else:
            items.append(float_item(name, array))
    path.write_bytes(binary([*items, architecture_item(dict(options))]))
    return expected
