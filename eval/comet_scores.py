#!/usr/bin/env python3
"""COMET as an outside metric: JSON lines on standard input, a score a line on standard output.

Runs in an environment of its own, with `pip install unbabel-comet`, because COMET's pins clash with those of
nmt-distill. The model is fetched once, about 2 GB; it must be one that compares with a reference.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys


def main() -> None:
    """Score every line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Unbabel/wmt22-comet-da", help="on the hub, or a checkpoint's path")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--gpus", type=int, default=0)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in sys.stdin.buffer.read().decode("utf-8").split("\n") if line]
    data = [{"src": row["source"], "mt": row["hypothesis"], "ref": row["reference"]} for row in rows]
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is talk
        from comet import download_model, load_from_checkpoint

        path = arguments.model if arguments.model.endswith(".ckpt") else download_model(arguments.model)
        model = load_from_checkpoint(path)
        found = model.predict(data, batch_size=arguments.batch_size, gpus=arguments.gpus, progress_bar=False)
    for score in found.scores:
        print(float(score))


if __name__ == "__main__":
    main()
