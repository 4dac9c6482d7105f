"""What it costs to keep soft targets: bytes a target token, and target tokens a second written and read.

    python benchmarks/soft_target_store.py

Stores of made-up distributions, about as sharp as those of the quickstart's teacher on catalogue strings (whose most
probable token has 0.87 on average, and all beyond 16 have 0.014), are written shard by shard and read as a training
reads: batch by batch, in random order, through the page cache. Contestants keep the 16 or 64 most probable tokens, or
50 draws.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import synthetic
import torch
from turns import Figures, Ratio, Turn, count_option, load_average, parser_for, report, run, take_turns

from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.teacher.base import Kept
from nmt_distill.teacher.reading import draw, most_probable
from nmt_distill.training.batches import collate, plan_batches

SHARD_SENTENCES = 4096
NUM_RANKS = 512
"""tokens that have a probability at all, for each target token"""
EVEN, SPREAD = 1.7, 4.0
"""the token of rank r has a probability of r to the power -a; a is the first plus a number of an exponential
distribution with the second for its mean"""
SOFT_TARGETS = ("kept_ids", "kept_probs", "tail", "kept_counts", "kept_log_probs", "num_distinct", "kept_offsets")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """What is kept of a distribution."""

    kept: Kept
    number: int


CONTESTANTS = {
    "top 16": Contestant(kept="top", number=16),
    "top 64": Contestant(kept="top", number=64),
    "50 draws": Contestant(kept="drawn", number=50),
}


def main() -> None:
    """Measure all contestants by turns."""
    parser = parser_for(__doc__, repeats=3)
    count_option(parser, "--sentences", 20_000, "sentences of a store")
    count_option(parser, "--vocab-size", 32_000, "ids of the vocabulary")
    count_option(parser, "--batch-tokens", 4096, "target positions of a batch that is read")
    arguments = parser.parse_args()
    load_before = load_average()
    generator = np.random.default_rng(1)
    lengths = synthetic.draw_lengths(generator, arguments.sentences)
    sentences = [[generator.integers(2, arguments.vocab_size, size=n) for n in side.tolist()] for side in lengths]
    exponents = torch.from_numpy(EVEN + generator.exponential(SPREAD, int(lengths[1].sum()))).float()
    turns: dict[str, Turn] = {
        name: partial(measure, contestant, sentences, exponents, arguments) for name, contestant in CONTESTANTS.items()
    }
    results = take_turns(turns, arguments.repeats)
    ratios = [
        Ratio(figure=figure, of="50 draws", to="top 16")
        for figure in ("bytes_per_token", "written_tokens_per_second", "read_tokens_per_second")
    ]
    probs = torch.arange(1, NUM_RANKS + 1) ** -exponents[:10_000, None]
    probs /= probs.sum(dim=-1, keepdim=True)
    facts = {
        "mean of the most probable": float(probs[:, 0].mean()),
        "mean beyond 16": float(probs[:, 16:].sum(dim=-1).mean()),
        "target tokens": len(exponents),
    }
    report("soft_target_store", arguments, results, ratios, load_before=load_before, facts=facts)


def measure(
    contestant: Contestant, sentences: list[list[Array]], exponents: torch.Tensor, arguments: argparse.Namespace
) -> Figures:
    """Write a store and read it."""
    header = StoreHeader(
        teacher="random",
        vocabulary="random",
        direction="en-pt",
        temperature=1.0,
        num_kept=contestant.number,
        state_dim=0,
        vocab_size=arguments.vocab_size,
        kept=contestant.kept,
    )
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as name:
        folder, seconds, done = Path(name), 0.0, 0
        counts: list[int] = []
        for start in range(0, arguments.sentences, SHARD_SENTENCES):
            source, target = (side[start : start + SHARD_SENTENCES] for side in sentences)
            num_rows = sum(map(len, target))
            rows = soft_targets(contestant, exponents[done : done + num_rows], arguments.vocab_size)
            began = time.perf_counter()
            write_shard(shard_path(folder, len(counts)), header, source, target, rows)
            seconds += time.perf_counter() - began
            done += num_rows
            counts.append(len(target))
        write_header(folder, header, counts)
        size = sum(path.stat().st_size for path in folder.iterdir())
        store = Store(folder)
        tensors = [tensor for shard in store.shards for key, tensor in shard.items() if key in SOFT_TARGETS]
        batches = plan_batches(*store.lengths(), batch_tokens=arguments.batch_tokens, seed=1, epoch=0)
        began = time.perf_counter()
        for batch in batches:
            collate([store[index] for index in batch.tolist()], pad_id=0, start_id=0)
        reading = time.perf_counter() - began
    return {
        "bytes_per_token": sum(tensor.nbytes for tensor in tensors) / done,
        "written_tokens_per_second": done / seconds,
        "written_MB_per_second": size / seconds / 1e6,
        "read_tokens_per_second": done / reading,
        "read_MB_per_second": size / reading / 1e6,
    }


def soft_targets(contestant: Contestant, exponents: torch.Tensor, vocab_size: int) -> dict[str, Array]:
    """Make up what a teacher hands down: ranks become ids by a random start and an even stride."""
    generator = torch.Generator().manual_seed(len(exponents))
    log_ranks = torch.arange(1, NUM_RANKS + 1).log()
    tokens = []
    for own in torch.split(exponents, 4096):
        logits = -own[:, None] * log_ranks
        if contestant.kept == "top":
            tokens.append(most_probable(logits, contestant.number))
        else:
            tokens.append(draw(logits, contestant.number, torch.rand(len(own), generator=generator)))
    ranks, probs = (torch.cat(parts) for parts in zip(*tokens, strict=True))
    first = torch.randint(vocab_size, (len(ranks), 1), generator=generator)
    rows = {"kept_ids": ((first + ranks * (vocab_size // NUM_RANKS)) % vocab_size).numpy(), "kept_probs": probs.numpy()}
    return rows if contestant.kept == "drawn" else rows | {"tail": (1 - probs.sum(dim=-1)).clamp(min=0).numpy()}


if __name__ == "__main__":
    run(main)
