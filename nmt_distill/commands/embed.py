"""The verb ``embed``: sentences to vectors, to an index, or to the classes of a head."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt_distill.commands.arguments import Verbs, add_verb, whole_number
from nmt_distill.counting import counted
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import as_sentences, read_lines
from nmt_distill.output import check_output, output_file
from nmt_distill.progress import job, say

if TYPE_CHECKING:
    from nmt_distill.embedding.encoder import SentenceEncoder


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    parser = add_verb(verbs, "embed", "turn sentences into vectors with an exported model")
    add_model(parser)
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="text with one sentence on each line (default: standard input)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="write a float32 array (.npy) or JSON lines (.jsonl) (default: JSON lines to standard output)",
    )
    parser.add_argument("--index", type=Path, metavar="FOLDER", help="write an index for `search` instead")
    parser.add_argument(
        "--approximate",
        action="store_true",
        help="with --index: add a graph for fast approximate search (needs usearch)",
    )
    parser.add_argument(
        "--head", type=Path, metavar="FOLDER", help="write the classes that a head of `train-head` finds"
    )
    parser.set_defaults(run=run)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add what every verb on sentence vectors asks for."""
    parser.add_argument("--model", required=True, type=Path, metavar="FOLDER", help="export folder of a run")
    parser.add_argument("--threads", type=whole_number(), metavar="N", help="processor cores to use (default: all)")
    parser.add_argument(
        "--language",
        action="append",
        default=[],
        metavar="LANGUAGE",
        help="language of the sentences; an error if the model has not learned its vectors",
    )


def open_encoder(arguments: argparse.Namespace) -> SentenceEncoder:
    """Load the model that the arguments name.

    :raises NmtDistillError: if it is none, or has not learned vectors of a language
    """
    from nmt_distill.embedding.encoder import SentenceEncoder
    from nmt_distill.languages import match_language

    encoder = SentenceEncoder(arguments.model, threads=arguments.threads)
    described = encoder.described
    if not described.teacher:
        say(
            f"{arguments.model} was never trained for sentence vectors: the mean of its states is unusable for search, "
            "mining and classification across languages. Train with a section `embedding` in the recipe."
        )
    for language in arguments.language:
        if not described.languages:
            raise NmtDistillError(
                f"{arguments.model} has learned vectors of no language, so not of `{language}` either."
            )
        match_language(language, list(described.languages))
    return encoder


def input_lines(path: Path | None) -> Iterator[str]:
    """Yield the sentences of a file, or of standard input, one a line.

    :raises NmtDistillError: if a file is missing, or a line is not valid UTF-8
    """
    return as_sentences(_standard_input() if path is None else read_lines(path))


def _standard_input() -> Iterator[str]:
    if sys.stdin is None:  # closed by who started us
        raise NmtDistillError("standard input is closed; name a file.")
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise NmtDistillError(f"standard input, line {number}: not valid UTF-8; convert it with iconv.") from None


def run(arguments: argparse.Namespace) -> int:
    """Embed as the arguments say; return the exit status."""
    _check(arguments)
    encoder = open_encoder(arguments)
    if arguments.index:
        from nmt_distill.embedding.index import make_index

        make_index(arguments.index, input_lines(arguments.file), encoder, approximate=arguments.approximate)
        print(arguments.index)
    elif arguments.head:
        _write_classes(arguments.head, encoder, arguments.file)
    elif arguments.output is None:
        for line in _json_lines(encoder, input_lines(arguments.file)):
            print(line, end="", flush=True)
    elif arguments.output.suffix == ".jsonl":
        with output_file(arguments.output) as stream:
            stream.writelines(_json_lines(encoder, input_lines(arguments.file)))
    else:
        _write_table(arguments.output, encoder, arguments.file)
    if encoder.num_unread:
        what = counted(encoder.num_unread, "line")
        say(f"{what} of which the model's vocabulary has no piece: all such lines have one vector, which says nothing")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be done before a model is loaded."""
    if sum(bool(value) for value in (arguments.output, arguments.index, arguments.head)) > 1:
        raise NmtDistillError("embed writes one thing: --output, --index or --head; leave the others out.")
    if arguments.approximate and not arguments.index:
        raise NmtDistillError("--approximate is for an index; give --index FOLDER with it.")
    if arguments.index:
        from nmt_distill.embedding.index import check_index_folder

        check_index_folder(arguments.index)
    if arguments.output is not None:
        if arguments.output.suffix not in (".npy", ".jsonl"):
            raise NmtDistillError(f"--output must end in .npy or .jsonl, but is {arguments.output}.")
        check_output(arguments.output, inputs=[arguments.file] if arguments.file else [])


def _windows(lines: Iterable[str]) -> Iterator[list[str]]:
    from nmt_distill.translation.translator import WINDOW_LINES

    window: list[str] = []
    for line in lines:
        window.append(line)
        if len(window) == WINDOW_LINES:
            yield window
            window = []
    if window:
        yield window


def _json_lines(encoder: SentenceEncoder, lines: Iterable[str]) -> Iterator[str]:
    first = 1
    for window in _windows(lines):
        vectors = encoder.project(encoder.pooled(window, first_line=first))
        first += len(window)
        for text, vector in zip(window, vectors, strict=True):
            content = {"text": text, "vector": [round(value, 7) for value in vector.tolist()]}
            yield json.dumps(content, ensure_ascii=False) + "\n"


def _write_table(path: Path, encoder: SentenceEncoder, source: Path | None) -> None:
    """Write a table of numpy, a window of lines at a time: only text that cannot be read twice is kept in memory."""
    import numpy as np

    kept: list[str] | None = list(input_lines(source)) if source is None or not source.is_file() else None
    count = sum(1 for _ in input_lines(source)) if kept is None else len(kept)
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (count, encoder.dim)}
    with output_file(path, "wb") as stream, job("embed", total=count) as running:
        np.lib.format.write_array_header_1_0(stream, header)
        num_written = 0
        for vectors in encoder.embed_lines(input_lines(source) if kept is None else kept):
            stream.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
            running.advance(len(vectors))
            num_written += len(vectors)
        if num_written != count:
            raise NmtDistillError(
                f"{source} had {counted(count, 'line')}, and then {num_written:,}: it changed while it was read; "
                "embed it again."
            )


def _write_classes(folder: Path, encoder: SentenceEncoder, source: Path | None) -> None:
    from nmt_distill.embedding.head import load_head

    head, first = load_head(folder), 1
    for window in _windows(input_lines(source)):
        for label, probability in head.classify(encoder, window, first_line=first):
            print(f"{label}\t{probability:.3f}")
        first += len(window)
