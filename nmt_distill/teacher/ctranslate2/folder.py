"""The folder of a converted CTranslate2 model: what is in it, and how a transformers model becomes one."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import ctranslate2

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder, fingerprint, read_json, read_lines, write_json
from nmt_distill.lock import locked
from nmt_distill.progress import say

MODEL_FILE = "model.bin"
CONFIG_FILE = "config.json"
PADDING = ("<pad>", "<blank>")
"""names of the piece that fills batches up, which no translation has"""
_BINARY_VERSION = 6
_FORMAT = 1
"""of what :func:`converted` leaves in its cache"""


@dataclass(frozen=True)
class ConvertedModel:
    """A CTranslate2 folder of an encoder-decoder, as far as it can be read without its weights."""

    path: Path
    source_names: list[str]
    """(source vocabulary,) the piece of each id"""
    target_names: list[str]
    """(target vocabulary,) the piece of each id"""
    end: str
    """the piece that ends a sentence"""
    unknown: str
    """the piece for what no piece covers"""
    adds_source_end: bool
    """whether CTranslate2 itself puts the end behind the source"""

    @cached_property
    def source_ids(self) -> dict[str, int]:
        """The id of each piece of the source."""
        return {name: index for index, name in reversed([*enumerate(self.source_names)])}

    @cached_property
    def target_ids(self) -> dict[str, int]:
        """The id of each piece of the target."""
        return {name: index for index, name in reversed([*enumerate(self.target_names)])}

    @cached_property
    def _tensors(self) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
        return read_shapes(self.path / MODEL_FILE)

    @property
    def num_parameters(self) -> int | None:
        """Parameters, a shared table counted once, tables of positions left out; None where they cannot be counted."""
        shapes, _ = self._tensors
        weights = [
            math.prod(shape) for name, shape in shapes.items() if shape and not name.endswith(("_scale", "/encodings"))
        ]
        return sum(weights) or None

    @property
    def positions(self) -> tuple[int | None, int | None]:
        """Positions of source and target; None where there is no limit, or none that could be read."""
        shapes, aliases = self._tensors
        names = [f"{part}/position_encodings/encodings" for part in ("encoder", "decoder")]
        source, target = (shapes[found][0] if (found := aliases.get(name, name)) in shapes else None for name in names)
        return source, target


def read_converted(path: Path) -> ConvertedModel:
    """Read what a CTranslate2 folder says of itself.

    :raises NmtDistillError: if it is no such folder, or a file in it is damaged
    """
    if not (path / MODEL_FILE).is_file():
        raise NmtDistillError(
            f"{path} is not the folder of a CTranslate2 model (no {MODEL_FILE}); convert the model, or give its folder."
        )
    config = read_json(path / CONFIG_FILE) if (path / CONFIG_FILE).is_file() else {}
    if not isinstance(config, dict):
        raise NmtDistillError(f"{path / CONFIG_FILE} must hold a JSON object; convert the model again.")
    shared = _read_vocabulary(path, "shared_vocabulary")
    source, target = shared or _read_vocabulary(path, "source_vocabulary"), shared
    target = target or _read_vocabulary(path, "target_vocabulary")
    if source is None or target is None:
        raise NmtDistillError(
            f"{path} has no vocabulary of source and target (such as shared_vocabulary.json): it is not the folder of "
            "a translation model."
        )
    end, unknown = str(config.get("eos_token", "</s>")), str(config.get("unk_token", "<unk>"))
    for piece in (end, unknown):
        if piece not in source or piece not in target:
            raise NmtDistillError(f"{path}: its vocabulary lacks {piece}, which {CONFIG_FILE} names; convert it again.")
    return ConvertedModel(path, source, target, end, unknown, bool(config.get("add_source_eos", False)))


def _read_vocabulary(path: Path, name: str) -> list[str] | None:
    if (file := path / f"{name}.json").is_file():
        return [str(piece) for piece in read_json(file)]
    return list(read_lines(file)) if (file := path / f"{name}.txt").is_file() else None


def read_shapes(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Read the shapes of the tensors in a ``model.bin``; nothing of a version of that format that is not known.

    :returns: the shape of each tensor, and for each other name of one the name that it has there
    :raises NmtDistillError: if the file ends too early
    """
    try:
        with path.open("rb") as stream:
            if _number(stream, "I") != _BINARY_VERSION:
                return {}, {}
            _text(stream)
            _number(stream, "I")
            shapes: dict[str, tuple[int, ...]] = {}
            for _ in range(_number(stream, "I")):
                name = _text(stream)
                shapes[name] = tuple(_number(stream, "I") for _ in range(_number(stream, "B")))
                _number(stream, "B")
                stream.seek(_number(stream, "I"), io.SEEK_CUR)
            return shapes, {_text(stream): _text(stream) for _ in range(_number(stream, "I"))}
    except (struct.error, UnicodeDecodeError):
        raise NmtDistillError(f"{path} is damaged; convert or copy the model again.") from None


