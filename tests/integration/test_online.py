"""The teacher in the training step, on human translations that it has read, through a whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy

PHASE = (
    "{num_steps: 6, learning_rate: 0.002, warmup_steps: 2, batch_tokens: 300, kd_weight: 0.8, kd_weight_end: 0.4, "
    "on_policy_share: 0.5, hidden: [{teacher_layer: 2, student_layer: 1}, "
    "{side: decoder, teacher_layer: 1, student_layer: 1, distance: cosine}]}"
)


def test_a_narrower_student_of_a_trimmed_vocabulary_asks_its_teacher(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    recipe = toy.write_recipe(
        tmp_path,
        "distillation.targets=forced",
        "vocabulary.size=344",
        "student.model_dim=32",
        "student.num_heads=2",
        "student.num_encoder_layers=1",
        f"training.phases=[{PHASE}]",
        "training.validate_every=3",
    )
    finished = run_command("train", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    summary = (tmp_path / "run" / "distilled" / "en-pt-BR" / "distilled.json").read_text()
    assert 700 < json.loads(summary)["counts"]["labels"] <= 900, "of the pairs, not of text without translation"
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [3, 6]
    assert any(line["sampled"] > 0 for line in log)
    assert all(line["hidden"] > 0 for line in log)
    assert not any("projection" in path.name for path in (tmp_path / "run" / "student").iterdir())
    wrong = fails("train", recipe, "--out", tmp_path / "run", "--set", "training.phases[0].hidden[0].teacher_layer=3")
    assert wrong.startswith(
        "training.phases[0].hidden[0].teacher_layer must be at most 2, the teacher's encoder layers"
    )


def test_teachers_of_different_vocabularies_are_refused_before_labelling(
    toy: Toy, tmp_path: Path, fails: Fails
) -> None:
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto()
    model.ParseFromString((toy.folder / "teacher.spm").read_bytes())
    model.pieces[-1].piece += "x"
    other = tmp_path / "other.spm"
    other.write_bytes(model.SerializeToString())
    back = f"{{kind: marian, model: {toy.folder / 'teacher.npz'}, vocabulary: {other}, origin: o, licence: CC0-1.0}}"
    recipe = toy.write_recipe(
        tmp_path,
        f"directions=[{{source: en, target: pt-BR}}, {{source: pt-BR, target: en, teacher: {back}}}]",
        "corpus.sources[0].source_language=en",
        "corpus.sources[0].target_language=pt-BR",
        "corpus.sources[1].language=en",
        "training.phases=[{num_steps: 6, learning_rate: 0.002, batch_tokens: 300, on_policy_share: 0.5}]",
    )
    wrong = fails("distill", recipe, "--out", tmp_path / "run")
    assert wrong.startswith("the teacher of pt-BR-en has another vocabulary than that of en-pt-BR")
    assert not (tmp_path / "run" / "distilled").exists()
