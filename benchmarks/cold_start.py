"""How long a process takes from its start to its first translation.

    python benchmarks/cold_start.py runs/quickstart/export/int8
    python benchmarks/cold_start.py software_student --to de

``--program`` measures another program in the same way: a command that translates its last argument.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from functools import partial

from turns import Figures, fail, load_average, parser_for, report, run, take_turns


def main() -> None:
    """Measure some starts."""
    parser = parser_for(__doc__, repeats=10)
    parser.add_argument("model", help="an export folder")
    parser.add_argument(
        "--program",
        metavar="COMMAND",
        help="what is run, with the model and the text after it (default: nmt-distill translate)",
    )
    parser.add_argument("--to", metavar="LANGUAGE", help="language to translate into, where the model has several")
    parser.add_argument("--text", default="Turn on the light")
    arguments = parser.parse_args()
    program = [sys.executable, "-m", "nmt_distill", "translate", "--model"]
    if arguments.program:
        program = shlex.split(arguments.program)
    command = [*program, arguments.model, *(["--to", arguments.to] if arguments.to else []), arguments.text]
    load_before = load_average()
    start(command)  # what the disk has to give is read once before
    results = take_turns({"translate": partial(start, command)}, arguments.repeats)
    report("cold_start", arguments, results, load_before=load_before, facts={"aim": "first translation under 0.6 s"})


def start(command: list[str]) -> Figures:
    """Run a command; return the seconds to its first line and to its end."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = time.perf_counter() - began
        process.stdout.read()
    if process.returncode != 0 or not line.strip():
        fail(f"{shlex.join(command)} answered {line!r} and ended with status {process.returncode}.")
    return {"seconds_to_first_translation": first, "seconds_to_end": time.perf_counter() - began}


if __name__ == "__main__":
    run(main)
