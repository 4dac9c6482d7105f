"""The verb ``evaluate`` without a recipe: any systems on any test sets, or a file of translations."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_distill.commands.arguments import whole_number
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.noise import NOISES, Noise
from nmt_distill.languages import Direction, normalize_tag
from nmt_distill.output import check_output_folder

if TYPE_CHECKING:
    from nmt_distill.evaluation.report import Report
    from nmt_distill.evaluation.test_texts import TestText
    from nmt_distill.scoring.contest import Contest

ALL = "all"
TITLE = "Systems compared"
OF_RECIPES = ("set", "out", "allow_drop")
OF_FILES = ("hypotheses", "references", "sources", "teacher")
OF_SYSTEMS = (
    "system",
    "test_set",
    "from",
    "report",
    "title",
    "note",
    "beam_size",
    "max_sentences",
    "speed_repetitions",
    "efficiency_sentences",
    "noise",
)
OF_BOTH = ("to", "tokenizer", "metric")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate`` that no recipe gives."""
    files = parser.add_argument_group("a file of translations", "scored as JSON; needs only the base install")
    files.add_argument("--hypotheses", type=Path, metavar="FILE", help="translations, one a line")
    files.add_argument("--references", type=Path, metavar="FILE", help="human translations, one a line")
    files.add_argument("--sources", type=Path, metavar="FILE", help="source text, for the risk counts")
    files.add_argument("--teacher", type=Path, metavar="FILE", help="the teacher's translations, for agreement")
    systems = parser.add_argument_group("systems on test sets", "scored in one report")
    systems.add_argument(
        "--system",
        action="append",
        default=[],
        metavar="NAME=WHAT",
        help="an export's, a student's or a run's folder, a name that `models` lists, teacher:RECIPE, "
        "transformers:NAME, command:PROGRAM, or file:PATH of outputs; repeat it: all are compared with the first, "
        "whose output is the measure of agreement",
    )
    systems.add_argument(
        "--test-set",
        action="append",
        default=[],
        metavar="WHAT",
        help="[NAME=]SOURCES,REFERENCES (files), suite:FILE,FOLDER, or sacrebleu:NAME; repeat it for several",
    )
    systems.add_argument("--from", metavar="LANGUAGE", help="language of the sources")
    systems.add_argument("--report", type=Path, metavar="FOLDER", help="where the report is written")
    systems.add_argument("--title", metavar="TEXT", help=f"heading of the report (default: {TITLE})")
    systems.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="a note for readers of the report; may be repeated"
    )
    systems.add_argument(
        "--beam-size", type=whole_number(), metavar="N", help="beam size of all systems (default: each system's own)"
    )
    systems.add_argument(
        "--max-sentences", type=whole_number(), metavar="N", help="use the first N sentences of each test set"
    )
    systems.add_argument(
        "--speed-repetitions",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="how often to time each system on each test set (default: not at all)",
    )
    systems.add_argument(
        "--efficiency-sentences",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="sentences for latency, throughput and memory, on one core and on all (default: not measured)",
    )
    systems.add_argument(
        "--noise",
        action="append",
        default=[],
        choices=(*NOISES, ALL),
        help="score every test set once more with carelessly typed sources; may be repeated",
    )
    both = parser.add_argument_group("both")
    both.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="LANGUAGE",
        help="language of the translations; repeat it if test sets have several",
    )
    both.add_argument(
        "--tokenizer", metavar="NAME", help="tokenizer of BLEU, such as flores200 (default: that of the language)"
    )
    both.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a metric of an outside program, such as COMET; see eval/README.md",
    )


def check_mixture(arguments: argparse.Namespace) -> None:
    """Refuse options that would not be heeded beside the others.

    :raises NmtDistillError: names those to leave out
    """
    if arguments.recipe:
        given, what = (
            _given(arguments, (*OF_FILES, *OF_SYSTEMS, *OF_BOTH)),
            "a recipe, which says what is scored itself",
        )
    elif given := _given(arguments, OF_RECIPES):
        what = "what no recipe is named for"
    elif arguments.system or arguments.test_set:
        given, what = _given(arguments, OF_FILES), "systems on test sets"
    else:
        given, what = _given(arguments, OF_SYSTEMS), "a file of translations"
    if given:
        raise NmtDistillError(f"evaluate was asked to score {what}; leave {', '.join(given)} out.")


def _given(arguments: argparse.Namespace, names: Sequence[str]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name)]


def run(arguments: argparse.Namespace) -> int:
    """Score systems, or a file of translations, and print what was found."""
    return _score_systems(arguments) if arguments.system or arguments.test_set else _score_file(arguments)


