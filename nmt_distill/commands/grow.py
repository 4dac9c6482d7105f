"""The verb ``grow``: a larger student out of a trained one."""

from __future__ import annotations

import argparse
from pathlib import Path

from nmt_distill.commands.arguments import Verbs, add_verb, whole_number
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder
from nmt_distill.output import check_output_folder
from nmt_distill.progress import say


def add_verbs(verbs: Verbs) -> None:
    """Add the verb to the command's parser."""
    grow = add_verb(verbs, "grow", "make a larger student from a trained one, to start another training from")
    grow.add_argument("student", type=Path, metavar="STUDENT_FOLDER", help="the `student` folder of a run")
    grow.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the larger student is written")
    for name, what in (
        ("--ffn-inner-dim", "width inside the feed-forward blocks"),
        ("--num-encoder-layers", "layers of the encoder"),
        ("--num-decoder-layers", "layers of the decoder"),
    ):
        grow.add_argument(name, type=whole_number(), metavar="N", help=f"{what} (default: the student's)")
    grow.add_argument(
        "--depth",
        choices=("identity", "stack"),
        default="identity",
        help="`identity`: new layers change nothing at first (nllb graph); `stack`: all layers are repeated "
        "(default: identity)",
    )
    grow.add_argument(
        "--seed", type=whole_number(0, 2**63 - 1), default=1, metavar="N", help="seed of the new units (default: 1)"
    )
    grow.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the larger student."""
    from nmt_distill.embedding.student_vectors import DESCRIPTION_NAME, read_description, write_description
    from nmt_distill.student.checkpoint import load_student, save_student
    from nmt_distill.student.graph import count_parameters
    from nmt_distill.student.growth import grow

    if arguments.out.exists():
        raise NmtDistillError(f"{arguments.out} exists; give --out another folder, or remove it.")
    check_output_folder(arguments.out)
    student = load_student(arguments.student)
    has_vectors = (arguments.student / DESCRIPTION_NAME).is_file()
    vectors = read_description(arguments.student) if has_vectors else None
    grown = grow(
        student,
        ffn_inner_dim=arguments.ffn_inner_dim,
        num_encoder_layers=arguments.num_encoder_layers,
        num_decoder_layers=arguments.num_decoder_layers,
        depth=arguments.depth,
        seed=arguments.seed,
    )
    with atomic_folder(arguments.out) as partial:
        save_student(grown, arguments.student / "source.spm", partial)
        if vectors is not None:
            write_description(partial, *vectors)
    say(f"from {count_parameters(student):,} to {count_parameters(grown):,} parameters")
    print(arguments.out)
    return 0
