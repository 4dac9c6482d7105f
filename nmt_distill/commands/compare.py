"""The verb ``compare``: finished runs side by side, or rows of runs that differ in their seed alone."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from nmt_distill.commands.arguments import Verbs, add_verb
from nmt_distill.errors import NmtDistillError
from nmt_distill.output import check_output_folder


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    compare = add_verb(verbs, "compare", "score finished runs of one corpus side by side, in one report")
    compare.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="folders of finished runs; every two are compared"
    )
    compare.add_argument(
        "--row",
        action="append",
        default=[],
        metavar="NAME=RUN,RUN,...",
        help="instead of RUN: runs that differ only in their seed; rows are compared seed by seed",
    )
    compare.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME",
        help="row that later rows are compared with (default: the first)",
    )
    compare.add_argument("--report", type=Path, required=True, metavar="FOLDER", help="where the report is written")
    compare.add_argument("--title", default="Runs compared", help="heading of the report")
    compare.add_argument(
        "--made-by", metavar="COMMAND", help="command that the report names to make it again (default: this one)"
    )
    compare.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="a note for readers of the report; may be repeated"
    )
    compare.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="also score an outside engine that turns lines into lines; may be repeated",
    )
    compare.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the first run's recipe"
    )
    compare.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare as the arguments say; return the exit status.

    :raises NmtDistillError: if a run is not finished or has another corpus, or the arguments do not go together
    """
    if bool(arguments.runs) == bool(arguments.row):
        raise NmtDistillError("compare needs run folders, or rows of runs by --row NAME=RUN,RUN, one of both.")
    check_output_folder(arguments.report)
    if arguments.row:
        return _compare_rows(arguments)
    from nmt_distill.comparison import compare_runs
    from nmt_distill.evaluation.terminal import score_table

    report = compare_runs(
        arguments.runs,
        arguments.report,
        overrides=arguments.set,
        peers=arguments.peer,
        title=arguments.title,
        notes=arguments.note,
        command=arguments.made_by or shlex.join(["nmt-distill", *sys.argv[1:]]),
    )
    print(score_table(report))
    return 0


def _compare_rows(arguments: argparse.Namespace) -> int:
    from nmt_distill.ablation import compare_rows
    from nmt_distill.evaluation.ablation_page import summary

    if arguments.peer:
        raise NmtDistillError("--peer has no seeds; compare it with run folders instead of rows.")
    report = compare_rows(
        arguments.row,
        arguments.report,
        baselines=arguments.against,
        overrides=arguments.set,
        title=arguments.title,
        notes=arguments.note,
        command=arguments.made_by or shlex.join(["nmt-distill", *sys.argv[1:]]),
    )
    print("\n".join(summary(report)))
    return 0
