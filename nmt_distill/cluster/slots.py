"""Where the workers of a cluster run: on which machine, and with what of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Slot:
    """Room for one worker."""

    node: str
    """Ray's name of the machine"""
    place: int
    """which of the workers of its machine this is, from 0"""
    num_cpus: int
    """processor cores that are its own"""
    num_gpus: int
    """GPUs that are its own, 0 or 1"""

    def cores(self, allowed: Iterable[int]) -> set[int]:
        """Choose its own out of the cores of its machine; all where there are too few."""
        cores = sorted(allowed)
        return set(cores[self.place * self.num_cpus :][: self.num_cpus] or cores)


def find_slots(nodes: Iterable[Mapping[str, Any]], *, cpus_per_worker: int | None, uses_gpus: bool) -> list[Slot]:
    """Find room for workers: one a GPU where the cluster has any, else by processor cores.

    :param nodes: what Ray tells of its machines: ``NodeID``, ``Alive``, ``Resources``
    :param cpus_per_worker: cores of a worker; None gives it its share of those beside a GPU, else the whole machine
    """
    alive = [(node["NodeID"], node["Resources"]) for node in nodes if node["Alive"]]
    has_gpus = uses_gpus and any(resources.get("GPU", 0) >= 1 for _, resources in alive)
    slots = []
    for name, resources in alive:
        num_cpus = int(resources.get("CPU", 0))
        if has_gpus:
            num_workers = int(resources.get("GPU", 0))
            each = cpus_per_worker or num_cpus // max(num_workers, 1)
        else:
            each = min(cpus_per_worker or num_cpus, num_cpus)
            num_workers = num_cpus // max(each, 1)
        slots += [Slot(name, place, each, int(has_gpus)) for place in range(num_workers)]
    return slots
