"""A model that learns from people's translations alone, and is then the teacher of a smaller one."""

from __future__ import annotations

from pathlib import Path

import pytest
import sacrebleu
from sentencepiece import SentencePieceProcessor

from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy

SIDES = {"source": "en", "target": "pt-BR"}
PHASE = "num_steps: 500, learning_rate: 0.004, warmup_steps: 40, batch_tokens: 600"
WITHOUT_TEACHER = (
    "teacher=null",
    "distillation.targets=human",
    "vocabulary.size=320",
    "student.initialization=random",
    f"training.phases=[{{{PHASE}, kd_weight: 0}}]",
    "training.validate_every=500",
    "evaluation.speed_repetitions=0",
)


def more_pairs(toy: Toy) -> list[str]:
    return [f"corpus.sources[0].{side}={toy.folder / f'more_pairs.{tag}'}" for side, tag in SIDES.items()]


@pytest.fixture(scope="module")
def teacher(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a recipe that names no teacher."""
    folder = tmp_path_factory.mktemp("people")
    recipe = toy.write_recipe(folder, *more_pairs(toy), *WITHOUT_TEACHER, f"training.seed={toy.seed % 1000}")
    finished = run_command("train-teacher", recipe, "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    assert finished.stdout.strip() == str(folder / "run" / "student")
    assert "teacher" not in finished.stderr
    finished = run_command("run", recipe, "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "run"


def chrf_of(toy: Toy, run: Path) -> float:
    sources, references = ([pair[side] for pair in toy.unseen] for side in (0, 1))
    finished = run_command("translate", "--model", run / "export" / "int8", *sources, cwd=run)
    return sacrebleu.corpus_chrf(finished.stdout.splitlines(), [references]).score


def test_model_learns_from_people_alone(toy: Toy, teacher: Path) -> None:
    assert chrf_of(toy, teacher) > 85, f"seed {toy.seed}"
    card = (teacher / "export" / "int8" / "README.md").read_text(encoding="utf-8")
    assert "A model of " in card
    assert "trained on translations by people" in card
    assert "Teacher: " not in card


def test_it_teaches_a_smaller_one(toy: Toy, teacher: Path, tmp_path: Path) -> None:
    made = f"{{kind: transformers, name: {teacher / 'student'}, origin: people, licence: CC0-1.0}}"
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={made}",
        "student.num_encoder_layers=1",
        f"training.phases=[{{{PHASE}, kd_weight: 0.5}}]",
        "training.validate_every=500",
        "evaluation.speed_repetitions=0",
    )
    finished = run_command("run", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "teacher" in finished.stdout  # stands in the table of scores beside its student
    assert chrf_of(toy, tmp_path / "run") > 80, f"seed {toy.seed}"


def test_student_takes_over_the_tags_of_a_teacher_of_two_directions(toy: Toy, tmp_path: Path) -> None:
    both = (
        "directions=[{source: en, target: pt-BR}, {source: pt-BR, target: en}]",
        "corpus.sources[0].source_language=en",
        "corpus.sources[0].target_language=pt-BR",
        "corpus.sources[1].language=en",
    )
    short = "training.phases=[{num_steps: 2, learning_rate: 0.004, batch_tokens: 600, kd_weight: %s}]"
    first = toy.write_recipe(tmp_path, *WITHOUT_TEACHER, *both, short % 0, name="first")
    assert run_command("train-teacher", first, "--out", tmp_path / "first", cwd=tmp_path).status == 0
    teacher = tmp_path / "first" / "student"
    made = f"{{kind: transformers, name: {teacher}, origin: people, licence: CC0-1.0}}"
    for size, num_pieces in (("null", 320), ("312", 312)):
        recipe = toy.write_recipe(
            tmp_path, *both, f"teacher={made}", "distillation.targets=forced", short % 0.5, f"vocabulary.size={size}"
        )
        run = tmp_path / f"run_{size}"
        finished = run_command("train", recipe, "--out", run, cwd=tmp_path)
        assert finished.status == 0, finished.stderr
        model = SentencePieceProcessor(model_file=str(run / "vocabulary" / "joint.spm"))
        pieces = [model.id_to_piece(place) for place in range(model.vocab_size())]
        assert len(pieces) == num_pieces
        assert [pieces.count(tag) for tag in (">>pt-BR<<", ">>en<<")] == [1, 1]


def test_recipe_with_a_teacher_is_refused(toy: Toy, tmp_path: Path, fails: Fails) -> None:
    error = fails("train-teacher", toy.write_recipe(tmp_path))
    assert "train-teacher is for recipes without a teacher" in error
