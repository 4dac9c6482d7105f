"""Public test sets: where they come from, under which licence, and whether the files at hand are the right ones."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines, sha256_of
from nmt_distill.languages import Direction, normalize_tag

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class TestFile:
    """One side of a test set: a file with a sentence a line."""

    __test__ = False

    name: str
    """file name inside the folder that is given when the suite is read"""
    sha256: str
    """of the file, in hexadecimal"""


@dataclass(frozen=True, kw_only=True)
class TestPair:
    """The two sides of a test set; either may be the source."""

    __test__ = False

    first: str
    """language of one side, BCP 47"""
    second: str
    """language of the other side, BCP 47"""
    files: Mapping[str, TestFile]
    """the file of each language"""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A family of test sets of one origin. The text is never part of it: only what identifies it."""

    name: str
    """short name, as reports print it"""
    origin: str
    """what it is taken from: project, release, publisher, address"""
    licence: str
    """of the text"""
    drawn: str
    """how the sample is drawn, so exactly that anybody can draw it again"""
    how_to_get: str
    """what to do where the files are missing"""
    num_sentences: int
    """lines of every file"""
    text_may_be_published: bool
    """whether sentences of it may stand in reports that are kept in a repository"""
    serves: Mapping[str, str]
    """languages that are scored on the text of another one, such as `pt-BR` on `pt`"""
    pairs: tuple[TestPair, ...]
    """every pair of languages there is"""

    def find(self, direction: Direction) -> TestPair | None:
        """Return the test set of a direction, if there is one."""
        for pair in self.pairs:
            sides = {_served(self, direction.source, pair), _served(self, direction.target, pair)}
            if sides == {pair.first, pair.second}:
                return pair
        return None


def load_suite(path: Path) -> Suite:
    """Read a suite from YAML.

    :raises NmtDistillError: if the file is missing or no YAML, or a key is missing, unknown or of a wrong kind
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist; the suites that come along lie in eval/suites/.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NmtDistillError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    kinds: dict[str, type] = {
        "name": str, "origin": str, "licence": str, "drawn": str, "how_to_get": str, "num_sentences": int,
        "text_may_be_published": bool, "serves": dict, "pairs": dict,
    }  # fmt: skip
    content = _fields(content, kinds, f"{path}", optional={"serves"})
    pairs = tuple(_pair(name, sides, f"{path}: `pairs.{name}`") for name, sides in content["pairs"].items())
    for key in ("drawn", "how_to_get", "origin"):
        content[key] = " ".join(content[key].split())
    where = f"{path}: `serves`"
    serves = {_tag(tag, where): _tag(other, where) for tag, other in content.get("serves", {}).items()}
    return Suite(**(content | {"pairs": pairs, "serves": serves}))


def read_test_set(suite: Suite, folder: Path, direction: Direction) -> tuple[list[str], list[str]]:
    """Read sources and references of one direction, after checking that the files are the right ones.

    :param folder: where the files of the suite lie
    :raises NmtDistillError: if the suite lacks the direction, or a file is missing, altered or of another length
    """
    pair = suite.find(direction)
    if pair is None:
        available = ", ".join(f"{pair.first}-{pair.second}" for pair in suite.pairs)
        raise NmtDistillError(
            f"The suite `{suite.name}` has no test set for `{direction}`; there is (in either direction): {available}."
        )
    for path in missing_files(suite, folder, direction):
        raise NmtDistillError(f"{path} does not exist. How to get the files of `{suite.name}`: {suite.how_to_get}")
    sides = []
    for file in _files(suite, pair, direction):
        path = folder / file.name
        found = sha256_of(path)
        if found != file.sha256:
            raise NmtDistillError(
                f"{path} has sha256 {found}, but must have {file.sha256}; it is not the file that scores of "
                f"`{suite.name}` are stated on. How to get it: {suite.how_to_get}"
            )
        lines = list(read_lines(path))
        if len(lines) != suite.num_sentences:
            raise NmtDistillError(
                f"{path} has {counted(len(lines), 'line')}, but the suite `{suite.name}` says {suite.num_sentences}; "
                "correct `num_sentences` in its YAML."
            )
        sides.append(lines)
    sources, references = sides
    return sources, references


def missing_files(suite: Suite, folder: Path, direction: Direction) -> list[Path]:
    """Name the files of a direction that are not there; none where the suite lacks the direction."""
    pair = suite.find(direction)
    files = [] if pair is None else [folder / file.name for file in _files(suite, pair, direction)]
    return [path for path in files if not path.is_file()]


def _files(suite: Suite, pair: TestPair, direction: Direction) -> list[TestFile]:
    """Return the files of the source and of the references."""
    return [pair.files[_served(suite, language, pair)] for language in (direction.source, direction.target)]


def draw_sample(pairs: Iterable[tuple[str, str]], *, count: int, seed: int) -> list[tuple[str, str]]:
    """Draw a test set: first sentence of its kind, in file order, then shuffled, then cut.

    :param pairs: (English, other language) in the order of the file
    :param count: how many to keep at most
    :param seed: of Python's `random.Random`
    :returns: the sample; pairs with an empty side and later repeats of an English sentence are not in it
    """
    first_seen: dict[str, str] = {}
    for english, other in pairs:
        if english.strip() and other.strip():
            first_seen.setdefault(english, other)
    drawn = list(first_seen.items())
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


def _served(suite: Suite, language: str, pair: TestPair) -> str:
    return language if language in pair.files else suite.serves.get(language, language)


def _pair(name: str, sides: Any, where: str) -> TestPair:
    if not isinstance(sides, dict) or len(sides) != 2:
        raise NmtDistillError(f"{where} must hold two languages, each with `name` and `sha256`, but is {sides!r}.")
    files = {}
    for language, side in sides.items():
        fields = _fields(side, {"name": str, "sha256": str}, f"{where}, `{language}`")
        if not _SHA256.fullmatch(fields["sha256"]):
            raise NmtDistillError(
                f"{where}, `{language}`: `sha256` must be 64 hexadecimal digits, but is {fields['sha256']!r} instead."
            )
        files[_tag(language, where)] = TestFile(**fields)
    if len(files) != 2:
        raise NmtDistillError(f"{where} must hold two languages, but both are {', '.join(files)}.")
    first, second = files
    return TestPair(first=first, second=second, files=files)


def _tag(language: Any, where: str) -> str:
    if not isinstance(language, str):
        raise NmtDistillError(f'{where}: YAML reads a language as {language!r}; put it in quotes, such as "no".')
    return normalize_tag(language)


def _fields(
    content: Any, kinds: Mapping[str, type], where: str, *, optional: Sequence[str] | set[str] = ()
) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise NmtDistillError(f"{where} must hold keys and values ({', '.join(kinds)}), but holds {content!r:.60}.")
    faults = [f"`{key}` is not a key; there is {', '.join(kinds)}" for key in content if key not in kinds]
    for key, kind in kinds.items():
        if key not in content:
            if key not in optional:
                faults.append(f"`{key}` is missing")
        elif type(content[key]) is not kind:
            faults.append(f"`{key}` must be of type {kind.__name__}, but is {content[key]!r:.60} instead")
    if faults:
        raise NmtDistillError(f"{where}: {'; '.join(faults)}.")
    return dict(content)
