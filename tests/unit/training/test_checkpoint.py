from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.graph import StudentModel
from nmt_distill.training.checkpoint import TrainingFolder

Make = Callable[..., StudentModel]


def test_checkpoint_comes_back(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "training")
    assert folder.load_checkpoint() is None
    content = {"progress": {"step": 3, "position": (1, 2)}, "average": [torch.randn(2, 3)], "text": "é"}
    folder.save_checkpoint(content)
    found = TrainingFolder(tmp_path / "training").load_checkpoint()
    assert found is not None
    assert found["progress"] == content["progress"]
    assert torch.equal(found["average"][0], content["average"][0])  # type: ignore[index]


def test_log_goes_back_to_the_checkpoint(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    folder.log({"step": 1})
    folder.save_checkpoint({})
    folder.log({"step": 2})
    assert [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()] == [1, 2]
    again = TrainingFolder(tmp_path)
    again.load_checkpoint()
    assert [json.loads(line)["step"] for line in again.metrics.read_text().splitlines()] == [1]
    again.log({"step": 3})
    assert [json.loads(line)["step"] for line in again.metrics.read_text().splitlines()] == [1, 3]


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_damaged_checkpoint_is_told(tmp_path: Path, keep: int) -> None:
    folder = TrainingFolder(tmp_path / "training")
    folder.save_checkpoint({"average": [torch.randn(50)]})
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:keep])
    with pytest.raises(
        NmtDistillError, match=r"checkpoint\.pt cannot be read \(.*\); delete .*training to train anew\."
    ):
        folder.load_checkpoint()


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_no_code_is_run_from_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = TrainingFolder(tmp_path)
    torch.save({"log": [], "progress": Malicious()}, folder.checkpoint)
    with pytest.raises(NmtDistillError, match=r"checkpoint\.pt cannot be read"):
        folder.load_checkpoint()
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("graph", ["marian", "nllb"])
def test_best_weights_come_back_and_are_written_once(tmp_path: Path, new_student: Make, graph: str) -> None:
    student = new_student(graph)
    folder = TrainingFolder(tmp_path)
    folder.save_best(student)
    expected = {name: value.clone() for name, value in student.state_dict().items()}
    tables = [name for name, value in load_file(folder.best).items() if value.shape == expected["lm_head.weight"].shape]
    assert len(tables) == 1
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1)
    other = new_student(graph)
    other.load_state_dict(folder.load_best())
    for name, value in other.state_dict().items():
        assert torch.equal(value, expected[name]), name
