"""The files of a Marian model in a folder as OPUS-MT, Firefox and Bergamot publish them.

OPUS-MT: ``decoder.yml``, ``*.npz``, ``*.vocab.yml``, ``source.spm``, ``target.spm``. Firefox and Bergamot:
``config*.yml`` (or none), ``model.*.bin``, and ``vocab.*.spm`` or ``srcvocab.*.spm`` and ``trgvocab.*.spm``. Where a
config of Marian's decoder names models and vocabularies, it decides; it may name several models, which are an ensemble.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.vocabulary import VocabularyFiles

_CONFIGS = ("decoder.yml", "config.yml", "*.decoder.yml", "config*.yml")
_IDS = (".yml", ".yaml", ".json")
_PACKED = (".gz", ".zst", ".xz", ".zip")
_A_VOCABULARY = "a vocabulary (vocab.*.spm, srcvocab.*.spm and trgvocab.*.spm, or *.vocab.yml)"


@dataclass(frozen=True)
class MarianFiles:
    """What a teacher is loaded from."""

    models: tuple[Path, ...]
    """one model, or the models of an ensemble"""
    source_vocabulary: VocabularyFiles
    """segments and numbers the source"""
    target_vocabulary: VocabularyFiles
    """segments and numbers the target; the same as the source's where they share one"""

    @property
    def paths(self) -> list[Path]:
        """All files, each once."""
        paths = [*self.models, *self.source_vocabulary.paths, *self.target_vocabulary.paths]
        return list(dict.fromkeys(paths))


def find_marian_files(folder: Path) -> MarianFiles:
    """Find a model, or an ensemble, and its vocabularies.

    :raises NmtDistillError: if something is missing, which is said, or there is more than one choice
    """
    if not folder.is_dir():
        raise NmtDistillError(f"{folder} is not a folder; give the one that holds the Marian model.")
    config = _read_config(folder)
    missing: list[str] = []
    models = _named(folder, config["models"], missing) if "models" in config else _find_models(folder, missing)
    found = _named(folder, config["vocabs"], missing) if "vocabs" in config else _find_vocabularies(folder, missing)
    if len(found) > 2:
        raise NmtDistillError(f"{folder}: the model has {len(found)} vocabularies; one source and one target are read.")
    sides = [_side(folder, path, missing) for path in ((found[0], "source"), (found[-1], "target"))] if found else []
    if missing:
        raise NmtDistillError(f"{folder} lacks {', '.join(dict.fromkeys(missing))}.{_hint(folder)}")
    return MarianFiles(tuple(models), sides[0], sides[1])


def _read_config(folder: Path) -> dict[str, list[str]]:
    """Return what the config of Marian's decoder says of models and vocabularies; nothing where there is none."""
    for pattern in _CONFIGS:
        told = {path.name: _models_and_vocabularies(path) for path in sorted(folder.glob(pattern))}
        told = {name: content for name, content in told.items() if content}
        if len({str(content) for content in told.values()}) > 1:
            raise NmtDistillError(
                f"{folder} has configs of different models: {', '.join(told)}; keep one, or give the files themselves."
            )
        if told:
            return next(iter(told.values()))
    return {}


def _models_and_vocabularies(path: Path) -> dict[str, list[str]]:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NmtDistillError(f"{path} is not YAML ({str(error).splitlines()[0]}); fetch it again.") from None
    if not isinstance(content, dict):
        return {}
    names = {key: content[key] for key in ("models", "vocabs") if content.get(key)}
    for key, value in names.items():
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise NmtDistillError(f"{path}: {key} must be a list of file names, but is {value!r}.")
    return names


def _named(folder: Path, names: list[str], missing: list[str]) -> list[Path]:
    """Find files that a config names; its paths may be those of another machine."""
    paths = [path if (path := folder / Path(name).name).is_file() else folder / name for name in names]
    missing += [path.name for path in paths if not path.is_file()]
    return paths


def _find_models(folder: Path, missing: list[str]) -> list[Path]:
    models = [path for path in sorted(folder.glob("*.npz")) if not path.name.endswith(".optimizer.npz")]
    models += sorted(folder.glob("model*.bin"))
    if len(models) > 1:
        raise NmtDistillError(
            f"{folder} has several models: {', '.join(path.name for path in models)}; give one, or list those of an "
            "ensemble as `models` in its decoder.yml."
        )
    missing += [] if models else ["a model (*.npz or model.*.bin)"]
    return models


def _find_vocabularies(folder: Path, missing: list[str]) -> list[Path]:
    """Find one vocabulary for both sides, or the source's and the target's."""
    found = sorted(folder.glob("*vocab*.spm"))
    found = found or sorted(path for path in folder.glob("*vocab*") if path.suffix in _IDS)
    sides = {side: [path for path in found if side in path.name] for side in ("src", "trg")}
    if len(found) == 1 and not any(sides.values()):
        return found
    if len(sides["src"]) == 1 and len(sides["trg"]) == 1 and len(found) == 2:
        return [*sides["src"], *sides["trg"]]
    if len(found) > 1:
        raise NmtDistillError(f"{folder} has several vocabularies: {', '.join(path.name for path in found)}; give one.")
    missing += [f"the other side's vocabulary beside {found[0].name}" if found else _A_VOCABULARY]
    return []


def _side(folder: Path, side: tuple[Path, str], missing: list[str]) -> VocabularyFiles:
    path, name = side
    if path.suffix == ".spm":
        return VocabularyFiles(path)
    if path.suffix not in _IDS:
        raise NmtDistillError(f"{path} is neither a SentencePiece model (.spm) nor a list of pieces with ids (.yml).")
    pieces = folder / f"{name}.spm"
    if not pieces.is_file():
        missing.append(pieces.name)
    return VocabularyFiles(pieces, path)


def _hint(folder: Path) -> str:
    packed = sorted(path.name for path in folder.iterdir() if path.suffix in _PACKED)
    if packed:
        return f" Unpack {', '.join(packed)}."
    if (folder / "source.bpe").exists():
        return " Its source.bpe says that it is segmented by BPE; SentencePiece is read."
    return " Get it from where the model comes from."
