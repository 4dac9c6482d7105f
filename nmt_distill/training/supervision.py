"""The teacher in the training step: what it makes of a batch, in the student's ids.

Shapes: N sentences, S source positions, R target tokens without padding, V ids of the teacher, K ids that both have, D
width of the teacher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

import torch
from torch import Tensor

from nmt_distill.distillation.divergences import SoftTargets
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import ForcedPass, OnlineTeacher
from nmt_distill.training.batches import Batch
from nmt_distill.training.config import HiddenConfig, PhaseConfig
from nmt_distill.vocabulary.shared import SharedVocabulary


@dataclass(frozen=True)
class OnlineTargets:
    """What teachers say of target tokens, computed when asked, over all tokens that student and teacher share."""

    passes: Sequence[ForcedPass]
    """one after the other"""
    num_rows: Sequence[int]
    """target tokens of each"""
    shared: Tensor
    """(K,) ids of the student that the teacher has too"""
    teacher_ids: Tensor
    """(K,) the teacher's id of each"""
    temperature: float

    def rows(self, rows: slice) -> SoftTargets:
        """Compute the probabilities (rows, K) of some rows, among the tokens that both have.

        What the student has no token for is no tail: all that it could answer with there, such as padding and the tags
        of languages, is wrong.

        In the teacher's own precision, though the student that asks may compute in bfloat16.
        """
        with torch.autocast(self.shared.device.type, enabled=False):
            return self._rows(rows)

    def _rows(self, rows: slice) -> SoftTargets:
        parts = []
        starts = [sum(self.num_rows[:place]) for place in range(len(self.passes) + 1)]
        for forced, (start, stop) in zip(self.passes, pairwise(starts), strict=True):
            first, last = max(rows.start, start), min(rows.stop, stop)
            if first < last:
                parts.append(forced.logits(slice(first - start, last - start)))
        probs = (torch.cat(parts)[:, self.teacher_ids] / self.temperature).softmax(dim=-1)
        return SoftTargets(
            token_ids=self.shared.expand(len(probs), -1),
            probs=probs,
            tail=probs.new_zeros(len(probs)),
            best=self.shared[probs.argmax(dim=-1)],
        )


@dataclass(frozen=True)
class Reading:
    """What teachers made of a batch."""

    source_mask: Tensor
    """(N, S) true where there is a source token that the teacher read: not on the student's tag"""
    targets: OnlineTargets
    """rows as the batch's targets"""
    passes: Sequence[ForcedPass]
    """sentences in the order of the batch"""

    def hidden(self, pair: HiddenConfig) -> Tensor:
        """Return the teacher's states (rows, D) of a layer, on source or target tokens, sentences end to end."""
        with torch.autocast(self.source_mask.device.type, enabled=False):  # a decoder may be run only now
            return torch.cat([getattr(forced, pair.side)[pair.teacher_layer] for forced in self.passes])


