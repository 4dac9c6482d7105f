"""Files of a format translated whole: which go where, and each written whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_distill.documents.document import Document
from nmt_distill.documents.formats import SUFFIXES, files_below, format_of, is_known, read_document
from nmt_distill.errors import NmtDistillError
from nmt_distill.output import check_output, output_file
from nmt_distill.progress import Job, is_watched, job, say
from nmt_distill.translation.summary import Place, Summary

if TYPE_CHECKING:
    from nmt_distill.translation.sentence import Candidate
    from nmt_distill.translation.translator import Translator

HEAD_BYTES = 1 << 16
"""how much of a file tells whether it is text"""
WINDOW_SEGMENTS = 1024
"""segments that are translated together"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One file, and where its translation goes."""

    path: Path
    format: str
    destination: Path | None
    """None for standard output"""


def plan(paths: Sequence[Path], *, output: str | None, in_place: bool, format_name: str | None) -> list[Task]:
    """Tell which files become which.

    :param paths: files and folders
    :param output: a file, or a folder that takes the files under the names that they have
    :param format_name: of all files; else each one's suffix tells
    :raises NmtDistillError: if a file is missing, two would become one, or one cannot come to stand where it should
    """
    if in_place and output is not None:
        raise NmtDistillError("translate takes --in-place or --output, but was given both; leave one out.")
    is_folder = output is not None and is_folder_name(output)
    is_folder = is_folder or any(path.is_dir() for path in paths)
    folder = Path(output) if is_folder and output is not None else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise NmtDistillError(f"{folder} is a file, but --output must be a folder here, or one that is not there yet.")
    files = [(file, root) for root in paths for file in _files_of(root, folder)]
    if in_place:  # a file and a link to it are one
        files = list({file.resolve(): (file, root) for file, root in reversed(files)}.values())[::-1]
    if len(files) > 1 and not in_place and folder is None:
        raise NmtDistillError(
            f"{len(files)} documents need a folder, but --output is {output or 'not given'}; "
            "name one that exists or ends with `/`, or give --in-place."
        )
    tasks = []
    for file, root in files:
        destination = file if in_place else None if output is None else Path(output)
        if folder is not None:
            destination = folder / (file.relative_to(root) if root.is_dir() else file.name)
        if destination is not None:
            check_output(destination)
        tasks.append(Task(path=file, format=format_name or format_of(file), destination=destination))
    for destination, count in Counter(task.destination for task in tasks).items():
        if destination is not None and count > 1:
            raise NmtDistillError(f"several of the files would become {destination}; translate them one at a time.")
    return tasks


def is_folder_name(output: str) -> bool:
    """Tell whether what is to be written is a folder: it is there, or its name ends as those of folders do."""
    return output.endswith(os.sep) or Path(output).is_dir()


def check_text(path: Path, format_name: str | None, *, by_lines: bool) -> None:
    """Refuse a file that would be taken as text, but is none, or is none that can be read line by line.

    :param format_name: what the file is said to be, whatever its suffix
    :param by_lines: lines are read as UTF-8; a document may be UTF-16
    :raises NmtDistillError: if a file of an unknown suffix holds NUL bytes, or lines begin with the mark of UTF-16
    """
    if (format_name or format_of(path)) != "text" or not path.is_file():
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise NmtDistillError(f"{path} cannot be read: {error.strerror}.") from None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if by_lines:
            raise NmtDistillError(
                f"{path} is UTF-16, but lines are read as UTF-8; convert it, for example with iconv, or give --output "
                "a folder, into which it goes in its own encoding."
            )
    elif b"\x00" in head and format_name is None and path.suffix.lower() not in SUFFIXES["text"]:
        raise NmtDistillError(f"{path} is no text, and of no format that is known; extract its text first.")


def warn_of_unknown_formats(paths: Sequence[Path]) -> None:
    """Say of which files every line is translated because their suffix tells no format."""
    for path in paths:
        if path.is_file() and path.suffix and not is_known(path):
            say(f"{path}: `{path.suffix}` is the suffix of no known format, so every line is translated as plain text.")


def _files_of(path: Path, output: Path | None) -> list[Path]:
    """Return a file, or those of a folder but for what an output in it holds."""
    if not path.is_dir():
        return [path]
    files = list(files_below(path))
    if output is not None and path.resolve() in output.resolve().parents:
        files = [file for file in files if output.resolve() not in file.resolve().parents]
    if not files:
        raise NmtDistillError(f"{path} holds no file of a known format; name its files, with --format.")
    return files


def translate_documents(
    tasks: Sequence[Task], translator: Translator, *, target: str | None, source: str | None, column: str | None
) -> Summary:
    """Translate files; all are read first, so that nothing is written where one of them is broken.

    :return: what did not go as it should
    :raises NmtDistillError: if a file is broken, or one cannot be written
    """
    language = translator.folder.choose(source, target).target
    summary = Summary()
    total = 0
    for task in tasks:
        total += len(read_document(task.path, task.format, language=language, column=column).segments)
    with _progress(tasks, total) as running:
        for task in tasks:
            document = read_document(task.path, task.format, language=language, column=column)
            found = _translations(document, translator, target, source, running)
            for number, (segment, candidate) in enumerate(zip(document.segments, found, strict=True)):
                summary.note(candidate.tally, partial(_place, task.path, document, number, segment))
            _write(task, document.render([candidate.text for candidate in found]))
    return summary


def _translations(
    document: Document, translator: Translator, target: str | None, source: str | None, running: Job | None
) -> list[Candidate]:
    segments = document.segments
    translations: list[Candidate] = []
    for start in range(0, len(segments), WINDOW_SEGMENTS):
        window = segments[start : start + WINDOW_SEGMENTS]
        found = translator.candidates(window, scores=False, target=target, source=source, markdown=document.markdown)
        translations += [candidates[0] for candidates in found]
        if running is not None:
            running.advance(len(window))
    return translations


def _place(path: Path, document: Document, number: int, segment: str) -> Place:
    return Place(file=str(path), line=document.line_of(number), text=segment)


def _write(task: Task, content: bytes) -> None:
    if task.destination is None:
        if sys.stdout is None:  # closed by who started us
            raise NmtDistillError("standard output is closed; give --output FILE.")
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        mode = stat.S_IMODE(task.path.stat().st_mode)
        with output_file(task.destination, "wb") as stream:
            stream.write(content)
        if task.destination.is_file():
            task.destination.chmod(mode)
    except BrokenPipeError:  # the reader has seen enough
        raise
    except OSError as error:
        raise NmtDistillError(f"{task.destination} cannot be written: {error.strerror}.") from None


@contextlib.contextmanager
def _progress(tasks: Sequence[Task], total: int) -> Iterator[Job | None]:
    """Show progress where somebody watches, and the translation doesn't go to the same terminal."""
    to_terminal = any(task.destination is None for task in tasks) and sys.stdout is not None and sys.stdout.isatty()
    if not is_watched() or to_terminal:
        yield None
        return
    with job("translate", total=total, unit="segments") as running:
        yield running
