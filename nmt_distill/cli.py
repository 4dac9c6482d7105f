"""The command line: ten lines a verb."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_distill import __version__
from nmt_distill.commands import compare as compare_command
from nmt_distill.commands import embed as embed_command
from nmt_distill.commands import evaluate as evaluate_command
from nmt_distill.commands import grow as grow_command
from nmt_distill.commands import models as models_command
from nmt_distill.commands import search as search_command
from nmt_distill.commands import train_head as train_head_command
from nmt_distill.commands import translate as translate_command
from nmt_distill.commands.arguments import CommandParser, VerbParser, add_verb, whole_number
from nmt_distill.errors import NmtDistillError, system_problem
from nmt_distill.output import flush_output
from nmt_distill.progress import say, silence
from nmt_distill.ranks import Ranks

if TYPE_CHECKING:
    from nmt_distill.pipeline import Pipeline
    from nmt_distill.stages.run import Work

INTERRUPTED_STATUS = 130


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all verbs; nothing heavy is imported."""
    parser = CommandParser(
        prog="nmt-distill",
        description="Distil a large translation model into a small one that translates fast on an ordinary CPU.",
        epilog="Options of a verb: nmt-distill VERB --help. Exit status: 0 done, 2 an error, 3 a missed quality bound.",
    )
    parser.add_argument("--version", action="version", version=f"nmt-distill {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=VerbParser)

    for command in (translate_command, models_command, embed_command, search_command, train_head_command):
        command.add_verbs(verbs)

    run = add_verb(verbs, "run", "make everything that a recipe asks for, from corpus to scores, if not valid yet")
    _add_recipe(run)
    run.add_argument("--plan", action="store_true", help="compute nothing: print what is valid and what will run")
    _add_allow_drop(run)
    run.set_defaults(run=_run)

    for verb, stage, text in (
        ("prepare-data", "corpus", "make the corpus: read sources, filter, split, check"),
        ("distill", "distilled", "let the teacher label the corpus: translations, probabilities, decoder states"),
        ("train-vocabulary", "vocabulary", "make the student's SentencePiece model"),
        ("train-teacher", "student", "train a model on human translations, to be a teacher of smaller ones"),
        ("train", "student", "train the student; start it by torchrun to use several GPUs"),
        ("export", "export", "convert the student to CTranslate2, and check that it still translates alike"),
    ):
        staged = add_verb(verbs, verb, text)
        _add_recipe(staged)
        if verb == "export":
            staged.add_argument("--force", action="store_true", help="make the export again, whatever is there")
            staged.add_argument(
                "--profile", type=Path, metavar="FILE", help="settings such as export/profiles/gpu.yaml"
            )
            _add_allow_drop(staged)
        if verb == "distill":
            _add_share(staged)
        staged.set_defaults(run=_run_to, stage=stage)

    grow_command.add_verbs(verbs)
    compare_command.add_verbs(verbs)

    evaluate = add_verb(
        verbs, "evaluate", "score a recipe's systems, any systems on any test sets, or a file of translations"
    )
    evaluate.add_argument("recipe", nargs="?", help="recipe by name (recipes/NAME/recipe.yaml) or path")
    _add_run_options(evaluate)
    _add_allow_drop(evaluate)
    evaluate_command.add_arguments(evaluate)
    evaluate.set_defaults(run=_evaluate)
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="recipe by name (recipes/NAME/recipe.yaml) or path")
    _add_run_options(parser)


def _add_share(parser: argparse.ArgumentParser) -> None:
    share = parser.add_argument_group(
        "several processes", "each labels its share; then run `distill` once without these options to put all together"
    )
    share.add_argument("--num-shards", type=whole_number(), default=1, metavar="N", help="how many processes there are")
    share.add_argument("--shard-idx", type=int, metavar="I", help="which of them this is, from 0 to N - 1")
    cluster = parser.add_argument_group("Ray", "one worker on each device labels shards; the result is put together")
    cluster.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="label on the Ray cluster at this address; without an address on that of this machine, or on a new one",
    )
    cluster.add_argument(
        "--cpus-per-worker",
        type=whole_number(),
        metavar="N",
        help="processor cores of a worker without a GPU (default: all of its machine)",
    )


