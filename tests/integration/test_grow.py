"""``grow``: a larger student out of a finished run's, and a run that trains it on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from nmt_distill.embedding.student_vectors import SentenceVectors, read_description, write_description
from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy


def test_a_grown_student_is_trained_on(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    """It knows what the smaller one knew, so that a step or two spoil nothing."""
    grown = run_command(
        "grow", finished_run / "student", "--ffn-inner-dim", 192, "--out", tmp_path / "grown", cwd=tmp_path
    )
    assert (grown.status, grown.stdout) == (0, f"{tmp_path / 'grown'}\n"), grown.stderr
    assert "parameters" in grown.stderr
    recipe = toy.write_recipe(
        tmp_path,
        f"reuse={finished_run}",
        f"student.initialize_from={tmp_path / 'grown'}",
        "student.ffn_inner_dim=192",
        "training.phases=[{num_steps: 3, learning_rate: 0.0001, batch_tokens: 500}]",
    )
    finished = run_command("train", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert f"layers and embeddings come from {tmp_path / 'grown'}" in finished.stderr
    before, after = (
        json.loads((folder / ".stages" / "student.json").read_text(encoding="utf-8"))["result"]
        for folder in (finished_run, tmp_path / "run")
    )
    assert after["best_dev_chrf"] > before["best_dev_chrf"] - 3
    assert after["num_parameters"] == before["num_parameters"] + 3 * (2 * 64 + 1) * (192 - 128)
    other = run_command("grow", tmp_path / "grown", "--ffn-inner-dim", 200, "--out", tmp_path / "more", cwd=tmp_path)
    assert other.status == 0
    (tmp_path / "more" / "model.safetensors").replace(tmp_path / "grown" / "model.safetensors")
    plan = run_command("run", recipe, "--out", tmp_path / "run", "--plan", cwd=tmp_path).stdout
    assert "  student    runs" in plan.splitlines(), "other weights make another student"


def test_what_cannot_grow_is_told(finished_run: Path, tmp_path: Path, fails: Fails) -> None:
    student = finished_run / "student"
    assert "nothing would grow" in fails("grow", student, "--out", tmp_path / "grown")
    assert "give --depth stack" in fails("grow", student, "--num-encoder-layers", 9, "--out", tmp_path / "grown")
    assert "holds no student" in fails("grow", tmp_path, "--ffn-inner-dim", 9, "--out", tmp_path / "grown")
    assert not (tmp_path / "grown").exists()
    assert "exists; give --out another folder" in fails("grow", student, "--ffn-inner-dim", 200, "--out", tmp_path)


def test_sentence_vectors_grow_along(finished_run: Path, tmp_path: Path, fails: Fails) -> None:
    student = Path(shutil.copytree(finished_run / "student", tmp_path / "student"))
    projection = np.random.default_rng().standard_normal((65, 8)).astype(np.float32)
    described = SentenceVectors(dim=8, is_normalized=True, languages=("en",), teacher="x", has_projection=True)
    write_description(student, described, projection)
    grown = run_command("grow", student, "--ffn-inner-dim", 192, "--out", tmp_path / "grown", cwd=tmp_path)
    assert grown.status == 0, grown.stderr
    found, matrix = read_description(tmp_path / "grown")
    assert found == described
    assert matrix is not None
    assert np.array_equal(matrix, projection)
    (student / "sentence_projection.npy").write_bytes(b"")
    assert "is no whole matrix" in fails("grow", student, "--ffn-inner-dim", 192, "--out", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grown", "student"]
