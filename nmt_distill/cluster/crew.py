"""The workers of a Ray cluster and what they are at; who is lost is replaced, and its task given again."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nmt_distill.cluster.slots import Slot
from nmt_distill.cluster.worker import LabellingWorker
from nmt_distill.errors import NmtDistillError
from nmt_distill.progress import say

MAX_LOSSES = 3
"""workers that may be lost over one task, or in one place while they start"""
START_SECONDS = 600.0
"""after so long without any worker the cluster is taken to have no room"""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Task:
    """A call of one of the methods of a worker."""

    name: str
    """what it does, for messages"""
    method: str
    arguments: tuple[Any, ...] = ()
    num_losses: int = 0
    """workers that were lost over it"""


@dataclass(frozen=True)
class _Hired:
    """A worker and what it is at."""

    slot: Slot
    worker: Any
    task: Task | None = None
    """None while it starts, and when it is idle"""


@dataclass
class Crew:
    """The workers of a cluster: each does one task at a time, and one that is lost is replaced."""

    ray: Any
    """the library, connected to a cluster"""
    arguments: tuple[Any, ...]
    """what each worker is made of, before its slot"""
    slots: Sequence[Slot]
    _idle: list[_Hired] = field(default_factory=list)
    _under_way: dict[Any, _Hired] = field(default_factory=dict)
    _failed_starts: Counter[Slot] = field(default_factory=Counter)

    def hire(self) -> None:
        """Start a worker in each slot; they join as soon as they have loaded the teacher."""
        for slot in self.slots:
            self._start(slot)

    def _start(self, slot: Slot) -> None:
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        made = self.ray.remote(LabellingWorker).options(
            num_cpus=slot.num_cpus,
            num_gpus=slot.num_gpus,
            scheduling_strategy=strategy(slot.node, soft=True),
        )
        worker = made.remote(*self.arguments, slot)
        self._under_way[worker.start.remote()] = _Hired(slot, worker)

    def do(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do tasks, on whichever worker is free; yield each with its result as it is done.

        :raises NmtDistillError: what a worker says is wrong; or if too many are lost, or none can be had
        """
        tasks, again = iter(tasks), deque[Task]()
        while True:
            while self._idle and (task := again.popleft() if again else next(tasks, None)):
                hired = replace(self._idle.pop(), task=task)
                self._under_way[getattr(hired.worker, task.method).remote(*task.arguments)] = hired
            if self._idle and not self._is_at_work:
                return
            for call in self._wait():
                hired = self._under_way.pop(call)
                try:
                    result = self.ray.get(call)
                except self.ray.exceptions.RayError as error:
                    again.extend(self._replace(hired, error))
                    continue
                self._idle.append(replace(hired, task=None))
                if hired.task is None:
                    self._failed_starts[hired.slot] = 0
                    say(f"a worker has started: {result}")
                else:
                    yield hired.task, result

    @property
    def _is_at_work(self) -> bool:
        return any(hired.task for hired in self._under_way.values())

    def _wait(self) -> list[Any]:
        """Wait for the end of a call."""
        done: list[Any]
        done, _ = self.ray.wait(list(self._under_way), timeout=None if self._is_at_work else START_SECONDS)
        if not done:
            raise NmtDistillError(
                f"the cluster has started no worker within {START_SECONDS:.0f} s; `ray status` tells what it waits "
                "for. What is labelled is kept."
            )
        return done

    def _replace(self, hired: _Hired, error: Exception) -> list[Task]:
        """Start another worker in the place of one that is lost; return what it has left undone."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, NmtDistillError):
            self._idle.append(replace(hired, task=None))
            raise cause
        told = one_line(error) if cause is None else f"{type(cause).__name__}: {one_line(cause)}"
        self.ray.kill(hired.worker)
        if hired.task is None:
            return self._start_again(hired.slot, told)
        hired.task.num_losses += 1
        if hired.task.num_losses == MAX_LOSSES:
            raise NmtDistillError(
                f"{MAX_LOSSES} workers were lost over {hired.task.name}, the last by this: {told} What is labelled is "
                "kept."
            )
        say(f"a worker is lost over {hired.task.name}, and another takes its place: {told}")
        self._start(hired.slot)
        return [hired.task]

    def _start_again(self, slot: Slot, told: str) -> list[Task]:
        self._failed_starts[slot] += 1
        if self._failed_starts[slot] < MAX_LOSSES:
            say(f"a worker is lost while it starts, and another takes its place: {told}")
            self._start(slot)
        elif self._idle or self._under_way:
            say(f"{MAX_LOSSES} workers were lost in one place while they started; the others go on: {told}")
        else:
            raise NmtDistillError(
                f"no worker is left: {MAX_LOSSES} were lost in one place while they started, the last by this: {told} "
                "Every machine of the cluster needs this version of nmt-distill with its extras `train` and `ray`."
            )
        return []

    def dismiss(self) -> None:
        """End all workers, so that what they hold of the cluster is free."""
        for hired in [*self._idle, *self._under_way.values()]:
            self.ray.kill(hired.worker)
        self._idle.clear()
        self._under_way.clear()

    def close(self) -> None:
        """End the teachers; a worker that is lost has ended its own.

        :raises NmtDistillError: if a teacher shows only now that it was out of step
        """
        for hired in self._idle:
            try:
                self.ray.get(hired.worker.close.remote())
            except self.ray.exceptions.RayError as error:
                if isinstance(getattr(error, "cause", None), NmtDistillError):
                    raise error.cause from None


def one_line(error: BaseException) -> str:
    """Return what an error says in one line with a full stop: the end of a trace, the beginning of anything else."""
    lines = [_COLOUR.sub("", line).strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1 if any("ray::" in line for line in lines) else 0] if lines else type(error).__name__
    return text if text.endswith(".") else f"{text}."
