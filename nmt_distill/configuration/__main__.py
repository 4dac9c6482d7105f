"""Write the reference of a configuration class: ``python -m nmt_distill.configuration MODULE:CLASS FILE``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from nmt_distill.configuration.reference import configuration_reference
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file


def main(arguments: Sequence[str]) -> int:
    """Write the Markdown reference of the class that the first argument names into the file that the second names."""
    try:
        if len(arguments) != 2 or arguments[0].count(":") != 1:
            raise NmtDistillError("give a class and a file, such as nmt_distill.recipe:Recipe docs/configuration.md.")
        module, name = arguments[0].split(":")
        reference = configuration_reference(getattr(importlib.import_module(module), name))
        with atomic_file(Path(arguments[1])) as stream:
            stream.write(reference)
    except NmtDistillError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
