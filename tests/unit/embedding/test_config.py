from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.recipe import load_recipe

TEACHER = {"kind": "translation_teacher"}
CONTENT: dict[str, Any] = {
    "name": "toy",
    "teacher": {"kind": "marian", "model": "m.npz", "vocabulary": "v.spm", "origin": "o", "licence": "l"},
    "directions": [{"source": "en", "target": "de"}],
    "corpus": {"sources": [{"kind": "lines", "source": "a", "target": "b"}]},
    "training": {"phases": [{"num_steps": 1, "learning_rate": 0.1, "kd_weight": 0, "embedding_weight": 1}]},
    "embedding": {"teacher": TEACHER},
}


def load(tmp_path: Path, *overrides: str) -> Any:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    return load_recipe(path, overrides)


def test_section_loads(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    assert recipe.embedding.teacher.normalize
    alone = load(tmp_path, "training.phases[0].vocabulary_weight=0")
    assert alone.training.phases[0].is_embedding_alone
    assert not recipe.training.phases[0].is_embedding_alone
    imitating = "training.phases[0].hidden=[{student_layer: 1, teacher_layer: 1}]"
    assert not load(tmp_path, "training.phases[0].vocabulary_weight=0", imitating).training.phases[0].is_embedding_alone


WITHOUT_TEACHER = (
    "teacher=null", "distillation.targets=human", "vocabulary.size=320", "student.initialization=random",
)  # fmt: skip


def test_recipe_without_a_teacher_may_learn_vectors_of_another_model(tmp_path: Path) -> None:
    recipe = load(tmp_path, *WITHOUT_TEACHER, "embedding.teacher={kind: command, command: x, origin: o, licence: l}")
    assert recipe.teachers == {}
    with pytest.raises(NmtDistillError, match=r"embedding\.teacher\.kind must be another where a direction has no"):
        load(tmp_path, *WITHOUT_TEACHER)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("embedding=null", r"training\.phases\[0\]\.embedding_weight must be 0 where the recipe has no `embedding`"),
        ("training.phases[0].embedding_weight=0", r"embedding must be left out where embedding_weight is 0 in all"),
        ("training.phases[0].trainable=decoder", r"embedding_weight must be 0 where trainable is decoder"),
        ("embedding.distance_weight=0", r"embedding\.distance_weight must be above 0 where contrastive_weight is 0"),
        (
            "embedding={teacher: {kind: translation_teacher}, on_translations: false, contrastive_weight: 1}",
            r"embedding\.on_translations must be true where contrastive_weight is above 0",
        ),
        (
            "teacher={kind: command, command: x, origin: o, licence: l}",
            r"embedding\.teacher\.kind must be another where a direction has no teacher of kind marian or transformers",
        ),
        (
            "embedding.teacher={kind: wheel, module: 'a.b', factory: c, origin: o, licence: l}",
            r"embedding\.teacher\.module must be a name of Python",
        ),
    ],
)
def test_faults_are_told_with_their_path(tmp_path: Path, override: str, fault: str) -> None:
    with pytest.raises(NmtDistillError, match=fault):
        load(tmp_path, override)
