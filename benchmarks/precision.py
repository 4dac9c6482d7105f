"""What bfloat16 is worth on this processor: seconds of a training step, with fused attention and with plain products.

    python benchmarks/precision.py --shape software

A student is trained on batches of equal sentences, each turn in a process of its own. Training in bfloat16 on a CPU
takes the last way: torch's fused attention goes backwards slowly there.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import synthetic
import torch
from allocator import PHASE, random_batch
from turns import (
    Figures,
    Ratio,
    Turn,
    answer,
    count_option,
    in_own_process,
    load_average,
    parser_for,
    report,
    run,
    take_turns,
)

from nmt_distill.memory import keep_freed_memory
from nmt_distill.training.objective import Objective

FLOAT32, FUSED, PLAIN = "float32", "bfloat16, fused attention", "bfloat16, plain attention"
WAYS = {FLOAT32: (False, "sdpa"), FUSED: (True, "sdpa"), PLAIN: (True, "eager")}
"""whether products are in bfloat16, and transformers' name of the attention"""


def main() -> None:
    """Measure the three ways by turns."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("--shape", choices=list(synthetic.SHAPES), default="software", help="which student")
    count_option(parser, "--sentences", 170, "sentences of a batch")
    count_option(parser, "--length", 12, "tokens of a sentence, source and target")
    count_option(parser, "--steps", 10, "steps that are measured")
    count_option(parser, "--warm-up", 3, "steps before them")
    count_option(parser, "--threads", None, "threads of torch (default: its own choice)")
    arguments = parser.parse_args()
    if arguments.child:
        answer(measure(arguments, arguments.child["way"]))
        return
    load_before = load_average()
    turns: dict[str, Turn] = {
        way: partial(in_own_process, {"way": way}, kept_memory=True, threads=arguments.threads) for way in WAYS
    }
    results = take_turns(turns, arguments.repeats)
    ratios = [Ratio(figure="seconds_per_step", of=way, to=PLAIN, aim="above 1") for way in (FLOAT32, FUSED)]
    report("precision", arguments, results, ratios, load_before=load_before)


def measure(arguments: argparse.Namespace, way: str) -> Figures:
    """Train some steps; return the mean over the steps after the warm-up."""
    keep_freed_memory()
    is_bfloat16, attention = WAYS[way]
    shape = synthetic.SHAPES[arguments.shape]
    student = synthetic.new_student(shape)
    student.set_attn_implementation(attention)
    objective = Objective(student, temperature=1.0).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=PHASE.learning_rate, fused=True)
    began = 0.0
    for step in range(arguments.warm_up + arguments.steps):
        if step == arguments.warm_up:
            began = time.perf_counter()
        batch = random_batch(arguments.sentences, arguments.length, shape.vocab_size, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
            total, _ = objective(batch, PHASE)
        (total / len(batch.target)).backward()
        optimizer.step()
        optimizer.zero_grad()
    seconds = (time.perf_counter() - began) / arguments.steps
    return {"seconds_per_step": seconds, "target_tokens_per_second": arguments.sentences * arguments.length / seconds}


if __name__ == "__main__":
    run(main)
