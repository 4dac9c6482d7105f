from __future__ import annotations

from typing import Any

import pytest

from nmt_distill.cluster.slots import Slot, find_slots


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


def test_one_worker_a_gpu_with_its_share_of_the_cores() -> None:
    nodes = [node("a", CPU=16, GPU=2), node("b", CPU=8, GPU=1), node("head", CPU=4), node("gone", alive=False, GPU=8)]
    assert find_slots(nodes, cpus_per_worker=None, uses_gpus=True) == [
        Slot("a", 0, 8, 1),
        Slot("a", 1, 8, 1),
        Slot("b", 0, 8, 1),
    ]


@pytest.mark.parametrize(
    ("cpus_per_worker", "expected"),
    [
        (None, [("a", 0, 16), ("b", 0, 3)]),
        (2, [*(("a", place, 2) for place in range(8)), ("b", 0, 2)]),
        (5, [("a", 0, 5), ("a", 1, 5), ("a", 2, 5), ("b", 0, 3)]),
    ],
)
def test_workers_with_cores(cpus_per_worker: int | None, expected: list[tuple[str, int, int]]) -> None:
    nodes = [node("a", CPU=16, GPU=2), node("b", CPU=3), node("idle head", CPU=0), node("head without cores")]
    slots = find_slots(nodes, cpus_per_worker=cpus_per_worker, uses_gpus=False)
    assert slots == [Slot(*parts, num_gpus=0) for parts in expected]
    without_gpus = [node("a", CPU=16), *nodes[1:]]
    assert find_slots(without_gpus, cpus_per_worker=cpus_per_worker, uses_gpus=True) == slots


def test_no_two_workers_of_a_machine_share_a_core() -> None:
    slots = [Slot("a", place, 3, 0) for place in range(2)]
    assert [slot.cores([0, 1, 4, 5, 8, 9, 10]) for slot in slots] == [{0, 1, 4}, {5, 8, 9}]
    assert slots[1].cores([4, 5]) == {4, 5}, "fewer cores than Ray was told of"
