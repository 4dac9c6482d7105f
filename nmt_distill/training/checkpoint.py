"""The folder in which a training lives while it runs: checkpoint, best weights, log."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_file
from nmt_distill.student.graph import StudentModel


class TrainingFolder:
    """Reads and writes the files of one training; each appears whole or not at all."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        """Take a folder.

        :param writes: False in processes that only read what the main one writes
        """
        self.path, self._writes = folder, writes
        self.checkpoint = folder / "checkpoint.pt"
        self.best = folder / "best.safetensors"
        self.metrics = folder / "metrics.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        self._lines: list[str] = []

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the last checkpoint, if there is one; the log goes back to where it was then."""
        self._lines = []
        if not self.checkpoint.exists():
            return None
        try:
            content: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise NmtDistillError(
                f"{self.checkpoint} cannot be read ({reason}); delete {self.checkpoint.parent} to train anew."
            ) from None
        self._lines = content.pop("log")
        self._write_log()
        return content

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Replace the last checkpoint."""
        if not self._writes:
            return
        with atomic_file(self.checkpoint, "wb") as stream:
            torch.save(content | {"log": self._lines}, stream)

    def save_best(self, student: StudentModel) -> None:
        """Keep the student's weights as the best so far; shared tensors are written once."""
        if not self._writes:
            return
        tensors = {name: tensor.contiguous() for name, tensor in student.state_dict().items()}
        first: dict[int, str] = {}
        unique = {name: tensor for name, tensor in tensors.items() if first.setdefault(tensor.data_ptr(), name) == name}
        with atomic_file(self.best, "wb") as stream:
            stream.write(save(unique, metadata={"names": json.dumps(self._aliases(tensors, first))}))

    @staticmethod
    def _aliases(tensors: dict[str, Tensor], first: dict[int, str]) -> dict[str, str]:
        return {name: first[tensor.data_ptr()] for name, tensor in tensors.items()}

    def load_best(self) -> dict[str, Tensor]:
        """Return the best weights as a state dictionary."""
        tensors = load_file(self.best)
        with safetensors.safe_open(self.best, framework="pt") as opened:
            aliases = json.loads(opened.metadata()["names"])
        return {name: tensors[own] for name, own in aliases.items()}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What has been logged."""
        return [json.loads(line) for line in self._lines]

    def log(self, values: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``."""
        self._lines.append(json.dumps(values))
        self._write_log()

    def _write_log(self) -> None:
        if not self._writes:
            return
        with self.metrics.open("w", encoding="utf-8") as stream:
            stream.writelines(line + "\n" for line in self._lines)
            stream.flush()
            os.fsync(stream.fileno())
