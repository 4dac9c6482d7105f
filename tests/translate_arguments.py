"""The arguments of ``translate``, and the verb in a process of its own."""

from __future__ import annotations

import argparse

from nmt_distill.commands.translate import add_arguments

PROGRAM = """
import argparse, sys
from nmt_distill.commands.translate import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


def parse(*arguments: str) -> argparse.Namespace:
    """Read arguments as the verb does."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)
