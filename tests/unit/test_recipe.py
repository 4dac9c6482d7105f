from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.configuration import to_content, write_yaml
from nmt_distill.errors import NmtDistillError, RecipeError
from nmt_distill.evaluation.config import EvaluationConfig
from nmt_distill.export.config import ExportConfig
from nmt_distill.languages import Direction
from nmt_distill.recipe import Recipe, find_recipe, load_recipe

EN_PT = {"source": "en", "target": "pt-BR"}
PT_EN = {"source": "pt-BR", "target": "en"}
CONTENT: dict[str, Any] = {
    "directions": [EN_PT],
    "corpus": {"sources": [{"kind": "text", "path": "mono.en", "licence": "CC0-1.0"}]},
    "teacher": {
        "kind": "marian",
        "model": "model.bin",
        "vocabulary": "vocab.spm",
        "origin": "a test",
        "licence": "none",
    },
    "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001}]},
}

TRANSFORMERS = {"kind": "transformers", "name": "a/model", "origin": "a test", "licence": "none"}
COMMAND = {"kind": "command", "command": "cat", "origin": "a test", "licence": "none"}
OWN = [EN_PT | {"teacher": COMMAND}]
FROM_RANDOM: dict[str, Any] = {"student": {"initialization": "random"}}
TWO_WAYS: dict[str, Any] = {"corpus__sources__0__language": "en"}


