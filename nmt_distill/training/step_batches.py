"""The batches of one step: what the store has, or what the student samples in the place of its targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator

from nmt_distill.distillation.records import Array, Records
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.batches import Batch, Indices, collate, collate_samples
from nmt_distill.training.config import PhaseConfig
from nmt_distill.training.on_policy import Draw, is_on_policy, longest_sample, sample_targets
from nmt_distill.training.supervision import Supervision


class StepBatches:
    """Makes the batches of a step on one of several ranks."""

    def __init__(
        self, student: StudentModel, store: Records, supervision: Supervision | None, *, num_parts: int = 1
    ) -> None:
        """Take note of where records and samples come from.

        :param supervision: the teacher in the training step, where a phase wants it
        :param num_parts: that each batch is divided in, where it has as many records
        """
        self._num_parts = num_parts
        self._student, self._store, self._supervision = student, store, supervision
        self._target_lengths, self._ends = store.lengths()[1], np.cumsum(store.group_sizes)

    def of_step(
        self, phase: PhaseConfig, taken: list[Indices], *, draw: Draw, accelerator: Accelerator
    ) -> tuple[list[tuple[Indices, Batch]], int]:
        """Return this rank's batches of a step with their records, and the number of target tokens on all ranks.

        :param taken: the records of each batch of the step, on whatever rank
        :param draw: what decides, with the place of a batch, about sampling
        :param accelerator: knows the ranks
        """
        rank, num_ranks = accelerator.process_index, accelerator.num_processes
        batches: list[tuple[Indices, Batch]] = []
        num_stored, num_sampled, is_any_sampled = 0, 0, False
        for place, indices in enumerate(taken):
            own_draw = (*draw, place)
            is_sampled = phase.on_policy_share > 0 and is_on_policy(phase.on_policy_share, own_draw)
            is_any_sampled |= is_sampled
            num_stored += 0 if is_sampled else int(self._target_lengths[indices].sum())
            if place % num_ranks == rank:
                for own, part_draw in self._parts(self._in_order(phase, indices), own_draw):
                    batch = self._batch(phase, own, part_draw if is_sampled else None).to(accelerator.device)
                    batches.append((own, batch))
                    num_sampled += len(batch.target) if is_sampled else 0
        if is_any_sampled:  # how long a sample is its own rank alone knows
            counted = torch.tensor(num_sampled, device=accelerator.device)
            num_sampled = int(accelerator.reduce(counted, reduction="sum"))
        return batches, num_stored + num_sampled

    def _parts(self, indices: Indices, draw: Draw) -> Iterator[tuple[Indices, Draw]]:
        """Divide a batch, each part with a draw of its own; a batch that is not divided keeps the one it has."""
        num_parts = min(self._num_parts, len(indices))
        for number, part in enumerate(np.array_split(indices, num_parts)):
            yield part, (*draw, number) if num_parts > 1 else draw

    def _in_order(self, phase: PhaseConfig, indices: Indices) -> Indices:
        """Put the records of a direction together, so that each teacher reads all that it has to read at once."""
        return indices[np.argsort(self._groups(indices), kind="stable")] if phase.runs_teacher else indices

    def _groups(self, indices: Indices) -> Indices:
        """Number the directions that records belong to."""
        return np.searchsorted(self._ends, indices, side="right").astype(np.int64)

    def _batch(self, phase: PhaseConfig, indices: Indices, draw: Draw | None) -> Batch:
        ids = self._student.config
        directions = tuple(self._groups(indices).tolist()) if phase.runs_teacher else ()
        records = [self._store[index] for index in indices.tolist()]
        pad_id, start_id = ids.pad_token_id, ids.decoder_start_token_id
        batch = collate(records, pad_id=pad_id, start_id=start_id)
        if draw is not None:
            samples = self._samples(phase, batch.to(self._student.device), draw)
            batch = collate_samples(records, samples, pad_id=pad_id, start_id=start_id)
        return replace(batch, directions=directions)

    def _samples(self, phase: PhaseConfig, batch: Batch, draw: Draw) -> list[Array]:
        """Let the student translate a batch by sampling."""
        if self._supervision is None:
            raise ValueError("on_policy_share wants the teacher in the training step, but none was given.")
        room = (self._student.config.max_position_embeddings, self._supervision.max_target_tokens)
        return sample_targets(
            self._student,
            batch.source_ids,
            batch.source_mask,
            max_tokens=longest_sample(batch.target_mask.sum(dim=1).tolist(), *room),
            temperature=phase.sampling_temperature,
            never=self._supervision.unknown_to_teacher,
            draw=draw,
        )
