"""The verb ``translate``: text from arguments, files or standard input to standard output, line by line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from nmt_distill.commands.arguments import Verbs, add_verb, whole_number
from nmt_distill.commands.line_reader import LineReader
from nmt_distill.counting import were
from nmt_distill.document_translation import check_text, is_folder_name, warn_of_unknown_formats
from nmt_distill.documents.formats import SUFFIXES, format_of
from nmt_distill.errors import NmtDistillError
from nmt_distill.output import output_file
from nmt_distill.progress import Job, is_watched, job, say
from nmt_distill.translation.summary import Place, Summary, problems_of

if TYPE_CHECKING:
    from nmt_distill.commands.line_reader import SupportsRead1
    from nmt_distill.translation.sentence import Candidate
    from nmt_distill.translation.translator import Translator

BROKEN_PIPE_STATUS = 141
INTERRUPTED_STATUS = 130
UNTRANSLATED_STATUS = 3


@dataclass(frozen=True, kw_only=True)
class Window:
    """Lines that are translated together."""

    lines: list[str]
    where: str
    """what they come from"""
    start: int
    """number of the first line, from 1"""


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    translate = add_verb(verbs, "translate", "translate text with an exported model")
    add_arguments(translate)
    translate.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``translate`` to its parser."""
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        help="export folder of a run, or a name that `models` lists (default: the model inside the package)",
    )
    parser.add_argument("--to", metavar="LANGUAGE", help="language to translate into, where the model has several")
    parser.add_argument(
        "--from", dest="source", metavar="LANGUAGE", help="language of the text, where the model has several"
    )
    parser.add_argument(
        "--beam-size", type=whole_number(), metavar="N", help="width of the search (default: as validated)"
    )
    parser.add_argument("--threads", type=whole_number(), metavar="N", help="processor cores to use (default: all)")
    parser.add_argument(
        "--glossary", metavar="FILE", help="file of fixed translations: on each line a term, a tab and its translation"
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="translate lines as they are: no splitting into sentences, nothing protected",
    )
    parser.add_argument(
        "--strict", action="store_true", help="status 3 if anything was left untranslated or cut, or repeats itself"
    )
    parser.add_argument("--verify", action="store_true", help="first compare all files of the model with its checksums")
    parser.add_argument(
        "--json", action="store_true", help="write a JSON object for each line: source, text, score, problems"
    )
    parser.add_argument(
        "--num-candidates", type=whole_number(), metavar="N", help="with --json: up to N translations of each line"
    )
    files = parser.add_argument_group(
        "files", "plain text, or documents whose format the suffix tells; a folder stands for all files in it"
    )
    files.add_argument("--file", nargs="+", default=[], metavar="PATH", help="translate these files, in this order")
    files.add_argument("--format", choices=[*SUFFIXES], help="format of the files, whatever their suffix")
    files.add_argument(
        "--column", metavar="COLUMN", help="column of a TSV file: its number from 1, or its name in the first line"
    )
    files.add_argument(
        "--output", metavar="PATH", help="write to this file, which appears whole or not at all, or into this folder"
    )
    files.add_argument("--in-place", action="store_true", help="replace each file by its translation")
    parser.add_argument(
        "text", nargs="*", metavar="TEXT", help="text to translate, each argument a line (default: standard input)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Translate as the arguments say; return the exit status.

    :raises NmtDistillError: if the model, a language, a file or the output is no good
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        return BROKEN_PIPE_STATUS


def _run(arguments: argparse.Namespace) -> int:
    paths = _paths(arguments)
    formats = {arguments.format or format_of(path) for path in paths if not path.is_dir()}
    if arguments.column and "tsv" not in formats and not any(path.is_dir() for path in paths):
        raise NmtDistillError("--column is of tables, but none of the files is one; give --format tsv as well.")
    into_folder = bool(paths and arguments.output) and not arguments.json and is_folder_name(arguments.output)
    is_document = into_folder or arguments.in_place or any(path.is_dir() for path in paths) or bool(formats - {"text"})
    if is_document and arguments.json:
        raise NmtDistillError("--json answers lines, but the files are documents; give --format text as well.")
    for path in paths:
        check_text(path, arguments.format, by_lines=not is_document)
    if arguments.format is None:
        warn_of_unknown_formats(paths)
    if is_document:
        return _run_documents(arguments, paths)
    translator = _translator(arguments)
    reader, summary = LineReader(), Summary()
    answer = partial(
        translator.candidates,
        num_candidates=arguments.num_candidates or 1,
        scores=arguments.json,
        target=arguments.to,
        source=arguments.source,
    )
    with _output(arguments.output) as output, _progress(paths, output) as running:
        for window in _windows(arguments.text, paths, reader, running):
            found = answer(window.lines)
            _write(output, _described(window, found, arguments), arguments.output or "standard output")
            _note(summary, window, found, names_files=len(paths) > 1)
    return _report(summary, reader, arguments.strict)


def _run_documents(arguments: argparse.Namespace, paths: list[Path]) -> int:
    from nmt_distill.document_translation import plan, translate_documents

    tasks = plan(paths, output=arguments.output, in_place=arguments.in_place, format_name=arguments.format)
    translator = _translator(arguments)
    with _naming("standard output cannot be written"):
        summary = translate_documents(
            tasks, translator, target=arguments.to, source=arguments.source, column=arguments.column
        )
    return _report(summary, LineReader(), arguments.strict)


def _paths(arguments: argparse.Namespace) -> list[Path]:
    """Return the files and folders to translate; all are there."""
    if arguments.text and arguments.file:
        raise NmtDistillError("translate takes text or --file, but was given both; leave one out.")
    if arguments.num_candidates and not arguments.json:
        raise NmtDistillError("--num-candidates needs --json, because a line has one translation.")
    for option in ("in_place", "format", "column"):
        if getattr(arguments, option) and not arguments.file:
            raise NmtDistillError(f"--{option.replace('_', '-')} is for files; name them with --file.")
    if "" in (*arguments.file, arguments.output):  # a variable of a shell that is not set; Path("") is this folder
        raise NmtDistillError("a path of --file or --output is empty; name a file or a folder, `.` for this one.")
    paths = [Path(path) for path in arguments.file]
    for path in paths:
        if not path.exists():
            raise NmtDistillError(f"{path} does not exist.")
    return paths


def _translator(arguments: argparse.Namespace) -> Translator:
    from nmt_distill.translation.model_folder import verify_checksums
    from nmt_distill.translation.packaged_models import find_model
    from nmt_distill.translation.translator import Translator

    if arguments.verify:
        remedy = "copy or export the model again, or leave --verify out"
        verify_checksums(find_model(arguments.model), remedy=remedy)
    translator = Translator(
        arguments.model,
        threads=arguments.threads,
        beam_size=arguments.beam_size,
        glossary=arguments.glossary,
        plain=arguments.plain,
    )
    translator.folder.choose(arguments.source, arguments.to)
    if arguments.model is None and is_watched():
        name = translator.folder.path.name
        say(f"translated by {name}, the model in the package; `models` has its card, --model takes another")
    return translator


def _described(window: Window, found: list[list[Candidate]], arguments: argparse.Namespace) -> list[str]:
    """Make lines of output out of translations."""
    if not arguments.json:
        return [candidates[0].text for candidates in found]
    return [_json_line(line, candidates) for line, candidates in zip(window.lines, found, strict=True)]


def _json_line(line: str, candidates: list[Candidate]) -> str:
    described: list[dict[str, object]] = []
    for candidate in candidates:
        problems = problems_of(candidate.tally)
        described.append({
            "text": candidate.text,
            "score": candidate.score,
            **({"problems": problems} if problems else {}),
        })
    content = {"source": line, **described[0]} | ({"candidates": described} if len(described) > 1 else {})
    return json.dumps(content, ensure_ascii=False)


def _note(summary: Summary, window: Window, found: list[list[Candidate]], *, names_files: bool) -> None:
    file = window.where if names_files else ""
    for number, candidates in enumerate(found, start=window.start):
        summary.note(candidates[0].tally, partial(Place, file=file, line=number))


def _windows(texts: list[str], paths: list[Path], reader: LineReader, running: Job | None) -> Iterator[Window]:
    """Yield what there is to translate in windows of lines: all that waits, but no more, so that answers come soon."""
    if texts:
        where = "the arguments"
        yield Window(lines=reader.decode([os.fsencode(text) for text in texts], where, 1), where=where, start=1)
    for path in paths:
        with _naming(f"{path} cannot be read"), path.open("rb") as stream:
            yield from _numbered(reader, stream, str(path), running)
    if not texts and not paths:
        if sys.stdin is None:  # closed by who started us
            raise NmtDistillError("standard input is closed; give the text as arguments, or --file PATH.")
        if sys.stdin.isatty():
            say("Type text to translate, a line at a time; Ctrl-D ends.")
        with _naming("standard input cannot be read"):
            yield from _numbered(reader, cast("SupportsRead1", sys.stdin.buffer), "standard input", running)


def _numbered(reader: LineReader, stream: SupportsRead1, where: str, running: Job | None) -> Iterator[Window]:
    start = 1
    for lines in reader.windows(stream, where, running):
        yield Window(lines=lines, where=where, start=start)
        start += len(lines)


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[IO[bytes]]:
    """Give what answers are written to: standard output, a device or pipe, or a file that appears when all is done."""
    if path is None:
        if sys.stdout is None:  # closed by who started us
            raise NmtDistillError("standard output is closed; give --output FILE.")
        yield sys.stdout.buffer
    elif is_folder_name(path):
        raise NmtDistillError(f"{path} is a folder, but --output must be a file.")
    else:
        with _naming(f"{path} cannot be written"), output_file(Path(path), "wb") as stream:
            yield stream


@contextlib.contextmanager
def _naming(problem: str) -> Iterator[None]:
    """Turn a failure of the system into an error that begins with ``problem``; a reader that left is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NmtDistillError(f"{problem}: {error.strerror}.") from None


def _write(output: IO[bytes], answers: list[str], where: str) -> None:
    with _naming(f"{where} cannot be written"):
        try:
            output.write("".join(f"{answer}\n" for answer in answers).encode())
            output.flush()
        except OSError:
            if output is sys.stdout.buffer:
                _forget_standard_output()
            raise


@contextlib.contextmanager
def _progress(paths: list[Path], output: IO[bytes]) -> Iterator[Job | None]:
    """Show progress where files are translated, somebody watches, and answers don't go to the same terminal."""
    if not paths or not is_watched() or output.isatty():
        yield None
        return
    with job("translate", total=sum(path.stat().st_size for path in paths) / 1000, unit="kB") as running:
        yield running


def _forget_standard_output() -> None:
    """Keep Python from complaining at its end that what is left cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(summary: Summary, reader: LineReader, strict: bool) -> int:
    """Say what was not as it should be; return the exit status."""
    if reader.num_invalid:
        lines = were(reader.num_invalid, "line")
        say(f"{lines} not valid UTF-8 (first: {reader.first_invalid}); bad bytes replaced.")
    for sentence in summary.sentences():
        say(sentence)
    return UNTRANSLATED_STATUS if strict and summary.has_problems else 0