def _add_allow_drop(parser: argparse.ArgumentParser) -> None:
    what = "accept exports that miss export.max_drop or export.min_parity (else: status 3)"
    parser.add_argument("--allow-drop", action="store_true", help=what)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    what = "override a key of the recipe, such as training.seed=2; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=what)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/NAME)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors that people are meant to read become one line and an exit status."""
    parsed = build_parser().parse_args(arguments)
    ranks = Ranks.of_environment()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=sys.stdout.errors)  # whatever the locale is
    try:
        status: int = parsed.run(parsed) if ranks.is_main or not _may_train(parsed) else _train_along(parsed, ranks)
        flush_output()
    except NmtDistillError as error:
        if parsed.debug:
            raise
        say(f"nmt-distill: {error}")
        return error.exit_status
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        with contextlib.suppress(OSError):
            flush_output()
        return translate_command.BROKEN_PIPE_STATUS
    except KeyboardInterrupt:
        goes_on = "; the same command goes on where this one stopped" if getattr(parsed, "recipe", None) else ""
        say(f"nmt-distill: interrupted{goes_on}")
        return INTERRUPTED_STATUS
    except Exception as error:
        problem = system_problem(error, has_out=hasattr(parsed, "out"))
        if parsed.debug or problem is None:
            raise
        say(f"nmt-distill: {problem}")
        with contextlib.suppress(OSError):
            flush_output()
        return NmtDistillError.exit_status
    return status


def _may_train(arguments: argparse.Namespace) -> bool:
    """Whether the command may come to train a student, which several processes can do together."""
    return arguments.verb in ("run", "train", "train-teacher", "export") or (
        arguments.verb == "evaluate" and bool(arguments.recipe)
    )


def _train_along(arguments: argparse.Namespace, ranks: Ranks) -> int:
    """Be one of the processes that only train: the main one says all that there is to say."""
    if getattr(arguments, "plan", False):
        return 0
    with silence():
        ranks.join()
        called_for = ranks.from_main()
        if called_for is not None:
            _pipeline(arguments, ranks).train_along(called_for)
    return 0


def _pipeline(arguments: argparse.Namespace, ranks: Ranks | None = None) -> Pipeline:
    from nmt_distill.pipeline import Pipeline
    from nmt_distill.recipe import find_recipe, load_recipe

    profile = getattr(arguments, "profile", None)
    recipe = load_recipe(find_recipe(arguments.recipe), arguments.set, export_profile=profile)
    folder = arguments.out or Path("runs") / recipe.name
    force = getattr(arguments, "force", False)
    return Pipeline(recipe, folder, force=force, label=_cluster(arguments), ranks=ranks)


def _cluster(arguments: argparse.Namespace) -> Work | None:
    """Return what labels on a Ray cluster, if one is asked for."""
    address = getattr(arguments, "ray", None)
    if address is None:
        if getattr(arguments, "cpus_per_worker", None):
            raise NmtDistillError("--cpus-per-worker is for labelling on a Ray cluster; give --ray with it.")
        return None
    if arguments.shard_idx is not None or arguments.num_shards > 1:
        raise NmtDistillError("--ray deals out the shards itself; leave --num-shards and --shard-idx out.")
    from nmt_distill.cluster.labelling import label_on_cluster, load_ray

    load_ray()  # what is missing is told now, not after the corpus is made
    return partial(label_on_cluster, address=address or None, cpus_per_worker=arguments.cpus_per_worker)


def _run(arguments: argparse.Namespace) -> int:
    pipeline = _pipeline(arguments, Ranks.of_environment())
    if arguments.plan:
        print("\n".join(pipeline.plan()))
        pipeline.check_files()
        return 0
    say("\n".join(pipeline.plan()))
    pipeline.run()
    from nmt_distill.scoring.scoreboard import closing_words

    print(closing_words(pipeline))
    pipeline.check_bounds(allow_drop=arguments.allow_drop)
    return 0


def _run_to(arguments: argparse.Namespace) -> int:
    pipeline = _pipeline(arguments, Ranks.of_environment() if _may_train(arguments) else None)
    if arguments.verb == "distill" and (arguments.shard_idx is not None or arguments.num_shards > 1):
        if arguments.shard_idx is None or not 0 <= arguments.shard_idx < arguments.num_shards:
            given = "missing" if arguments.shard_idx is None else f"{arguments.shard_idx} instead"
            raise NmtDistillError(
                f"--shard-idx must be from 0 to {arguments.num_shards - 1}, one less than --num-shards, but is {given}."
            )
        pipeline.label_share(arguments.num_shards, arguments.shard_idx)
        return 0
    if arguments.verb == "train-teacher" and pipeline.recipe.teachers:
        raise NmtDistillError(
            f"train-teacher is for recipes without a teacher, but {arguments.recipe} names one; use `train`."
        )
    pipeline.run(arguments.stage)
    if arguments.verb == "export":
        pipeline.check_bounds(allow_drop=arguments.allow_drop)
    print({stage.name: stage for stage in pipeline.stages}[arguments.stage].path)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    evaluate_command.check_mixture(arguments)
    if arguments.recipe:
        pipeline = _pipeline(arguments, Ranks.of_environment())
        pipeline.run("scores")
        from nmt_distill.scoring.scoreboard import closing_words

        print(closing_words(pipeline))
        pipeline.check_bounds(allow_drop=arguments.allow_drop)
        return 0
    return evaluate_command.run(arguments)
