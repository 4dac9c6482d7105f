from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from nmt_distill.cluster.crew import Crew, Task, one_line
from nmt_distill.cluster.slots import Slot
from nmt_distill.errors import NmtDistillError

SLOTS = [Slot("a", 0, 1, 0), Slot("b", 0, 1, 0)]
Answer = Callable[["Worker", str, tuple[Any, ...]], Any]
"""what a worker answers to a method and its arguments; it raises where it fails or is lost"""


class RayError(Exception):
    """As Ray's: a worker was lost, or ``cause`` was raised in it."""

    def __init__(self, message: str, cause: Exception | None = None) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass
class Worker:
    """A handle whose methods have a ``remote``; a call is answered when it is asked for."""

    number: int
    slot: Slot
    answer: Answer

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: lambda: self.answer(self, method, arguments))


@dataclass
class FakeRay:
    """As much of Ray as a crew uses, in one thread: the call that waits longest is done first."""

    answer: Answer
    hired: list[Worker] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    is_full: bool = False
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(RayError=RayError))

    @property
    def util(self) -> Any:
        strategy = lambda node, soft: (node, soft)  # noqa: E731
        return SimpleNamespace(scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=strategy))

    def remote(self, _: type) -> Any:
        return SimpleNamespace(options=self._options)

    def _options(self, **options: Any) -> Any:
        assert options["scheduling_strategy"][1], "a worker may move where its machine is gone"
        return SimpleNamespace(remote=self._hire)

    def _hire(self, recipe: str, slot: Slot) -> Worker:
        assert recipe == "recipe"
        self.hired.append(Worker(len(self.hired), slot, self.answer))
        return self.hired[-1]

    def wait(self, calls: list[Any], *, timeout: float | None) -> tuple[list[Any], list[Any]]:
        return ([], calls) if self.is_full and timeout else (calls[:1], calls[1:])

    def get(self, call: Callable[[], Any]) -> Any:
        return call()

    def kill(self, worker: Worker) -> None:
        self.killed.append(worker.number)


def crew_of(answer: Answer) -> Crew:
    crew = Crew(FakeRay(answer), ("recipe",), SLOTS)
    crew.hire()
    return crew


def tasks(number: int) -> Iterator[Task]:
    return (Task(f"shard {index}", "label", (index,)) for index in range(number))


def test_every_task_is_done_once_by_whoever_is_free() -> None:
    by_worker: dict[int, list[int]] = {0: [], 1: []}

    def answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "label":
            by_worker[worker.number].append(*arguments)
        return ("done", *arguments)

    crew = crew_of(answer)
    assert sorted(result for _, result in crew.do(tasks(7))) == [("done", index) for index in range(7)]
    assert sorted(by_worker[0] + by_worker[1]) == list(range(7))
    assert min(map(len, by_worker.values())) > 1
    ((task, result),) = crew.do([Task("the last files", "put_together", ([1, 2],))])
    assert (task.method, result) == ("put_together", ("done", [1, 2]))
    assert list(crew.do([])) == []


def test_task_of_a_lost_worker_is_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "label" and arguments == (2,) and worker.number < 2:
            raise RayError("The actor died unexpectedly.\n\tclass_name: LabellingWorker")
        return "here" if method == "start" else arguments[0]

    crew = crew_of(answer)
    assert sorted(result for _, result in crew.do(tasks(5))) == list(range(5))
    assert crew.ray.killed in ([0], [1], [0, 1], [1, 0])
    assert len(crew.ray.hired) == 2 + len(crew.ray.killed)
    told = capsys.readouterr().err
    assert "a worker is lost over shard 2, and another takes its place: The actor died unexpectedly.\n" in told
    assert told.count("a worker has started: here") >= 2


def test_shard_that_kills_every_worker_ends_the_work() -> None:
    def answer(_: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "label" and arguments == (1,):
            raise RayError("ray::label() and a trace", MemoryError("out of memory"))

    crew = crew_of(answer)
    told = r"^3 workers were lost over shard 1, the last by this: MemoryError: out of memory\. What is labelled"
    with pytest.raises(NmtDistillError, match=told):
        list(crew.do(tasks(4)))
    assert len(crew.ray.killed) == 3


def test_what_a_worker_says_is_wrong_is_not_tried_again() -> None:
    def answer(_: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "label":
            raise RayError("a trace", NmtDistillError("the teacher has no such language."))

    crew = crew_of(answer)
    with pytest.raises(NmtDistillError, match=r"^the teacher has no such language\.$"):
        list(crew.do(tasks(4)))
    assert len(crew.ray.hired) == 2


def test_machine_on_which_no_worker_starts_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "start" and worker.slot.node == "b":
            raise RayError("ModuleNotFoundError: No module named 'nmt_distill'")
        return arguments

    crew = crew_of(answer)
    assert len(list(crew.do(tasks(9)))) == 9
    assert [worker.slot.node for worker in crew.ray.hired] == ["a", "b", "b", "b"]
    told = "3 workers were lost in one place while they started; the others go on: ModuleNotFoundError: No module named"
    assert told in capsys.readouterr().err


def test_without_any_worker_the_work_ends() -> None:
    def answer(_: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        raise RayError("", ImportError("no torch"))

    told = r"no worker is left: 3 .* by this: ImportError: no torch\. Every machine of the cluster"
    with pytest.raises(NmtDistillError, match=told):
        list(crew_of(answer).do(tasks(2)))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "The actor died because of an error there, \x1b[36mray::Worker.__init__()\x1b[39m (pid=7)\n  ^^^\n"
            "ModuleNotFoundError: No module named 'nmt_distill'\n",
            "ModuleNotFoundError: No module named 'nmt_distill'.",
        ),
        (
            "The actor died unexpectedly.\n\tpid: 7\nSome common causes include: (1) memory",
            "The actor died unexpectedly.",
        ),
        ("", "RayError."),
    ],
)
def test_errors_of_ray_become_one_line(said: str, told: str) -> None:
    assert one_line(RayError(said)) == told


def test_cluster_without_room_is_told() -> None:
    crew = crew_of(lambda *_: None)
    crew.ray.is_full = True
    with pytest.raises(NmtDistillError, match=r"the cluster has started no worker within 600 s; `ray status` tells"):
        list(crew.do(tasks(2)))


def test_teacher_out_of_step_is_told_at_the_end_and_a_lost_worker_is_not() -> None:
    wrong: list[RayError] = []

    def answer(_: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "close" and wrong:
            raise wrong[0]

    crew = crew_of(answer)
    list(crew.do(tasks(4)))
    crew.close()
    wrong.append(RayError("The actor died."))
    crew.close()
    wrong[0] = RayError("a trace", NmtDistillError("one answer too many"))
    with pytest.raises(NmtDistillError, match=r"^one answer too many$"):
        crew.close()


def test_dismissed_workers_hold_nothing_any_more() -> None:
    crew = crew_of(lambda *_: None)
    list(crew.do(tasks(4)))
    crew.dismiss()
    assert sorted(crew.ray.killed) == [0, 1]
    crew.dismiss()
    assert sorted(crew.ray.killed) == [0, 1], "once is enough"


def test_workers_at_work_are_dismissed_too() -> None:
    def answer(_: Worker, method: str, arguments: tuple[Any, ...]) -> Any:
        if arguments == (0,):
            raise RayError("a trace", NmtDistillError("the teacher has no such language."))

    crew = crew_of(answer)
    with pytest.raises(NmtDistillError):
        list(crew.do(tasks(9)))
    crew.dismiss()
    assert sorted(crew.ray.killed) == [0, 1]
