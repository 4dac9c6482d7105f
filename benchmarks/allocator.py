"""What it is worth to keep glibc from giving freed tensors back to the kernel: seconds and page faults of a step.

    python benchmarks/allocator.py

A student is trained on batches of 170 sentences of 24 tokens, with and without nmt_distill.memory.keep_freed_memory,
each turn in a process of its own. Two ways to compute the loss: ours, which never holds the logits of a whole batch,
and that of transformers, which does.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from itertools import product

import synthetic
import torch
from torch import Tensor
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
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import Batch
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.objective import Objective

PHASE = PhaseConfig(num_steps=1, learning_rate=3e-4, kd_weight=0.0)
LOSSES = ("our loss", "loss of transformers")
KEPT, DEFAULT = "kept memory", "default"


def main() -> None:
    """Measure both settings with both losses by turns."""
    parser = parser_for(__doc__, repeats=3)
    parser.add_argument("--shape", choices=list(synthetic.SHAPES), default="small", help="which student")
    count_option(parser, "--sentences", 170, "sentences of a batch")
    count_option(parser, "--length", 24, "tokens of a sentence, source and target")
    count_option(parser, "--steps", 10, "steps that are measured")
    count_option(parser, "--warm-up", 3, "steps before them")
    count_option(parser, "--threads", None, "threads of torch (default: its own choice)")
    arguments = parser.parse_args()
    if arguments.child:
        answer(measure(arguments, arguments.child["loss"], kept=arguments.child["allocator"] == KEPT))
        return
    load_before = load_average()
    turns: dict[str, Turn] = {
        f"{loss}, {allocator}": partial(
            in_own_process,
            {"loss": loss, "allocator": allocator},
            kept_memory=allocator == KEPT,
            threads=arguments.threads,
        )
        for loss, allocator in product(LOSSES, (DEFAULT, KEPT))
    }
    results = take_turns(turns, arguments.repeats)
    ratios = [
        Ratio(figure="seconds_per_step", of=f"{loss}, {DEFAULT}", to=f"{loss}, {KEPT}", aim="above 1")
        for loss in LOSSES
    ]
    report("allocator", arguments, results, ratios, load_before=load_before)


def measure(arguments: argparse.Namespace, loss: str, *, kept: bool) -> Figures:
    """Train some steps; return means over the steps after the warm-up, and the peak of memory."""
    changed = keep_freed_memory() if kept else False
    shape = synthetic.SHAPES[arguments.shape]
    student = synthetic.new_student(shape)
    optimizer = torch.optim.AdamW(student.parameters(), lr=PHASE.learning_rate, fused=True)
    step_loss = {LOSSES[0]: our_loss, LOSSES[1]: their_loss}[loss](student)
    batches = [
        random_batch(arguments.sentences, arguments.length, shape.vocab_size, seed)
        for seed in range(arguments.warm_up + arguments.steps)
    ]
    student.train()
    began, before = 0.0, resource.getrusage(resource.RUSAGE_SELF)
    for step, batch in enumerate(batches):
        if step == arguments.warm_up:
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        step_loss(batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds_per_step": seconds / arguments.steps,
        "kernel_seconds_per_step": (after.ru_stime - before.ru_stime) / arguments.steps,
        "page_faults_per_step": (after.ru_minflt - before.ru_minflt) / arguments.steps,
        "peak_MiB": after.ru_maxrss / 1024,
        "allocator_changed": str(changed),
    }


def our_loss(student: StudentModel) -> Callable[[Batch], Tensor]:
    """Return the loss that our trainer uses, a mean over target tokens."""
    objective = Objective(student, temperature=1.0)

    def mean(batch: Batch) -> Tensor:
        total: Tensor = objective(batch, PHASE)[0]
        return total / len(batch.target)

    return mean


def their_loss(student: StudentModel) -> Callable[[Batch], Tensor]:
    """Return the loss that the model computes by itself when it is given labels."""

    def mean(batch: Batch) -> Tensor:
        output = student(
            input_ids=batch.source_ids,
            attention_mask=batch.source_mask,
            decoder_input_ids=batch.target_input,
            labels=batch.target.view_as(batch.target_input),
            use_cache=False,
        )
        loss: Tensor = output.loss
        return loss

    return mean


def random_batch(num_sentences: int, length: int, vocab_size: int, seed: int) -> Batch:
    """Draw a batch without padding."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.randint(2, vocab_size - 1, (2, num_sentences, length), generator=generator)
    mask = torch.ones_like(source, dtype=torch.bool)
    start = target.new_full((num_sentences, 1), vocab_size - 1)
    return Batch(
        source_ids=source,
        source_mask=mask,
        target_input=torch.cat([start, target[:, :-1]], dim=1),
        target_mask=mask,
        target=target.flatten(),
        soft_targets=None,
        states=None,
    )


if __name__ == "__main__":
    run(main)
