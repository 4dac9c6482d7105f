"""The training log as TensorBoard reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt_distill.training.config import PhaseConfig

EVENTS = "events.out.tfevents.*"


class TensorBoardLog:
    """Event files that say what ``metrics.jsonl`` says, over the updates of all phases together."""

    def __init__(self, folder: Path, phases: Sequence[PhaseConfig], lines: Sequence[Mapping[str, Any]]) -> None:
        """Begin with the lines that are in the log already, in the place of all events that were written before."""
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(EVENTS):
            path.unlink()
        self._phases = phases
        self._writer: Any = SummaryWriter(str(folder))
        for line in lines:
            self.add(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line of the log: each number of it is a curve."""
        before = sum(phase.num_steps for phase in self._phases[: line["phase"] - 1])
        numbers = {**line, **line["timing"]}
        for name, value in numbers.items():
            if isinstance(value, int | float) and name not in ("phase", "step"):
                self._writer.add_scalar(name, value, before + line["step"])
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
