"""Text to score systems on: line-aligned files, the files of a suite, the test sets that sacreBLEU knows by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_sets import load_suite, read_test_set
from nmt_distill.files import read_lines, read_sentences
from nmt_distill.languages import Direction


@dataclass(frozen=True)
class TestText:
    """Sentences with translations to judge others by."""

    __test__ = False

    name: str
    direction: Direction
    origin: str
    licence: str
    text_may_be_published: bool
    sources: list[str]
    references: list[str]
    references_by: Literal["human", "teacher"] = "human"


def read_test_texts(what: str, directions: Sequence[Direction], *, max_sentences: int | None = None) -> list[TestText]:
    """Read test sets as the command line names them.

    :param what: ``[NAME=]SOURCES,REFERENCES`` (files; ``{source}`` and ``{target}`` in them stand for the languages),
        ``suite:FILE,FOLDER`` or ``sacrebleu:NAME``
    :param directions: to score; a suite gives those that it has
    :param max_sentences: to take from the beginning; None takes all
    :raises NmtDistillError: if it has another form, a file is missing, or there is no such test set
    """
    kind, _, rest = what.partition(":")
    if kind == "suite":
        texts = _suite_texts(rest, directions)
    elif kind == "sacrebleu":
        texts = [_sacrebleu_text(rest, direction) for direction in directions]
    else:
        texts = [_file_text(what, direction) for direction in directions]
    several = len(directions) > 1
    return [
        TestText(
            name=f"{text.name} {text.direction}" if several else text.name,
            direction=text.direction,
            origin=text.origin,
            licence=text.licence,
            text_may_be_published=text.text_may_be_published,
            sources=text.sources[:max_sentences],
            references=text.references[:max_sentences],
        )
        for text in texts
    ]


def _file_text(what: str, direction: Direction) -> TestText:
    name, separator, paths = what.partition("=")
    paths = paths if separator else what
    files = [Path(_filled(path, direction)) for path in paths.split(",")]
    if len(files) != 2 or not paths.strip():
        raise NmtDistillError(
            f"--test-set must be SOURCES,REFERENCES, suite:FILE,FOLDER or sacrebleu:NAME, but is `{what}`."
        )
    sources, references = (read_sentences(path) for path in files)
    if not sources:
        raise NmtDistillError(f"{files[0]} is empty; it must hold a sentence a line.")
    if len(sources) != len(references):
        raise NmtDistillError(
            f"{files[0]} has {counted(len(sources), 'line')} but {files[1]} has {len(references)}; line N of one must "
            "translate line N of the other."
        )
    return TestText(
        name=(name.strip() if separator else "") or files[0].stem,
        direction=direction,
        origin=f"the files {files[0].name} and {files[1].name}",
        licence="",
        text_may_be_published=True,
        sources=sources,
        references=references,
    )


def _filled(text: str, direction: Direction) -> str:
    return text.replace("{source}", direction.source).replace("{target}", direction.target)


def _suite_texts(what: str, directions: Sequence[Direction]) -> list[TestText]:
    path, separator, folder = what.partition(",")
    if not separator:
        raise NmtDistillError(f"--test-set suite:FILE,FOLDER must name the folder of its files, but is `suite:{what}`.")
    suite = load_suite(Path(path))
    served = [direction for direction in directions if suite.find(direction) is not None]
    return [
        TestText(
            suite.name, direction, suite.origin, suite.licence, suite.text_may_be_published,
            *read_test_set(suite, Path(folder), direction),
        )
        for direction in served or directions[:1]  # none: the error says what there is
    ]  # fmt: skip


def _sacrebleu_text(name: str, direction: Direction) -> TestText:
    """Read a test set that sacreBLEU fetches once and keeps."""
    from sacrebleu.dataset import DATASETS

    known: dict[str, Any] = dict(DATASETS)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise NmtDistillError(f"sacreBLEU knows no test set `{name}`; there is {', '.join(near)}.")
    pair = "-".join(language.split("-")[0] for language in (direction.source, direction.target))
    if pair not in known[name].langpairs:
        there = ", ".join(sorted(known[name].langpairs))
        raise NmtDistillError(f"sacreBLEU's `{name}` has no {pair}; there is {there}.")
    try:
        files = [known[name].get_source_file(pair), known[name].get_reference_files(pair)[0]]
    except (OSError, SystemExit) as error:
        raise NmtDistillError(
            f"sacreBLEU's `{name}` cannot be fetched ({error}); connect to the network, or name line-aligned files."
        ) from None
    sources, references = (list(read_lines(Path(path))) for path in files)
    origin = f"{known[name].description or name} (sacreBLEU's `{name}`; its first reference)"
    return TestText(name, direction, origin, "", False, sources, references)
