"""The export folder that ``translate`` reads: what must be in it, and which languages it knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json, sha256_of, write_json
from nmt_distill.languages import Direction, match_language, normalize_tag

LANGUAGES_FILE = "languages.json"
CHECKSUMS_FILE = "checksums.json"
MODEL_FILE = "model.bin"
VOCABULARY_FILE = "shared_vocabulary.json"
VOCABULARY_MAP_FILE = "vmap.txt"
"""CTranslate2's map of source pieces to the target pieces that are tried; not every folder has one"""
ENCODER_FOLDER = "encoder"
"""holds the encoder alone, for vectors; not every folder has one"""
CARD_FILE = "README.md"
LICENCE_FILE = "LICENSE.md"
"""what is known of the licence; the card names it, by a name that the hub knows"""
RENEW = "copy or export the model again"
"""what helps where a file of an export folder is damaged"""
FORMAT = 1
MIN_POSITIONS = 16
"""fewest positions that a model may have: even one rare character takes several pieces"""


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """What an export folder says about itself."""

    path: Path
    """the folder"""
    sentencepiece: Path
    """its one SentencePiece model"""
    tags: dict[Direction, str | None]
    """the directions, and the piece that is put before the source where a model has several targets"""
    beam_size: int = 1
    """width of the beam that was validated"""
    max_source_tokens: int = 256
    """positions the encoder was made for, tag and ``</s>`` included"""
    max_target_tokens: int = 256
    """positions the decoder was made for, ``</s>`` included"""
    precision: str = "float32"
    """how CTranslate2 keeps the weights"""
    name: str = ""
    """what the recipe calls the model"""

    def choose(self, source: str | None = None, target: str | None = None) -> Direction:
        """Find the one direction that the wanted languages mean; either may be left out where one choice is left.

        :raises NmtDistillError: if a language is unknown, the pair is not there, or several directions fit
        """
        directions = sorted(self.tags)
        if target is not None:
            language = match_language(target, sorted({direction.target for direction in directions}))
            directions = [direction for direction in directions if direction.target == language]
        if source is not None:
            language = match_language(source, sorted({direction.source for direction in directions}))
            directions = [direction for direction in directions if direction.source == language]
        if len(directions) == 1:
            return directions[0]
        is_target = target is None and len({direction.target for direction in directions}) > 1
        missing = "--to (in Python `target`)" if is_target else "--from (in Python `source`)"
        choice = ", ".join(map(str, directions))
        raise NmtDistillError(f"{self.path} translates {choice}; choose one with {missing}.")

    def write_languages(self) -> None:
        """Write ``languages.json`` into the folder."""
        directions = [
            {"source": direction.source, "target": direction.target, "tag": tag} for direction, tag in self.tags.items()
        ]
        content = {
            "format": FORMAT,
            "name": self.name,
            "directions": directions,
            "beam_size": self.beam_size,
            "max_source_tokens": self.max_source_tokens,
            "max_target_tokens": self.max_target_tokens,
            "precision": self.precision,
        }
        write_json(self.path / LANGUAGES_FILE, content)


def read_model_folder(path: Path) -> ModelFolder:
    """Read what an export folder says about itself, without its weights.

    :raises NmtDistillError: if it is no export folder (every file that is missing is named), or ``languages.json``
        says what cannot be
    """
    _check_folder(path)
    sentencepiece = sorted(path.glob("*.spm"))
    needed = (MODEL_FILE, LANGUAGES_FILE, "config.json", VOCABULARY_FILE)
    missing = [name for name in needed if not (path / name).is_file()]
    if not sentencepiece:
        missing.append("a SentencePiece model (*.spm)")
    if missing:
        raise NmtDistillError(f"{path} is no exported model: {', '.join(missing)} missing; {_remedy(path)}")
    if len(sentencepiece) > 1:
        names = ", ".join(file.name for file in sentencepiece)
        raise NmtDistillError(f"{path} holds {len(sentencepiece)} SentencePiece models ({names}), but must hold one.")
    return _parse_languages(path, sentencepiece[0])


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        problem = "is a file, but must be the folder of an export" if path.exists() else "does not exist"
        raise NmtDistillError(
            f"{path} {problem}; a model is a folder such as runs/quickstart/export/int8, or a name that "
            "`nmt-distill models` lists."
        )


def _remedy(path: Path) -> str:
    return named_exports(path) or "make one with `nmt-distill export`."


