"""An NLLB model of fairseq2 by the name of its asset, by an asset card, or by a file of weights; no pickle is ever run.

An asset card is fairseq2's own description of a model: its sizes, its weights and its tokenizer, in YAML.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fairseq2.assets import AssetCard, get_asset_download_manager, get_asset_store
from fairseq2.models.nllb import get_nllb_model_hub, get_nllb_tokenizer_hub

from nmt_distill.configuration import read_yaml
from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.fairseq2.folder import CARD
from nmt_distill.teacher.file_hashes import known_sha256

_CARDS = (".yaml", ".yml")
_WEIGHTS = (".pt", ".pth", ".bin", ".safetensors")
_PATHS = ("checkpoint", "tokenizer")
"""fields of a card that may be paths"""


@dataclass(frozen=True)
class FoundCheckpoint:
    """Files on this machine, and what fairseq2 has to be told to load them."""

    name: str
    weights: Path
    sentencepiece: Path
    sizes: Any
    """``NllbConfig``"""
    tokenizer_config: Any
    """``NllbTokenizerConfig``"""

    @property
    def languages(self) -> list[str]:
        """Codes such as ``deu_Latn``, in the order of their ids."""
        return list(self.tokenizer_config.langs)

    def files(self) -> list[Path]:
        """Return the weights and the SentencePiece model."""
        weights = sorted(self.weights.rglob("*")) if self.weights.is_dir() else [self.weights]
        return [*(path for path in weights if path.is_file()), self.sentencepiece]

    def hashes(self) -> list[str]:
        """Name the contents."""
        return [*(known_sha256(path) for path in self.files()), repr(self.sizes), *self.languages]

    def load_model(self, *, device: str, dtype: str) -> Any:
        """Load the weights, as tensors alone.

        :param dtype: name of a type of torch
        :raises NmtDistillError: if they cannot be loaded, would run code, or do not fit the sizes
        """
        try:
            # fairseq's own checkpoints, NLLB's among them, hold a namespace of settings, which is data alone
            with torch.serialization.safe_globals([argparse.Namespace]):
                model: Any = get_nllb_model_hub().load_custom_model(
                    self.weights, self.sizes, device=torch.device(device), dtype=getattr(torch, dtype), restrict=True
                )
        except Exception as error:  # fairseq2 raises what its parts raise
            raise NmtDistillError(
                f"the weights {self.weights} cannot be loaded by fairseq2 ({_reason(error)}); a .pt that holds more "
                "than tensors and settings is refused: save its tensors as .safetensors."
            ) from None
        return model.eval()

    def load_tokenizer(self) -> Any:
        """Load the tokenizer.

        :raises NmtDistillError: if its file is none
        """
        try:
            return get_nllb_tokenizer_hub().load_custom_tokenizer(self.sentencepiece, self.tokenizer_config)
        except Exception as error:  # fairseq2 raises what its parts raise
            raise NmtDistillError(
                f"the tokenizer {self.sentencepiece} cannot be loaded by fairseq2 ({_reason(error)}); give NLLB's "
                "SentencePiece model."
            ) from None


def find_checkpoint(
    name: str,
    *,
    base: str | None = None,
    vocabulary: str | None = None,
    fetches: bool = True,
    key: str = "teacher.name",
) -> FoundCheckpoint:
    """Find a model, or fetch it as fairseq2 does where its card names an address.

    :param name: an asset of fairseq2, a card or the folder that holds it, or a file of weights
    :param base: the asset that a file of weights alone is like: of its sizes and languages
    :param vocabulary: a SentencePiece model in place of that of the card
    :param fetches: false finds only what is on this machine already
    :param key: where a recipe names it, for errors
    :raises NmtDistillError: if it is not there, is no NLLB model, or cannot be fetched
    """
    card, manager = _find_card(name, base, key), get_asset_download_manager()
    fetch_model = partial(manager.download_model, local_only=not fetches)
    fetch_tokenizer = partial(manager.download_tokenizer, local_only=not fetches)
    try:
        family = card.field("model_family").as_(str)
        if family != "nllb":
            raise NmtDistillError(f"{key} must be a model of fairseq2's family nllb, but {name} is of {family}.")
        return FoundCheckpoint(
            name,
            _fetch(card, "checkpoint", fetch_model),
            _given(vocabulary) if vocabulary else _fetch(card, "tokenizer", fetch_tokenizer),
            get_nllb_model_hub().get_model_config(card),
            get_nllb_tokenizer_hub().get_tokenizer_config(card),
        )
    except NmtDistillError:
        raise
    except Exception as error:  # fairseq2 raises what its parts raise
        raise NmtDistillError(f"{key}: {name} cannot be used ({_reason(error)}); complete its card.") from None


def find_further(
    name: str, first: FoundCheckpoint, *, base: str | None, vocabulary: str | None, fetches: bool = True
) -> FoundCheckpoint:
    """Find a further model of an ensemble, named as the first may be.

    :param base: the asset that files of weights alone are like
    :param vocabulary: a SentencePiece model in place of that of the card
    :param fetches: false finds only what is on this machine already
    :raises NmtDistillError: if it is not there, or has another vocabulary or less room than the first
    """
    found = find_checkpoint(
        name,
        base=base if _is_weights(name) else None,
        vocabulary=vocabulary,
        fetches=fetches,
        key="teacher.ensemble",
    )

    def ids(checkpoint: FoundCheckpoint) -> list[Any]:
        return [known_sha256(checkpoint.sentencepiece), checkpoint.languages, checkpoint.sizes.vocab_size]

    if ids(found) != ids(first):
        raise NmtDistillError(
            f"teacher.ensemble: {name} has another vocabulary than the first model, so their probabilities have no "
            "mean; leave it out."
        )
    if found.sizes.max_seq_len < first.sizes.max_seq_len:
        raise NmtDistillError(
            f"teacher.ensemble: {name} has {found.sizes.max_seq_len:,} positions, fewer than the first model; name it "
            "first."
        )
    return found


def _is_weights(name: str) -> bool:
    path = Path(name).expanduser()
    return path.suffix in _WEIGHTS and path.is_file()


def _find_card(name: str, base: str | None, key: str) -> AssetCard:
    path = Path(name).expanduser()
    if _is_weights(name):
        if base is None:
            raise NmtDistillError(
                f"teacher.base must name the asset that {name} is like, such as nllb-200_dense_distill_600m: its sizes "
                "and languages do not stand in the file."
            )
        return AssetCard(path.stem, {"checkpoint": str(path.absolute())}, base=_asset(base, "teacher.base"))
    if base is not None:
        raise NmtDistillError(f"teacher.base must be left out where {key} is no file of weights, as {name}.")
    if path.is_dir():
        path /= CARD
    if path.suffix in _CARDS:
        fields = read_yaml(path)
        for field in _PATHS:
            if isinstance(found := fields.get(field), str) and "://" not in found:
                fields[field] = str(path.parent.absolute() / found)
        above = _asset(str(fields["base"]), f"base in {path}") if "base" in fields else None
        return AssetCard(str(fields.get("name", path)), fields, base=above)
    return _asset(name, key)


def _asset(name: str, where: str) -> AssetCard:
    store = get_asset_store()
    card = store.maybe_retrieve_card(name)
    if card is None:
        known = sorted(asset.split("@")[0] for asset in store.asset_names if asset.startswith("nllb"))
        raise NmtDistillError(
            f"{where} is {name}, but must be an asset of fairseq2 ({', '.join(known)}), a folder with {CARD}, or the "
            "path of a card or of weights."
        )
    return card


def _given(vocabulary: str) -> Path:
    path = Path(vocabulary).expanduser()
    if not path.is_file():
        raise NmtDistillError(f"teacher.vocabulary: {path} does not exist; give the path of the teacher's file.")
    return path


def _fetch(card: AssetCard, key: str, download: Callable[[Any], Path]) -> Path:
    """Return the path of what a field of a card names, fetched where it is an address."""
    holder = card  # a path is relative to the card that holds it, which may be a base
    while key not in holder.metadata and holder.base is not None:
        holder = holder.base
    uri = holder.field(key).as_uri()
    if uri.scheme == "file":
        path: Path = uri.to_path()
        if not path.exists():
            raise NmtDistillError(f"{path}, which the card {card.name} names as {key}, does not exist.")
    else:
        path = download(uri)
    below = card.maybe_get_field(f"{key}_path")
    return path if below is None else path / below.as_(str)


def _reason(error: BaseException) -> str:
    """Return the first line of an error, and of what caused it."""
    told = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"{told} {_reason(error.__cause__)}" if error.__cause__ is not None else told