def write(path: Path, content: Any = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(**parts: Any) -> dict[str, Any]:
    """Return the recipe with some keys, written with dots as ``__``, set to other values."""
    content = copy.deepcopy(CONTENT)
    for key, value in parts.items():
        *parents, last = key.split("__")
        place: Any = content
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place[int(parent)]
        place[last] = value
    return content


def faults_of(path: Path, content: Any, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as told:
        load_recipe(write(path, content), overrides)
    assert str(path) in str(told.value)
    return told.value.faults


def test_profile_takes_the_place_of_keys_of_the_export(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml", changed(export__precisions=["int8"], export__beam_size=3))
    profile = write(tmp_path / "profile.yaml", {"precisions": ["float32", "float16"], "encoder": True})
    export = load_recipe(path, export_profile=profile).export
    assert (export.precisions, export.encoder, export.beam_size) == (("float32", "float16"), True, 3)
    assert load_recipe(path, ["export.encoder=false"], export_profile=profile).export.encoder is False
    wrong = write(tmp_path / "wrong.yaml", {"precision": ["int8"]})
    with pytest.raises(RecipeError, match=r"export\.precision is not a known key; did you mean `precisions`\?"):
        load_recipe(path, export_profile=wrong)


def test_recipe_says_only_what_differs(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path / "toy.yaml"))
    assert recipe.teachers == {Direction(source="en", target="pt-BR"): recipe.teacher}
    assert (recipe.student.model_dim, recipe.distillation.num_kept, recipe.reuse) == (256, 16, None)
    assert (recipe.export, recipe.evaluation) == (ExportConfig(), EvaluationConfig())


@pytest.mark.parametrize(("path", "name"), [("quick/recipe.yaml", "quick"), ("mine.yaml", "mine")])
def test_name_is_that_of_the_folder_or_the_file(tmp_path: Path, path: str, name: str) -> None:
    assert load_recipe(write(tmp_path / path)).name == name
    assert load_recipe(write(tmp_path / path, changed(name="chosen"))).name == "chosen"


def test_overrides_win(tmp_path: Path) -> None:
    path = write(tmp_path / "toy.yaml")
    recipe = load_recipe(path, ["student.model_dim=128", "training.phases[0].num_steps=3", "reuse=other"])
    assert (recipe.student.model_dim, recipe.training.phases[0].num_steps, recipe.reuse) == (128, 3, "other")


def test_preset_is_a_base_that_keys_of_the_recipe_edit(tmp_path: Path) -> None:
    content = changed(student={"preset": "tiny", "num_decoder_layers": 4, "graph": "nllb", "initialization": "random"})
    recipe = load_recipe(write(tmp_path / "toy.yaml", content))
    student = recipe.student
    assert (student.num_encoder_layers, student.num_decoder_layers) == (6, 4)
    assert (student.model_dim, student.ffn_inner_dim, student.graph) == (256, 1536, "nllb")
    write_yaml(tmp_path / "resolved.yaml", to_content(recipe))
    assert load_recipe(tmp_path / "resolved.yaml") == recipe
    other = load_recipe(tmp_path / "toy.yaml", ["student.preset=small", "student.num_heads=8"])
    assert (other.student.model_dim, other.student.num_decoder_layers, other.student.num_heads) == (384, 4, 8)


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", " a", ".hidden"])
def test_name_is_that_of_a_folder_in_runs(tmp_path: Path, name: str) -> None:
    """An empty one would make its stages in `runs` itself, among other runs."""
    with pytest.raises(RecipeError, match="name must be the name of a folder, without / and no dot or space first"):
        load_recipe(write(tmp_path / "mine.yaml", changed(name=name)))


@pytest.mark.parametrize("preset", ["huge", 5, ["tiny"]])
def test_unknown_preset_is_told(tmp_path: Path, preset: Any) -> None:
    (fault,) = faults_of(tmp_path / "toy.yaml", changed(student__preset=preset))
    assert fault.startswith("student.preset must be ")


def test_recipe_of_human_translations_needs_no_teacher(tmp_path: Path) -> None:
    content = changed(
        distillation={"targets": "human"},
        student={"initialization": "random"},
        vocabulary={"size": 8000},
        training__phases__0__kd_weight=0,
    )
    del content["teacher"]
    assert load_recipe(write(tmp_path / "toy.yaml", content)).teachers == {}


def test_faults_are_told_together(tmp_path: Path) -> None:
    content = changed(student={"model_dimm": 128, "num_heads": 0}, teacher__batch_tokens="many")
    content["directions"] = [{"source": "en", "target": "en"}]
    del content["training"]
    faults = faults_of(tmp_path / "toy.yaml", content)
    assert [fault.split()[0] for fault in faults] == [
        "teacher.batch_tokens",
        "directions[0].target",
        "student.model_dimm",
        "student.num_heads",
        "training",
    ]


def test_every_section_tells_unknown_keys_wrong_types_and_ranges_at_once(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "directions[0]": {"colour": 1, "source": "english", "target": "pt_BR"},
        "corpus": {"sede": 1, "max_train_sentences": "all", "max_mono_sentences": -1, "held_out": 5},
        "corpus.filters": {"colour": 1, "max_characters": 0, "drop_identical": "very", "max_ratio": 0.5},
        "corpus.split": {"colour": 1, "num_dev": -1, "num_test": "many", "min_words": 0},
        "corpus.sources[0]": {"colour": 1, "licence": 5, "min_words": 0, "max_sentences": 0},
        "corpus.sources[1].wheel": {"colour": 1, "package": "?", "version": 1.0, "sha256": "ff", "platform": ""},
        "teacher": {"colour": 1, "origin": None, "max_length_factor": 0, "batch_tokens": 0},
        "vocabulary": {"colour": 1, "size": 9},
        "distillation": {"colour": 1, "num_kept": "ten", "beam_size": 0, "num_candidates": 0, "temperature": -1},
        "student": {"colour": 1, "model_dim": "wide", "num_heads": 0, "max_positions": 1, "dropout": 1},
        "training": {"colour": 1, "seed": "x", "gradient_clip": 0, "average_decay": 1, "patience": -1},
        "training.phases[0]": {"colour": 1, "num_steps": 0, "learning_rate": "fast", "kd_weight": 2, "num_sampled": -1},
        "export": {"colour": 1, "beam_size": "two", "precisions": [], "min_parity": -1},
        "evaluation": {"colour": 1, "max_sentences": 0, "speed_repetitions": -1, "examples": "one"},
        "evaluation.suites[0]": {"colour": 1, "suite": 5, "max_sentences": 0},
    }
    content = changed(colour="red")
    source = {"kind": "wheel_text", "wheel": wrong["corpus.sources[1].wheel"], "paths": ["a"], "layout": "lines"}
    content["corpus"] = wrong["corpus"] | {
        "sources": [CONTENT["corpus"]["sources"][0] | wrong["corpus.sources[0]"], source],
        "filters": wrong["corpus.filters"],
        "split": wrong["corpus.split"],
    }
    content["directions"] = [wrong["directions[0]"]]
    content["teacher"] |= wrong["teacher"]
    content["training"] = wrong["training"] | {"phases": [wrong["training.phases[0]"]]}
    content["evaluation"] = wrong["evaluation"] | {"suites": [{"folder": "b"} | wrong["evaluation.suites[0]"]]}
    content |= {section: wrong[section] for section in ("vocabulary", "distillation", "student", "export")}
    told = [fault.split()[0] for fault in faults_of(tmp_path / "toy.yaml", content)]
    keys = [f"{section}.{key}" for section, values in wrong.items() for key in values]
    assert sorted(told) == sorted(["colour", *keys])


def test_a_value_with_a_fault_silences_only_the_checks_that_look_at_it(tmp_path: Path) -> None:
    content = changed(
        directions__0__source="english",
        student__graph="nllb",
        distillation__num_kept=0,
        distillation__keep_states=False,
    )
    phase = {"num_steps": 10, "learning_rate": 0.001, "state_weight": 1.0}
    content["training"]["phases"] = [phase | {"kd_weight": 2}, 5, phase | {"state_weight": -1}, phase]
    assert [fault.split()[0] for fault in faults_of(tmp_path / "toy.yaml", content)] == [
        "directions[0].source",
        "training.phases[0].kd_weight",
        "training.phases[1]",
        "training.phases[2].state_weight",
        "student.graph",
        "training.phases[0].state_weight",
        "training.phases[2].kd_weight",
        "training.phases[3].kd_weight",
        "training.phases[3].state_weight",
    ]


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


def test_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"toy\.yaml"):
        load_recipe(tmp_path / "toy.yaml")


def test_recipe_is_found_by_path_then_here_then_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_recipe("quickstart")
    assert shipped.is_absolute()
    assert shipped.parts[-3:] == ("recipes", "quickstart", "recipe.yaml")
    here = write(tmp_path / "recipes" / "quickstart" / "recipe.yaml")
    assert find_recipe("quickstart").resolve() == here
    file = write(tmp_path / "quickstart")
    assert find_recipe("quickstart").resolve() == file
    assert find_recipe(str(here)) == here


def test_unknown_recipe_tells_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "recipes" / "mine" / "recipe.yaml")
    with pytest.raises(
        NmtDistillError, match=r"`quickstrat` is neither a file nor a recipe; there are: .*mine.*quickstart.*\."
    ):
        find_recipe("quickstrat")


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
    cannot = "where teacher.kind is fairseq2, which cannot be run in the training step; marian and transformers can"
    assert faults_of(path, online) == (
        f"training.phases[0].hidden must be empty {cannot}",
        f"training.phases[0].on_policy_share must be 0 {cannot}",
    )


def test_weight_that_the_divergence_moves_to_needs_soft_targets_too(tmp_path: Path) -> None:
    phase = {"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0.0, "kd_weight_end": 0.5}
    content = changed(training__phases=[phase], distillation__num_kept=0)
    assert faults_of(tmp_path / "toy.yaml", content) == (
        "training.phases[0].kd_weight_end must be 0 where there are no soft targets "
        "(distillation.targets=teacher or forced, num_kept > 0)",
    )
