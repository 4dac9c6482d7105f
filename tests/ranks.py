"""Run a function in several processes that form a group, as torchrun would start them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 120.0


def environments(num_ranks: int) -> list[dict[str, str]]:
    """What torchrun tells each process of a group on this machine."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shared = {"WORLD_SIZE": str(num_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(num_ranks)]


def run_ranks(function: Callable[..., None], *arguments: Any, num_ranks: int = 2) -> list[int | None]:
    """Call the function, which its module must have by name, in every process; return their exit statuses.

    A process that does not end by itself is killed, and its status is not 0 then.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([
        "nmt_distill.stages.student",
        "nmt_distill.pipeline",
        "nmt_distill.scoring.scoreboard",
    ])
    processes = [
        context.Process(target=_be, args=(environment, function, arguments)) for environment in environments(num_ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def _be(environment: dict[str, str], function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment, OMP_NUM_THREADS="1")
    import torch

    torch.set_num_threads(1)
    function(*arguments)
