"""Processes that train one student together, as torchrun (or `accelerate launch`) starts them.

One of them, the main one, does all the work but training; the others wait until it calls, train along, and end.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nmt_distill.errors import NmtDistillError

PATIENCE = timedelta(days=30)
"""how long the others wait while the main process works alone; if it dies they notice at once"""


@dataclass
class Ranks:
    """This process among those that train together; :meth:`join` comes first, and alone all of it does nothing."""

    rank: int = 0
    """which one this is; 0 is the main one"""
    num_ranks: int = 1
    _patient: Any = None
    """the group of processes that may wait for long"""
    _has_called: bool = False

    @classmethod
    def of_environment(cls) -> Ranks:
        """Read what the program that started this process says."""
        try:
            return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
        except (KeyError, ValueError):
            return cls()

    @property
    def is_main(self) -> bool:
        """Whether this process does all the work but training."""
        return self.rank == 0

    def join(self) -> None:
        """Meet the other processes.

        :raises NmtDistillError: if they do not come
        """
        if self.num_ranks == 1 or self._patient is not None:
            return
        import torch
        from torch import distributed

        if torch.cuda.is_available():  # before anything is put on "cuda", a teacher too
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo"
        try:
            distributed.init_process_group(backend)
            self._patient = distributed.new_group(backend="gloo", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise NmtDistillError(
                f"the {self.num_ranks} processes of this training do not find each other ({_first_line(error)}); start "
                "them by torchrun."
            ) from None

    def call(self, fingerprint: str | None) -> None:
        """Let the others train along, by the fingerprint of what is trained; None sends them home. Once is enough."""
        if self.num_ranks > 1 and self._patient is not None and not self._has_called:
            self._has_called = True
            self.from_main(fingerprint)

    def from_main(self, content: Any = None) -> Any:
        """Give every process what the main one gives, however long that takes it."""
        if self.num_ranks == 1:
            return content
        from torch import distributed

        box = [content]
        with self.watched():
            distributed.broadcast_object_list(box, src=0, group=self._patient)
        return box[0]

    def gather(self, content: Any) -> list[Any]:
        """Give every process what each one gives."""
        if self.num_ranks == 1:
            return [content]
        from torch import distributed

        contents: list[Any] = [None] * self.num_ranks
        with self.watched():
            distributed.all_gather_object(contents, content, group=self._patient)
        return contents

    def leave(self) -> None:
        """Part from the others, when all have come so far."""
        if self.num_ranks > 1 and self._patient is not None:
            from torch import distributed

            self.gather(None)
            distributed.destroy_process_group()
            self._patient = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say in one line that another process is gone, where a block finds out by an exchange that fails.

        :raises NmtDistillError: in the place of the error that torch raises
        """
        try:
            yield
        except RuntimeError as error:
            if self.num_ranks == 1 or not _is_lost(error):
                raise
            whose = "another process" if self.is_main else "the main process, or another one,"
            raise NmtDistillError(
                f"{whose} of this training has ended ({_first_line(error)}); what it said tells why. The last "
                "checkpoint is kept: the same command goes on from there."
            ) from None


def _is_lost(error: RuntimeError) -> bool:
    from torch import distributed

    return isinstance(error, distributed.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl"))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