def _number(stream: IO[bytes], kind: str) -> int:
    number: int = struct.unpack(f"<{kind}", stream.read(struct.calcsize(f"<{kind}")))[0]
    return number


def _text(stream: IO[bytes]) -> str:
    return stream.read(_number(stream, "H")).rstrip(b"\0").decode()


def converted(
    model_folder: Path, cache_folder: Path, *, hashes: Sequence[str], start_id: int, end_id: int
) -> Path | None:
    """Convert a transformers model for CTranslate2, or find it in the cache; None, with a message, where that fails.

    Weights keep the precision that they are stored in. Pieces are named by their numbers, so that no tokenizer is
    needed and none can be out of step with the weights; only padding has a name, by which it is known.

    :param cache_folder: gets a folder named by a fingerprint; processes that want the same one wait for the first
    :param hashes: what names the contents of the model's folder
    :param start_id: the token before the first of a translation
    """
    name = fingerprint([_FORMAT, ctranslate2.__version__, list(hashes), start_id, end_id])
    folder = cache_folder / name
    cache_folder.mkdir(parents=True, exist_ok=True)
    with locked(cache_folder / f"{name}.lock", wait=True):
        if folder.is_dir():
            return folder
        say(f"converting {model_folder} for CTranslate2, once")
        try:
            with atomic_folder(folder) as partial:
                _convert(model_folder, partial, start_id=start_id, end_id=end_id)
        except _NotConvertibleError as error:
            say(
                f"CTranslate2 {ctranslate2.__version__} cannot convert {model_folder} ({error}); transformers searches "
                "in its place, several times as slowly."
            )
            return None
    return folder


class _NotConvertibleError(Exception):
    """Why CTranslate2 cannot run a model."""


def _convert(model_folder: Path, folder: Path, *, start_id: int, end_id: int) -> None:
    from ctranslate2.converters import TransformersConverter

    from nmt_distill.teacher.transformers.checkpoint import quiet

    class Converter(TransformersConverter):  # type: ignore[misc]
        """Theirs, with numbers for a tokenizer."""

        names: list[str]

        def load_model(self, *arguments: Any, **settings: Any) -> Any:
            model = super().load_model(*arguments, **settings)
            _complete(model.config)
            if model.config.model_type == "marian" and model.get_decoder().embed_tokens.weight[start_id].any():
                raise _NotConvertibleError(
                    "the embedding of padding, its first token, has drifted from zero, where CTranslate2 starts"
                )
            padding = model.config.pad_token_id
            self.names = _numbers(model.config.vocab_size, padding=None if padding == end_id else padding)
            return model

        def load_tokenizer(self, *_: Any, **__: Any) -> _Numbers:
            return _Numbers(self.names, end_id=end_id)

    converter = Converter(str(model_folder))
    try:
        with quiet():
            converter.convert(str(folder), force=True)
    except (OSError, _NotConvertibleError):
        raise
    except Exception as error:  # whatever a model that it was not made for makes it do
        raise _NotConvertibleError(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from None
    model = read_converted(folder)
    names, num_names = converter.names, len(model.target_names)
    if model.target_names != names[:num_names] or names[num_names:] not in ([], [PADDING[0]]):
        raise _NotConvertibleError("its vocabulary comes out in another order")
    if names[start_id] in model.target_ids:
        config = read_json(folder / CONFIG_FILE)
        write_json(folder / CONFIG_FILE, config | {"decoder_start_token": names[start_id]})


def _complete(config: Any) -> None:
    """Tell CTranslate2's converter what it looks for in configurations that transformers 5 no longer keeps there."""
    if config.model_type == "mbart":
        config.normalize_before = True
    elif config.model_type == "mt5":
        config.tie_word_embeddings = False
    elif hasattr(config, "scale_decoder_outputs"):  # T5; the converter scales where tables are tied
        config.tie_word_embeddings = config.scale_decoder_outputs


def _numbers(vocab_size: int, *, padding: int | None) -> list[str]:
    names = [str(index) for index in range(vocab_size)]
    if padding is not None:
        names[padding] = PADDING[0]
    return names


class _Numbers:
    """What CTranslate2's converter asks of a tokenizer."""

    def __init__(self, names: Sequence[str], *, end_id: int) -> None:
        self._names = names
        self.bos_token = self.eos_token = self.unk_token = names[end_id]  # no piece is unknown, and none the first
        self.unk_token_id = end_id
        self.pad_token = PADDING[0]
        self.special_tokens_map: dict[str, str] = {}

    def get_vocab(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self._names)}

    def convert_ids_to_tokens(self, index: int | None) -> str | None:
        return None if index is None else self._names[index]