class Supervision:
    """The teachers of all directions, over one vocabulary, and the way from the student's ids to theirs."""

    def __init__(
        self,
        teachers: Sequence[OnlineTeacher],
        teacher_ids: Sequence[int],
        *,
        has_tags: bool = False,
        end_id: int,
        unknown_id: int,
    ) -> None:
        """Take teachers over; each is asked about an empty sentence, which shows its layers.

        :param teachers: of each direction, in the order of the records
        :param teacher_ids: the teacher's id of each of the student's, -1 where it has none
        :param has_tags: whether the student's sources begin with a tag, which no teacher sees
        :param end_id: the student's ``</s>``
        :param unknown_id: the student's ``<unk>``, as which the teacher reads what it has no id for
        """
        self._teachers, self._num_tags = list(teachers), int(has_tags)
        ids = torch.tensor([int(token) for token in teacher_ids])
        self._shared = (ids >= 0).nonzero().flatten()
        self._shared_ids = ids[self._shared]
        self._ids = torch.where(ids >= 0, ids, ids[unknown_id]).tolist()
        limits = [teacher.max_target_tokens for teacher in self._teachers]
        self.max_target_tokens = min((limit for limit in limits if limit is not None), default=None)
        """the longest target that all of them can be asked about"""
        self.unknown_to_teacher = (ids < 0).nonzero().flatten().tolist()
        """ids of the student that the teacher has no id for, such as padding and tags"""
        end = [[self._ids[end_id]]]
        self._empty = [teacher.forced_pass(end, end) for teacher in self._teachers]

    def width(self, pair: HiddenConfig, where: str) -> int:
        """Return D of a layer.

        :param where: path of the pair in the recipe
        :raises NmtDistillError: if a teacher has no such layer, or teachers have different widths
        """
        widths = {_layer(forced, pair, where).shape[1] for forced in self._empty}
        if len(widths) > 1:
            raise NmtDistillError(
                f"{where}: the teachers of the directions have states of different widths, {min(widths)} to "
                f"{max(widths)}, so no layer can imitate all of them; leave it out."
            )
        return int(widths.pop())

    def read(self, batch: Batch, *, temperature: float) -> Reading:
        """Let each teacher read its sentences, neighbours of one direction at a time.

        :param temperature: of the probabilities
        """
        sources = [
            row[mask].tolist() for row, mask in zip(batch.source_ids.cpu(), batch.source_mask.cpu(), strict=True)
        ]
        lengths = batch.target_mask.sum(dim=1).tolist()
        targets = [part.tolist() for part in torch.split(batch.target.cpu(), lengths)]
        source_mask = batch.source_mask.clone()
        source_mask[:, : self._num_tags] = False
        passes, num_rows = [], []
        pairs = zip(batch.directions or [0] * len(sources), sources, targets, strict=True)
        device = batch.source_ids.device
        with torch.autocast(device.type, enabled=False):
            for direction, group in groupby(pairs, key=itemgetter(0)):
                own = list(group)
                source_ids = [self._translated(source[self._num_tags :]) for _, source, _ in own]
                target_ids = [self._translated(target) for _, _, target in own]
                passes.append(self._teachers[direction].forced_pass(source_ids, target_ids))
                num_rows.append(sum(map(len, target_ids)))
        shared, shared_ids = self._shared.to(device), self._shared_ids.to(device)
        return Reading(source_mask, OnlineTargets(passes, num_rows, shared, shared_ids, temperature), passes)

    def _translated(self, ids: Sequence[int]) -> list[int]:
        return [self._ids[token] for token in ids]


def require_one_vocabulary(vocabularies: Mapping[Direction, SharedVocabulary | None]) -> SharedVocabulary:
    """Return the vocabulary that the teachers of all directions have, which are run in the training step.

    :raises NmtDistillError: if one has another, or shows none
    """
    (first_direction, first), *others = vocabularies.items()
    for direction, vocabulary in others:
        if first is None or vocabulary is None or vocabulary.fingerprint != first.fingerprint:
            raise NmtDistillError(
                f"the teacher of {direction} has another vocabulary than that of {first_direction}, which the student "
                "shares, so it cannot be run in the training step; leave hidden and on_policy_share out of "
                "training.phases."
            )
    assert first is not None  # what shows none is refused before
    return first


def require_layers(teacher: OnlineTeacher, phases: Sequence[PhaseConfig]) -> None:
    """Refuse phases that imitate layers which a teacher has not.

    :raises NmtDistillError: with the path of the first
    """
    pairs = [
        (pair, f"training.phases[{place}].hidden[{index}]")
        for place, phase in enumerate(phases)
        for index, pair in enumerate(phase.hidden)
    ]
    if pairs:
        end = teacher.encode([""])
        forced = teacher.forced_pass(end, end)
        for pair, where in pairs:
            _layer(forced, pair, where)


def _layer(forced: ForcedPass, pair: HiddenConfig, where: str) -> Tensor:
    layers: tuple[Tensor, ...] = getattr(forced, pair.side)
    if pair.teacher_layer >= len(layers):
        raise NmtDistillError(
            f"{where}.teacher_layer must be at most {len(layers) - 1}, the teacher's {pair.side} layers, but "
            f"is {pair.teacher_layer} instead."
        )
    return layers[pair.teacher_layer]
