"""The parser of a command: options and text in any order, and an error in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Tells in one line what is wrong, and where to read on."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see `{self.prog} --help`.\n")


class VerbParser(CommandParser):
    """The parser of a verb, whose text may stand among its options unless a ``--`` ends these."""

    _is_intermixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse options first, then what is left; what stays unknown is an error of the verb."""
        if self._is_intermixed:  # called by the parse of options or of what is left
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            parse = super().parse_known_args if "--" in (args or ()) else self.parse_known_intermixed_args
            parsed, unknown = parse(args, namespace)
        finally:
            self._is_intermixed = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, []


if TYPE_CHECKING:  # a generic in its stubs alone
    Verbs = argparse._SubParsersAction[VerbParser]
else:
    Verbs = argparse._SubParsersAction


def add_verb(verbs: Verbs, name: str, what: str) -> argparse.ArgumentParser:
    """Add a verb that says in the command's help and in its own what it does.

    :param what: one sentence, without capital and full stop
    """
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    return parser


def whole_number(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """Make what reads a whole number of an option, within bounds, and says what it must be."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else None
        if number is None or number < least or (most is not None and number > most):
            bounds = f"of at least {least}" if most is None or (number or 0) <= most else f"of at most {most}"
            raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, but is {text} instead")
        return number

    return read
