"""What is said, and kept to look at, when an update cannot be done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from nmt_distill.files import atomic_file, write_json
from nmt_distill.memory import told_where_memory_ends
from nmt_distill.training.batches import Batch, Indices
from nmt_distill.training.config import TrainingConfig

KEPT = "The last checkpoint is kept."


@dataclass(frozen=True)
class DoneBatch:
    """A batch of an update that is under way."""

    indices: Indices
    """of its records"""
    batch: Batch
    loss: Tensor
    """summed over its target tokens"""


@dataclass(frozen=True)
class Place:
    """Where a training is: both counted from 1."""

    phase: int
    step: int

    def __str__(self) -> str:
        return f"phase {self.phase}, step {self.step}"


def save_batches(
    folder: Path,
    done: Sequence[DoneBatch],
    *,
    place: Place,
    total: float,
    norm: float,
    parameters: Sequence[Tensor],
    rank: int,
) -> str | None:
    """Keep the batches whose loss is not finite, or all where only the gradient is not, and say what is wrong.

    ``not_finite.safetensors`` holds their tensors, ``not_finite.json`` their records and losses.

    :param total: loss of the whole update, of all processes
    :param norm: of its gradient
    :returns: None where no batch of this process is at fault
    """
    losses = [float(each.loss) for each in done]
    faulty = [index for index, loss in enumerate(losses) if not math.isfinite(loss)]
    if not faulty and not math.isfinite(total):
        return None
    stem = folder / ("not_finite" if rank == 0 else f"not_finite-{rank}")
    saved = faulty or list(range(len(done)))
    tensors = {
        f"{number}.{name}": tensor.detach().cpu().contiguous()
        for number, index in enumerate(saved)
        for name, tensor in _tensors(done[index].batch).items()
    }
    with atomic_file(stem.with_suffix(".safetensors"), "wb") as stream:
        stream.write(save(tensors))
    batches = [{"records": done[index].indices.tolist(), "loss": str(losses[index])} for index in saved]
    content = {"phase": place.phase, "step": place.step, "gradient_norm": str(norm), "batches": batches}
    write_json(stem.with_suffix(".json"), content)
    what = "loss" if faulty else "gradient"
    return (
        f"the {what} of {place} is not finite; {_cause(tensors, parameters, place)}. {KEPT} Nothing was learned from "
        f"this batch, which is in {stem.with_suffix('.safetensors')} (its records in {stem.name}.json)."
    )


def _tensors(batch: Batch) -> dict[str, Tensor]:
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    soft = batch.soft_targets
    kept = {} if soft is None else {name: value for name, value in vars(soft).items() if value is not None}
    return tensors | {f"soft_targets.{name}": value for name, value in kept.items()}


def _cause(tensors: dict[str, Tensor], parameters: Sequence[Tensor], place: Place) -> str:
    bad = [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and bool(tensor.isinf().any() if "states" in name else ~tensor.isfinite().all())
    ]
    if bad:
        what = bad[0].split(".", 1)[1]
        folder, anew = ("vectors", "embed") if what == "vectors" else ("distilled", "label")
        return f"the stored {what} are not: delete the folder `{folder}` of the run to {anew} anew"
    if not all(bool(parameter.isfinite().all()) for parameter in parameters):
        return "nor are the student's weights before it: look at what it started from"
    return f"lower training.phases[{place.phase - 1}].learning_rate, with which training starts over"


def told_of_memory(place: Place, config: TrainingConfig) -> AbstractContextManager[None]:
    """Say what to set for the same update in less memory, where a block runs out of it.

    :raises NmtDistillError: in the place of the error that torch raises
    """
    phase, num_parts = config.phases[place.phase - 1], config.batch_parts
    told = f"in {place}, on a batch of up to {phase.batch_tokens:,} target positions"
    if num_parts > 1:
        told += f" in {num_parts} parts"
    if config.can_divide_batches:
        return told_where_memory_ends(
            f"{told}; set training.batch_parts={2 * num_parts}, with which an update learns the same in less memory: "
            "training goes on from its last checkpoint."
        )
    name = f"training.phases[{place.phase - 1}]"
    return told_where_memory_ends(
        f"{told}; set {name}.batch_tokens={max(phase.batch_tokens // 2, 1)} and {name}.num_accumulated="
        f"{2 * phase.num_accumulated}, with which an update learns from as many tokens as before; with other batches "
        "training starts over."
    )