def named_exports(path: Path) -> str:
    """Ask whether one of the exports that a folder or its ``export`` holds is meant; nothing where there is none."""
    exports = sorted({file.parent for depth in ("*", "export/*") for file in path.glob(f"{depth}/{LANGUAGES_FILE}")})
    return f"did you mean {' or '.join(map(str, exports))}?" if exports else ""


def _parse_languages(path: Path, sentencepiece: Path) -> ModelFolder:
    where = path / LANGUAGES_FILE
    content = read_json(where, remedy=RENEW)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise NmtDistillError(
            f"{where}: `format` must be {FORMAT}, but is {json.dumps(found)} instead; "
            "the model was exported by another version: export it again, or upgrade nmt-distill."
        )
    tags: dict[Direction, str | None] = {}
    directions = content.get("directions")
    for entry in directions if isinstance(directions, list) else []:
        fields = entry if isinstance(entry, dict) else {}
        source, target, tag = fields.get("source"), fields.get("target"), fields.get("tag")
        if not isinstance(source, str) or not isinstance(target, str) or not isinstance(tag, str | None):
            raise NmtDistillError(
                f"{where}: each of `directions` must have `source`, `target` and `tag`, but one is {json.dumps(entry)}."
            )
        tags[Direction(source=normalize_tag(source), target=normalize_tag(target))] = tag
    if not tags:
        raise NmtDistillError(f"{where}: `directions` must name at least one direction.")
    return ModelFolder(
        path=path,
        sentencepiece=sentencepiece,
        tags=tags,
        beam_size=_whole_number(where, content, "beam_size", 1, 1),
        max_source_tokens=_whole_number(where, content, "max_source_tokens", 256, MIN_POSITIONS),
        max_target_tokens=_whole_number(where, content, "max_target_tokens", 256, MIN_POSITIONS),
        precision=str(content.get("precision", "float32")),
        name=str(content.get("name", "")),
    )


def _whole_number(where: Path, content: dict[str, Any], key: str, default: int, least: int) -> int:
    number = content.get(key, default)
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise NmtDistillError(
            f"{where}: `{key}` must be a whole number of at least {least}, but is {json.dumps(number)} instead."
        )
    return number


def read_checksums(path: Path, *, remedy: str = RENEW) -> dict[str, str]:
    """Read the ``checksums.json`` of a folder: names of files, and their SHA-256 sums.

    :param remedy: what to do where there is none, or a damaged one
    :raises NmtDistillError: then
    """
    if not (path / CHECKSUMS_FILE).is_file():
        raise NmtDistillError(f"{path} has no {CHECKSUMS_FILE} to compare its files with; {remedy}.")
    sums = read_json(path / CHECKSUMS_FILE, remedy=remedy)
    if not isinstance(sums, dict) or not sums:
        raise NmtDistillError(f"{path / CHECKSUMS_FILE} must map file names to SHA-256 sums; {remedy}.")
    return sums


def verify_checksums(
    path: Path,
    names: Sequence[str] | None = None,
    *,
    expected: dict[str, str] | None = None,
    remedy: str = RENEW,
) -> int:
    """Compare the files of an export folder, or of another with a ``checksums.json``; return how many agree.

    :param names: which of them, where they are there; None takes all
    :param expected: what :func:`read_checksums` read before; None reads it now
    :param remedy: what to do where they do not
    :raises NmtDistillError: if there are no checksums, or a file is missing, differs or has none; all that do are named
    """
    _check_folder(path)
    expected = read_checksums(path, remedy=remedy) if expected is None else expected
    wanted = [*expected] if names is None else [name for name in names if name in expected or (path / name).exists()]
    if unknown := [name for name in wanted if name not in expected]:
        raise NmtDistillError(f"{path / CHECKSUMS_FILE} does not name {', '.join(unknown)}; {remedy}.")
    damaged = [name for name in wanted if not (path / name).is_file() or sha256_of(path / name) != expected[name]]
    if damaged:
        names = ", ".join(damaged)
        raise NmtDistillError(f"{path} differs from its {CHECKSUMS_FILE}: {names} damaged or missing; {remedy}.")
    return len(wanted)


def write_checksums(path: Path) -> None:
    """Write ``checksums.json`` over all other files of a folder, those in its folders too."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file != path / CHECKSUMS_FILE)
    write_json(path / CHECKSUMS_FILE, {file.relative_to(path).as_posix(): sha256_of(file) for file in files})
