"""Marian's model files: float32 ``.npz`` and float32 or quantised ``.bin`` (version 1) read into named matrices.

The binary layout is little endian: two uint64 (version, number of items), one header of four uint64 per item (bytes of
the name with its NUL, type, number of dimensions, bytes of the data), all names, all shapes (int32 per dimension), one
uint64 with the number of padding bytes and that padding, then all data (marian-dev, ``src/common/binary.cpp``).
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from nmt_distill.errors import NmtDistillError

FLOAT32, INT8 = 0x404, 0x101
INTGEMM8 = (0x4101, 0x10101)
"""the number that browsermt's branch of Marian writes (Bergamot, Firefox), and Marian's own since 1.10"""
_ARCHITECTURE = "special:model.yml"
_EMBEDDING = "Wemb"
_ACTIVATION_SCALE = "_QuantMultA"

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MarianFile:
    """The contents of one model file."""

    parameters: dict[str, FloatArray]
    """by Marian's names, in float32; a matrix W of shape (in, out) is applied as x W"""
    architecture: dict[str, Any]
    """Marian's options, as the file tells them"""


def read_marian_file(path: Path) -> MarianFile:
    """Read a ``.npz`` or ``.bin`` model; quantised matrices come back as float32.

    :raises NmtDistillError: if the file is missing, truncated, of another format, or holds a type that is not known
    """
    if not path.is_file():
        raise NmtDistillError(f"{path} does not exist; `teacher.model` must name a Marian model (.bin or .npz).")
    try:
        parameters, text = _read_npz(path) if path.suffix == ".npz" else _read_binary(path)
    except (struct.error, zipfile.BadZipFile, EOFError, ValueError, UnicodeDecodeError) as error:
        raise NmtDistillError(
            f"{path} is truncated or no Marian model of version 1 ({error}); fetch it again."
        ) from None
    try:
        architecture = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NmtDistillError(f"{path}: the item {_ARCHITECTURE} is not YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(architecture, dict):
        raise NmtDistillError(f"{path}: the item {_ARCHITECTURE} is missing, so the architecture cannot be known.")
    return MarianFile(parameters=parameters, architecture=architecture)


def _read_npz(path: Path) -> tuple[dict[str, FloatArray], str]:
    parameters, text = {}, ""
    archive = np.load(path, allow_pickle=False)
    if isinstance(archive, np.ndarray):
        raise ValueError("it is no archive")
    with archive:
        for name in archive.files:
            if name == _ARCHITECTURE:
                text = _text(archive[name].tobytes())
            elif not name.endswith(_ACTIVATION_SCALE):
                parameters[name] = np.asarray(archive[name], dtype=np.float32)
    return parameters, text


def _read_binary(path: Path) -> tuple[dict[str, FloatArray], str]:
    content = path.read_bytes()
    version, num_items = struct.unpack_from("<2Q", content, 0)
    if version != 1:
        raise ValueError(f"its version is {version}")
    if num_items > len(content) // 32:
        raise ValueError(f"it claims {num_items} items")
    headers = [struct.unpack_from("<4Q", content, 16 + 32 * index) for index in range(num_items)]
    offset = 16 + 32 * num_items
    names = []
    for name_length, *_ in headers:
        names.append(content[offset : offset + name_length - 1].decode("utf-8"))
        offset += name_length
    shapes = []
    for _, _, num_dimensions, _ in headers:
        shapes.append(struct.unpack_from(f"<{num_dimensions}i", content, offset))
        offset += 4 * num_dimensions
    (padding,) = struct.unpack_from("<Q", content, offset)
    offset += 8 + padding
    parameters, text = {}, ""
    for name, (_, kind, _, data_length), shape in zip(names, headers, shapes, strict=True):
        data = content[offset : offset + data_length]
        if len(data) < data_length:
            raise ValueError(f"the data of {name} ends after {len(data)} of {data_length} bytes")
        offset += data_length
        if name == _ARCHITECTURE:
            text = _text(data)
        elif not name.endswith(_ACTIVATION_SCALE):
            parameters[name] = _matrix(name, kind, shape, data)
    return parameters, text


def _matrix(name: str, kind: int, shape: tuple[int, ...], data: bytes) -> FloatArray:
    size = int(np.prod(shape))
    if kind == FLOAT32:
        return np.frombuffer(data, dtype="<f4", count=size).reshape(shape).copy()
    if kind in INTGEMM8:
        quantized = np.frombuffer(data, dtype=np.int8, count=size)
        (multiplier,) = np.frombuffer(data, dtype="<f4", count=1, offset=size)
        weights: FloatArray = quantized.astype(np.float32) / multiplier
        return weights.reshape(shape) if _EMBEDDING in name else weights.reshape(shape[::-1]).T.copy()
    known = " or ".join(f"{number:#x}" for number in INTGEMM8)
    raise ValueError(f"{name} is of type {kind:#x}; float32 ({FLOAT32:#x}) and intgemm8 ({known}) are read")


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8")
