"""The folder of a transformers model: given, or fetched from the Hugging Face hub; and what names its contents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json
from nmt_distill.teacher.file_hashes import known_sha256

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SMALL = ("*.json", "*.spm", "*.model")
_SAFETENSORS = ("model.safetensors", "model-*-of-*.safetensors")
_PICKLES = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")


@dataclass(frozen=True)
class ModelFolder:
    """A folder with ``config.json``, weights and a tokenizer."""

    path: Path
    commit: str | None
    """of the hub's repository; None for a folder that a person has"""

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object of the folder; empty where there is no such file."""
        path = self.path / name
        content = read_json(path) if path.is_file() else {}
        if not isinstance(content, dict):
            raise NmtDistillError(f"{path} must hold a JSON object; fetch it again.")
        return content

    def hashes(self) -> list[str]:
        """Name the weights, the configuration and the tokenizer: the hub's commit, or a hash of each file."""
        if self.commit is not None:
            return [self.commit]
        return [f"{file.name} {known_sha256(file)}" for file in self.files()]

    def files(self) -> list[Path]:
        """Return the configuration, the tokenizer and the weights that are loaded."""
        return [file for patterns in (_SMALL, _weights(self.path)) for file in _matching(self.path, patterns)]


def find_model(name_or_path: str, revision: str | None = None) -> ModelFolder:
    """Find a model's folder, or fetch it by its name on the hub.

    Of the hub's repository only the configuration, the tokenizer and the PyTorch weights are fetched: safetensors where
    there are any. No code in it is fetched or run.

    :param revision: commit, tag or branch of the hub's repository; None is the newest
    :raises NmtDistillError: if there is neither a folder nor a model of that name, or weights are missing
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir() and revision is not None:
        raise NmtDistillError(
            f"{name_or_path} is a folder here, which has no revision {revision}; leave teacher.revision out, or give "
            "the name of a model on the hub."
        )
    if path.is_dir():
        folder = ModelFolder(path, commit=None)
    elif path.exists() or not may_be_fetched(name_or_path):
        raise NmtDistillError(
            f"{name_or_path} is not a folder; give a folder with config.json, or a name on the hub such as "
            "facebook/nllb-200-distilled-600M."
        )
    else:
        path = _fetch(name_or_path, revision, [*_SMALL, *_SAFETENSORS])
        if not _matching(path, _SAFETENSORS):
            path = _fetch(name_or_path, path.name, [*_SMALL, *_PICKLES])
        folder = ModelFolder(path, commit=path.name)
    if not (folder.path / "config.json").is_file():
        raise NmtDistillError(f"{folder.path} holds no transformers model (no config.json).")
    if not _matching(folder.path, _weights(folder.path)):
        raise NmtDistillError(
            f"{folder.path} holds no PyTorch weights (model.safetensors or pytorch_model.bin); convert or fetch them."
        )
    return folder


def find_further(path: str) -> ModelFolder:
    """Find the folder of a further model of an ensemble, which is never fetched.

    :raises NmtDistillError: if it is not there
    """
    if not Path(path).expanduser().is_dir():
        raise NmtDistillError(f"teacher.ensemble: {path} is not a folder; give folders of models on this machine.")
    return find_model(path)


def may_be_fetched(name_or_path: str) -> bool:
    """Tell whether the hub may have a model of that name, so that it need not be a folder here."""
    return bool(_HUB_NAME.fullmatch(name_or_path))


def _weights(path: Path) -> tuple[str, ...]:
    """Return the names of the weights that are loaded."""
    return _SAFETENSORS if _matching(path, _SAFETENSORS) else _PICKLES


def _matching(path: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted(file for pattern in patterns for file in path.glob(pattern))


def local_commit(name: str, revision: str | None = None) -> str | None:
    """Tell which commit of a model on the hub this machine has, without asking the hub.

    :param revision: commit, tag or branch; None is the newest that was fetched
    :returns: the commit; None where there is none, and for a folder
    """
    if Path(name).expanduser().is_dir() or not may_be_fetched(name):
        return None
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # the base install, which can fetch no model but may show a plan
        return None
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else None


def _fetch(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except (HfHubHTTPError, OSError, ValueError) as error:
        wanted = name if revision is None else f"{name} in revision {revision}"
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise NmtDistillError(
            f"{wanted} is neither a folder here nor a model that can be fetched from the hub ({reason}); give the path "
            "of a folder, or check the name, the network, and `hf auth login` for a gated model."
        ) from None
