"""The verb ``train-head``: a linear head on an exported model, for languages or for classes of text."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from nmt_distill.commands.arguments import Verbs, add_verb, whole_number
from nmt_distill.commands.embed import add_model, open_encoder
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import as_sentences, read_lines, read_sentences
from nmt_distill.progress import say


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    parser = add_verb(verbs, "train-head", "train a head that tells languages or classes of text apart")
    add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the head is written")
    parser.add_argument(
        "--examples",
        action="append",
        default=[],
        metavar="LABEL=FILE",
        help="sentences of a class, one a line; once for each class",
    )
    parser.add_argument(
        "--tsv", type=Path, metavar="FILE", help="instead of --examples: a label, a tab and a sentence on each line"
    )
    parser.add_argument(
        "--test-tsv", type=Path, metavar="FILE", help="measure on these too, such as examples in another language"
    )
    parser.add_argument(
        "--on",
        choices=("states", "vectors"),
        default="vectors",
        help="`states` to tell languages apart; `vectors` for classes across languages (default: vectors)",
    )
    parser.add_argument(
        "--unknown-share",
        type=float,
        default=0.0,
        metavar="S",
        help="largest share of the examples that may be called `unknown`, so that foreign text is too (default: 0)",
    )
    parser.add_argument(
        "--min-letters",
        type=whole_number(0),
        metavar="N",
        help="text with fewer letters is `unknown` (default: 1 on states, 0 on vectors)",
    )
    parser.add_argument(
        "--outside", type=Path, metavar="FILE", help="text of no class: count how often it is called `unknown`"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say, and print what the head is worth; return the exit status."""
    if bool(arguments.examples) == bool(arguments.tsv):
        raise NmtDistillError("train-head needs --examples LABEL=FILE for each class, or --tsv FILE, one of both.")
    if not 0 <= arguments.unknown_share < 1:
        raise NmtDistillError(f"--unknown-share must be from 0 to below 1, but is {arguments.unknown_share} instead.")
    from nmt_distill.embedding.head import UNKNOWN, check_head_folder
    from nmt_distill.embedding.head_training import score_head, train_head

    check_head_folder(arguments.out)
    sentences, labels = read_examples(arguments.tsv) if arguments.tsv else _of_classes(arguments.examples)
    test = read_examples(arguments.test_tsv) if arguments.test_tsv else None
    if test is not None and (strangers := sorted({*test[1]} - {*labels, UNKNOWN})):
        raise NmtDistillError(
            f"{arguments.test_tsv} has the label {strangers[0][:60]}, which no example has; give it one that they have."
        )
    outside = _sentences(arguments.outside) if arguments.outside else None
    encoder = open_encoder(arguments)
    head, scores = train_head(
        encoder,
        sentences,
        labels,
        reads=arguments.on,
        unknown_share=arguments.unknown_share,
        min_letters=arguments.min_letters,
    )
    measured = {"held_out": dataclasses.asdict(scores)}
    if test is not None:
        measured["test"] = dataclasses.asdict(score_head(head, encoder, *test))
    if outside is not None:
        answers = [label for label, _ in head.classify(encoder, outside)]
        measured["outside"] = {"num_examples": len(answers), "unknown": answers.count(UNKNOWN) / len(answers)}
    head.save(arguments.out)
    print(json.dumps(measured, indent=1))
    say(f"head: {arguments.out}")
    return 0


def read_examples(path: Path) -> tuple[list[str], list[str]]:
    """Read sentences and labels of a tab-separated file.

    :raises NmtDistillError: at the first line that is not both
    """
    sentences, labels = [], []
    for number, line in enumerate(as_sentences(read_lines(path)), start=1):
        label, tab, sentence = line.partition("\t")
        if not (tab and label.strip() and sentence.strip()):
            raise NmtDistillError(f"{path}, line {number}: must be a label, a tab and a sentence.")
        sentences.append(sentence)
        labels.append(label)
    if not sentences:
        raise NmtDistillError(f"{path} is empty, but must hold examples.")
    return sentences, labels


def _of_classes(examples: list[str]) -> tuple[list[str], list[str]]:
    sentences: list[str] = []
    labels: list[str] = []
    for example in examples:
        label, sign, path = example.partition("=")
        if not (sign and label and path):
            raise NmtDistillError(f"--examples must be LABEL=FILE, but is {example} instead.")
        lines = _sentences(Path(path))
        sentences += lines
        labels += [label] * len(lines)
    return sentences, labels


def _sentences(path: Path) -> list[str]:
    """Read the lines of a file that are not empty.

    :raises NmtDistillError: if there is none
    """
    lines = [line for line in read_sentences(path) if line.strip()]
    if not lines:
        raise NmtDistillError(f"{path} is empty, but must hold examples.")
    return lines
