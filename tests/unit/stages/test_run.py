from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.recipe import load_recipe
from nmt_distill.stages import run as run_module
from nmt_distill.stages.run import Run

FIRST, SECOND = "a" * 40, "b" * 40
ORIGIN = {"origin": "a test", "licence": "none"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def fetch(hub: Path, commit: str, name: str = "toys/model") -> None:
    """Put a model into the cache as its newest commit."""
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "config.json").write_text("{}")
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)


def open_run(
    folder: Path,
    *,
    reverse: dict[str, Any] | None = None,
    reuse: Path | None = None,
    targets: str = "teacher",
    **teacher: Any,
) -> Run:
    folder.mkdir(exist_ok=True)
    content = {
        "reuse": str(reuse) if reuse else None,
        "directions": [{"source": "en", "target": "pt"}],
        "corpus": {
            "sources": [{"kind": "lines", "source": "pairs.en", "target": "pairs.pt", "licence": "CC0-1.0"}],
            "split": {"num_dev": 0, "num_test": 0},
        },
        "teacher": {"kind": "transformers", "name": "toys/model", **ORIGIN, **teacher},
        "student": {"initialization": "random"},
        "training": {
            "phases": [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0 if targets == "human" else 0.5}]
        },
        "distillation": {
            "targets": targets,
            "filters": {"reverse": reverse and {"teacher": {**ORIGIN, **reverse}}},
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return Run(load_recipe(path), folder / "run", defaultdict(lambda: lambda _: {}))


def fingerprint(folder: Path, **settings: Any) -> str:
    return open_run(folder, **settings).distilled.fingerprint


def labels_of_program(folder: Path, **settings: Any) -> str:
    path = folder / "recipe.yaml"
    content = {
        "directions": [{"source": "en", "target": "pt"}],
        "corpus": {
            "sources": [{"kind": "text", "path": "mono.en", "licence": "CC0-1.0"}],
            "split": {"references": "teacher"},
        },
        "teacher": {"kind": "command", "command": f"sh {folder}/program.sh", **ORIGIN, **settings},
        "vocabulary": {"size": 8000},
        "student": {"initialization": "random"},
        "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0}]},
    }
    path.write_text(yaml.safe_dump(content))
    return Run(load_recipe(path), folder / "run", defaultdict(lambda: lambda _: {})).distilled.fingerprint


def test_models_of_an_ensemble_decide_about_the_labels_and_none_leaves_them(tmp_path: Path) -> None:
    further = tmp_path / "further"
    further.mkdir()
    (further / "model.safetensors").write_bytes(b"one")
    with_one = fingerprint(tmp_path, ensemble=[str(further)])
    assert with_one != fingerprint(tmp_path, ensemble=[]) == fingerprint(tmp_path)
    assert "ensemble" not in open_run(tmp_path).distilled.settings["teachers"]["en-pt"]
    (further / "model.safetensors").write_bytes(b"another")
    assert fingerprint(tmp_path, ensemble=[str(further)]) != with_one


def test_a_teacher_counts_for_human_labels_too(tmp_path: Path) -> None:
    """They are kept in its vocabulary."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(folder.name.encode())
    found = {fingerprint(tmp_path, name=str(folder), targets="human") for folder in folders}
    assert len(found) == 2


def test_a_program_counts_by_its_content_and_not_by_how_it_is_run(tmp_path: Path) -> None:
    (tmp_path / "program.sh").write_text("cat")
    before = labels_of_program(tmp_path)
    for setting in ({"num_processes": 4}, {"timeout_seconds": 9.0}):
        assert labels_of_program(tmp_path, **setting) == before, setting
    assert labels_of_program(tmp_path, mode="batch") != before
    (tmp_path / "program.sh").write_text("tac")
    assert labels_of_program(tmp_path) != before


def test_newest_commit_of_a_model_on_the_hub_decides_about_the_labels(hub: Path, tmp_path: Path) -> None:
    unknown = fingerprint(tmp_path)
    fetch(hub, FIRST)
    first = fingerprint(tmp_path)
    assert first == fingerprint(tmp_path) != unknown
    fetch(hub, SECOND)
    assert fingerprint(tmp_path) not in {unknown, first}
    assert fingerprint(tmp_path, revision=FIRST) == fingerprint(tmp_path, revision=FIRST) != fingerprint(tmp_path)


def test_pinned_commit_needs_no_model_here(hub: Path, tmp_path: Path) -> None:
    before = fingerprint(tmp_path, revision=SECOND)
    fetch(hub, FIRST)
    fetch(hub, SECOND)
    assert fingerprint(tmp_path, revision=SECOND) == before


def test_what_is_fetched_counts_at_once(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_now(config: Any, **_: Any) -> tuple[Path, ...]:
        fetch(hub, FIRST, config.name)
        return ()

    monkeypatch.setattr(run_module, "fetch_teacher", fetch_now)
    reverse = {"kind": "transformers", "name": "toys/back"}
    run = open_run(tmp_path, reverse=reverse)
    before = run.distilled.fingerprint
    _ = run.teacher_files
    assert before != run.distilled.fingerprint == fingerprint(tmp_path, reverse=reverse)
    assert [content["commit"] for _, content in run._identities] == [FIRST, FIRST]


def test_labels_of_a_model_that_has_moved_since_are_made_here(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(hub, FIRST)
    first = open_run(tmp_path / "first")
    for stage in (first.corpus, first.distilled):
        stage.execute()
    second = open_run(tmp_path / "second", reuse=first.run_folder)
    assert (second.corpus.reused, second.distilled.reused) == (True, True)

    def fetch_now(*_: Any, **__: Any) -> tuple[Path, ...]:
        fetch(hub, SECOND)
        return ()

    monkeypatch.setattr(run_module, "fetch_teacher", fetch_now)
    _ = second.teacher_files
    assert (second.corpus.reused, second.distilled.reused) == (True, False)
    assert second.distilled.run_folder == second.run_folder
    second.distilled.begin()
    assert first.run_folder.joinpath(".stages", "distilled.json").is_file(), "what the other run has stays"


def test_the_commit_that_counts_is_the_one_that_is_loaded(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(hub, FIRST)
    run = open_run(tmp_path)
    fetch(hub, SECOND)
    loaded: list[Any] = []
    closed: list[str] = []

    class Loaded:
        def close(self) -> None:
            closed.append("one")

    def load(config: Any, **_: Any) -> Loaded:
        loaded.append(config.revision)
        return Loaded()

    monkeypatch.setattr(run_module, "load_teacher", load)
    assert run.teacher(run.directions[0]) is run.teacher(run.directions[0])
    assert (loaded, closed) == ([FIRST], [])
    run.release_teachers()
    run.release_teachers()
    assert closed == ["one"]


def test_errors_name_the_setting_of_the_direction_that_has_it(tmp_path: Path) -> None:
    own = {"kind": "candidates", "path": "none.tsv", **ORIGIN}
    content = {
        "directions": [{"source": "en", "target": "pt"}, {"source": "pt", "target": "en", "teacher": own}],
        "corpus": {
            "sources": [{"kind": "text", "path": "mono.en", "licence": "CC0-1.0", "language": "en"}],
            "split": {"references": "teacher"},
        },
        "teacher": own,
        "student": {"initialization": "random"},
        "vocabulary": {"size": 8000},
        "training": {"phases": [{"num_steps": 10, "learning_rate": 0.001, "kd_weight": 0.0}]},
    }
    for present, place in ((), r"teacher"), (("none.tsv",), r"directions\[1\]\.teacher"):
        for name in present:
            content["teacher"] = own | {"path": str(tmp_path / name)}
            (tmp_path / name).write_text("a\tb\n")
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
        run = Run(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", defaultdict(lambda: lambda _: {}))
        with pytest.raises(NmtDistillError, match=rf"^{place}\.path: none\.tsv does not exist"):
            _ = run.teacher_files


def test_pinned_revision_counts(tmp_path: Path, hub: Path) -> None:
    settings = [open_run(tmp_path, revision=name).distilled.settings["teachers"]["en-pt"] for name in ("v1", "v2")]
    assert [entry["revision"] for entry in settings] == ["v1", "v2"]
