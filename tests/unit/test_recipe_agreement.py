"""Which values of a recipe can go together, and which cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmt_distill.recipe import Recipe, load_recipe
from tests.recipes import COMMAND, EN_PT, PT_EN, TRANSFORMERS, changed, faults_of, write

OWN = [EN_PT | {"teacher": COMMAND}]
FROM_RANDOM: dict[str, Any] = {"student": {"initialization": "random"}}
TWO_WAYS: dict[str, Any] = {"corpus__sources__0__language": "en"}


def test_recipe_of_human_translations_needs_no_teacher(tmp_path: Path) -> None:
    content = changed(
        distillation={"targets": "human"},
        student={"initialization": "random"},
        vocabulary={"size": 8000},
        training__phases__0__kd_weight=0,
    )
    del content["teacher"]
    assert load_recipe(write(tmp_path / "toy.yaml", content)).teachers == {}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"directions": []}, "directions must be non-empty, but is a list of 0 items instead"),
        (
            {"directions__0__target": "en"},
            "directions[0].target must be another language than source, but both are en",
        ),
        (
            {"directions__0__target": "pt_br"},
            "directions[0].target must be a language tag such as de, pt-BR or zh-Hans, but is the text 'pt_br'",
        ),
        (
            {"directions__0__source": "English!"},
            "directions[0].source must be a language tag such as de, pt-BR or zh-Hans, but is the text 'Engl",
        ),
        (
            {"directions": [EN_PT, EN_PT], "corpus__sources__0__language": "en"},
            "directions[1] must differ from those before it, but is en-pt-BR again",
        ),
        (
            {"directions": [EN_PT, {"source": "pt-BR", "target": "en"}]},
            "corpus.sources[0].language must be given where the recipe has several directions",
        ),
        (
            {"distillation__filters": {"reverse": {}}},
            "distillation.filters.reverse.teacher must be given, since no direction is pt-BR-en",
        ),
        (
            {
                "directions": [EN_PT, {"source": "pt-BR", "target": "en", "teacher": COMMAND}],
                "corpus__sources__0__language": "en",
                "distillation__filters": {"reverse": {}},
            },
            "distillation.filters.reverse.teacher must be given, since the teacher of pt-BR-en shows",
        ),
        (
            {"corpus__sources__0__language": "de"},
            "corpus.sources[0] serves none of the directions (en-pt-BR)",
        ),
        (
            {"corpus__sources": [{"kind": "tsv", "path": "a.tsv", "source_language": "en"}]},
            "corpus.sources[0].target_language must be given where the other language is",
        ),
        ({"teacher": None}, "teacher must be given, since directions[0] has none of its own"),
        (
            {"teacher": None, "distillation__targets": "human", "training__phases__0__kd_weight": 0}
            | {"student__initialization": "random"},
            "vocabulary.size must be given where the recipe has no teacher",
        ),
        (
            {"teacher": None, "distillation__targets": "human", "training__phases__0__kd_weight": 0}
            | {"vocabulary__size": 8000},
            "student.initialization must be random where the recipe has no teacher",
        ),
        (
            {
                "teacher": None,
                "directions": [EN_PT, {"source": "pt-BR", "target": "en", "teacher": COMMAND}],
                "distillation__targets": "human",
                "corpus__sources__0__language": "en",
                "training__phases__0__kd_weight": 0,
                "student__initialization": "random",
                "vocabulary__size": 8000,
            },
            "teacher must be given, since directions[0] has none of its own",
        ),
        ({"export__precisions": []}, "export.precisions must be non-empty, but is a list of 0 items instead"),
        (
            {"distillation__beam_size": 2, "distillation__num_candidates": 3},
            "distillation.num_candidates must be at most beam_size (2), but is 3 instead",
        ),
        ({"export__beam_size": 0}, "export.beam_size must be 1 or more, but is 0 instead"),
        ({"export__num_parity_sentences": 0}, "export.num_parity_sentences must be 1 or more, but is 0 instead"),
        ({"export__min_parity": 1.5}, "export.min_parity must be from 0 to 1, but is 1.5 instead"),
        ({"export__max_drop": -0.5}, "export.max_drop must be 0 or more, but is -0.5 instead"),
        (
            {"export__formats": ["fairseq2"]},
            "export.formats must not name fairseq2 where student.graph is marian",
        ),
        ({"evaluation__max_sentences": 0}, "evaluation.max_sentences must be 1 or more, but is 0 instead"),
        ({"evaluation__speed_repetitions": -1}, "evaluation.speed_repetitions must be 0 or more, but is -1 instead"),
        (
            {"evaluation__suites": [{"suite": "a.yaml", "folder": "b", "max_sentences": 0}]},
            "evaluation.suites[0].max_sentences must be 1 or more, but is 0 instead",
        ),
        ({"vocabulary__size": 7}, "vocabulary.size must be a positive multiple of 8, but is 7 instead"),
        (
            {"distillation__num_kept": 0},
            "training.phases[0].kd_weight must be 0 where there are no soft targets",
        ),
        (
            {"distillation__targets": "human"},
            "training.phases[0].kd_weight must be 0 where there are no soft targets",
        ),
        (
            {"distillation__keep_states": False, "training__phases__0__state_weight": 0.5},
            "training.phases[0].state_weight must be 0 where no states are kept",
        ),
        (
            {"student__graph": "nllb"},
            "student.graph must be marian, the graph of this teacher's weights, but is nllb; or set "
            "student.initialization to embeddings or random",
        ),
        ({"teacher": TRANSFORMERS | {"family": "small100"}}, "student.graph must be nllb, the graph of this teacher's"),
        (
            {"teacher": TRANSFORMERS | {"family": "madlad400"}},
            "student.initialization must be embeddings or random, since no student's graph has layers like this",
        ),
        (
            {"teacher": COMMAND, "vocabulary__size": 8000, "training__phases__0__kd_weight": 0.0},
            "student.initialization must be random where teacher.kind is command",
        ),
        (
            {
                "directions": OWN,
                "vocabulary__size": 8000,
                "student": {"initialization": "random"},
            },
            "training.phases[0].kd_weight must be 0 where directions[0].teacher.kind is command: it shows translations",
        ),
        (
            {"directions": OWN, "training__phases__0__kd_weight": 0.0} | FROM_RANDOM,
            "vocabulary.size must be given where directions[0].teacher.kind is command",
        ),
        (
            {
                "directions": OWN,
                "vocabulary__size": 8000,
                "training__phases__0__kd_weight": 0.0,
            },
            "student.initialization must be random where directions[0].teacher.kind is command",
        ),
        (
            {"directions": [EN_PT, PT_EN | {"teacher": COMMAND}], "distillation__beam_size": 4} | TWO_WAYS,
            "distillation.beam_size must be 1 where directions[1].teacher.kind is command, which searches in its own",
        ),
        (
            {"distillation__kept": "drawn", "training__phases__0__divergence": "reverse_kl"},
            "training.phases[0].divergence must be kl or skew_kl where distillation.kept is drawn, but is reverse_kl",
        ),
    ],
)
def test_values_that_cannot_go_together(tmp_path: Path, parts: dict[str, Any], expected: str) -> None:
    (fault,) = faults_of(tmp_path / "toy.yaml", changed(**parts))
    assert fault.startswith(expected)


@pytest.mark.parametrize(
    "parts",
    [
        {"distillation__targets": "human", "training__phases__0__kd_weight": 0.0},
        {
            "distillation__num_kept": 0,
            "training__phases__0__vocabulary_weight": 0.0,
            "training__phases__0__state_weight": 1.0,
        },
        {"student": {"graph": "nllb", "initialization": "random"}},
        {"distillation__kept": "drawn", "training__phases__0__divergence": "skew_kl"},
        {
            "distillation__kept": "drawn",
            "training__phases__0__divergence": "js",
            "training__phases__0__kd_weight": 0.0,
        },
        {"student": {"graph": "nllb", "initialization": "embeddings"}},
        {"student": {"graph": "nllb", "initialize_from": "a/folder"}},
        {"teacher": TRANSFORMERS},
        {"teacher": TRANSFORMERS, "student__graph": "nllb"},
        {"teacher": TRANSFORMERS | {"family": "marian"}},
        {"teacher": TRANSFORMERS | {"family": "mt5"}, "student__initialization": "embeddings"},
    ],
)
def test_values_that_go_together(tmp_path: Path, parts: dict[str, Any]) -> None:
    assert isinstance(load_recipe(write(tmp_path / "toy.yaml", changed(**parts))), Recipe)


def test_human_translations_are_read_only_by_a_teacher_that_shows_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    phases = [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0.5, "state_weight": 0.5}]
    forced = changed(distillation__targets="forced", training__phases=phases)
    assert load_recipe(write(path, forced)).distillation.targets == "forced"
    forced["teacher"] = COMMAND
    forced["student"] = {"initialization": "random"}
    forced["vocabulary"] = {"size": 8000}
    forced["training"]["phases"] = [phases[0] | {"kd_weight": 0, "state_weight": 0}]
    assert faults_of(path, forced) == (
        "distillation.targets must be teacher or human where teacher.kind is command, which shows no probabilities of "
        "human translations, but is forced",
    )


def test_what_runs_the_teacher_in_the_step_needs_one_that_can_be(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    phase = {
        "num_steps": 10,
        "learning_rate": 0.001,
        "kd_weight": 1.0,
        "on_policy_share": 1.0,
        "hidden": [{"teacher_layer": 6, "student_layer": 6}],
    }
    online = changed(training__phases=[phase], distillation__targets="human")
    assert load_recipe(write(path, online)).training.phases[0].runs_teacher, "all targets sampled need no soft targets"
    online["student"] = {"num_encoder_layers": 4}
    assert faults_of(path, online) == (
        "training.phases[0].hidden[0].student_layer must be at most 4, the student's encoder layers, but is 6 instead",
    )
    online["student"] = {"graph": "nllb"}
    online["teacher"] = {"kind": "fairseq2", "name": "nllb", "origin": "a test", "licence": "none"}
    cannot = "where teacher.kind is fairseq2: it wants a teacher that can be run in the training step, of kind"
    assert faults_of(path, online) == (
        f"training.phases[0].hidden must be empty {cannot} marian or transformers",
        f"training.phases[0].on_policy_share must be 0 {cannot} marian or transformers",
    )


def test_what_wants_the_teacher_in_the_step_wants_a_teacher(tmp_path: Path) -> None:
    phase = {"num_steps": 10, "learning_rate": 0.001, "kd_weight": 1.0, "on_policy_share": 1.0}
    content = changed(training__phases=[phase], distillation__targets="human")
    del content["teacher"]
    told = "training.phases[0].on_policy_share must be 0 where teacher is not given: it wants a teacher that can be run"
    assert any(fault.startswith(told) for fault in faults_of(tmp_path / "toy.yaml", content))


def test_weight_that_the_divergence_moves_to_needs_soft_targets_too(tmp_path: Path) -> None:
    phase = {"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0.0, "kd_weight_end": 0.5}
    content = changed(training__phases=[phase], distillation__num_kept=0)
    assert faults_of(tmp_path / "toy.yaml", content) == (
        "training.phases[0].kd_weight_end must be 0 where there are no soft targets "
        "(distillation.targets=teacher or forced, num_kept > 0)",
    )