def _score_file(arguments: argparse.Namespace) -> int:
    for name in ("hypotheses", "references", "to"):
        if not getattr(arguments, name):
            raise NmtDistillError(
                "evaluate needs a recipe, or --system and --test-set, or --hypotheses, --references and --to; "
                f"--{name} is missing."
            )
    if len(arguments.to) > 1:
        raise NmtDistillError("--to must stand once with --hypotheses; a file of translations has one language.")
    if arguments.metric and arguments.sources is None:
        raise NmtDistillError("--metric needs --sources too; outside programs are given the source.")
    from nmt_distill.evaluation.metrics import AUTO
    from nmt_distill.evaluation.outside_metrics import parse_outside_metric
    from nmt_distill.evaluation.scoring import evaluate_files

    scores = evaluate_files(
        arguments.hypotheses,
        arguments.references,
        arguments.sources,
        arguments.teacher,
        target=arguments.to[0],
        tokenizer=arguments.tokenizer or AUTO,
        outside_metrics=[parse_outside_metric(text) for text in arguments.metric],
    )
    print(json.dumps(scores, ensure_ascii=False, indent=1))
    return 0


def _score_systems(arguments: argparse.Namespace) -> int:
    for name, value in (("system", arguments.system), ("test-set", arguments.test_set), ("to", arguments.to)):
        if not value:
            raise NmtDistillError(f"evaluate with --system or --test-set needs --{name} too.")
    for name in ("from", "report"):
        if getattr(arguments, name) is None:
            raise NmtDistillError(f"evaluate with --system or --test-set needs --{name} too.")
    check_output_folder(arguments.report)
    from nmt_distill.evaluation.test_texts import read_test_texts

    source = normalize_tag(getattr(arguments, "from"))
    directions = [Direction(source=source, target=normalize_tag(target)) for target in dict.fromkeys(arguments.to)]
    texts = [
        text
        for what in arguments.test_set
        for text in read_test_texts(what, directions, max_sentences=arguments.max_sentences)
    ]
    _refuse_twice("test sets", "--test-set", [text.name for text in texts])
    from nmt_distill.evaluation.page import write_report
    from nmt_distill.evaluation.terminal import score_table

    report = _report(arguments, _contest(arguments, directions), texts)
    write_report(report, arguments.report)
    print(score_table(report))
    print(f"\nreport: {arguments.report / 'report.html'}")
    return 0


def _contest(arguments: argparse.Namespace, directions: Sequence[Direction]) -> Contest:
    from nmt_distill.evaluation.metrics import AUTO
    from nmt_distill.evaluation.outside_metrics import parse_outside_metric
    from nmt_distill.scoring.contest import Contest
    from nmt_distill.scoring.contestants import load_contestant, name_and_what

    named = [name_and_what(text) for text in arguments.system]
    names = [name for name, _ in named]
    _refuse_twice("systems", "--system", names)
    noises: list[Noise] = list(NOISES) if ALL in arguments.noise else arguments.noise
    return Contest(
        contestants=[load_contestant(name, what, directions, beam_size=arguments.beam_size) for name, what in named],
        focus=names[-1],
        teacher=names[0] if len(names) > 1 else None,
        comparisons=[(name, names[0]) for name in names[1:]],
        speed_repetitions=arguments.speed_repetitions,
        efficiency_sentences=arguments.efficiency_sentences,
        tokenizer=arguments.tokenizer or AUTO,
        noises=noises,
        outside_metrics=[parse_outside_metric(text) for text in arguments.metric],
    )


def _refuse_twice(what: str, option: str, names: Sequence[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise NmtDistillError(f"two {what} are called {twice[0]}; give each {option} a name of its own.")


def _report(arguments: argparse.Namespace, contest: Contest, texts: Sequence[TestText]) -> Report:
    from nmt_distill.evaluation.report import Report
    from nmt_distill.evaluation.speed import machine

    contest.read_outputs(texts)
    test_sets = tuple(contest.score(text) for text in texts)
    return Report(
        title=arguments.title or TITLE,
        systems=tuple(contestant.system for contestant in contest.contestants),
        test_sets=test_sets,
        machine=machine(),
        command=shlex.join(["nmt-distill", *sys.argv[1:]]),
        teacher=contest.teacher,
        speed_reference=contest.teacher if arguments.speed_repetitions else None,
        notes=tuple(arguments.note),
        created=date.today().isoformat(),
        efficiency=contest.efficiency(texts[0]),
    ).without_private_text()
