"""A student from scratch learns a language that was invented for this run of the tests, from human pairs alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import sacrebleu

from tests.integration.commands import run_command
from tests.integration.conftest import Toy


@pytest.mark.parametrize("graph", ["nllb", "marian"])
def test_student_learns_from_scratch(toy: Toy, tmp_path: Path, graph: str) -> None:
    recipe = toy.write_recipe(
        tmp_path,
        f"corpus.sources[0].source={toy.folder / 'more_pairs.en'}",
        f"corpus.sources[0].target={toy.folder / 'more_pairs.pt-BR'}",
        "distillation.targets=human",
        f"student.graph={graph}",
        "student.initialization=random",
        f"training.seed={toy.seed % 1000}",
        "training.phases=[{num_steps: 250, learning_rate: 0.004, warmup_steps: 40, batch_tokens: 600, kd_weight: 0}]",
        "training.validate_every=250",
    )
    finished = run_command("export", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    sources, references = ([pair[side] for pair in toy.unseen] for side in (0, 1))
    translated = run_command("translate", "--model", tmp_path / "run" / "export" / "int8", *sources, cwd=tmp_path)
    chrf = sacrebleu.corpus_chrf(translated.stdout.splitlines(), [references]).score
    assert chrf > 90, f"seed {toy.seed}: chrF {chrf:.1f}\n{finished.stderr}"
