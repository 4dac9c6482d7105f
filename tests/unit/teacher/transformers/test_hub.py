from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.transformers.hub import find_model, local_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub, which cannot be reached, that holds one model with safetensors and one without."""
    from huggingface_hub import constants

    for name, family in (("models--toys--t5", "t5"), ("models--toys--nllb", "nllb")):
        shutil.copytree(checkpoints[family], tmp_path / name / "snapshots" / COMMIT)
        (tmp_path / name / "refs").mkdir()
        (tmp_path / name / "refs/main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_folder_is_named_by_its_files(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model"
    shutil.copytree(checkpoints["t5"], path)
    folder = find_model(str(path))
    assert (folder.path, folder.commit) == (path, None)
    before = folder.hashes()
    others = sorted(file.name for file in path.iterdir() if file.suffix != ".safetensors")
    assert [entry.split()[0] for entry in before] == [*others, "model.safetensors"]
    (path / "README.md").write_text("new")
    assert find_model(str(path)).hashes() == before
    (path / "generation_config.json").write_text("{}")
    assert find_model(str(path)).hashes() != before


def test_pickled_weights_count_where_there_are_no_others(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model"
    shutil.copytree(checkpoints["nllb"], path)
    assert find_model(str(path)).hashes()[-1].startswith("pytorch_model.bin ")
    shutil.copy(checkpoints["t5"] / "model.safetensors", path)
    assert find_model(str(path)).hashes()[-1].startswith("model.safetensors ")


@pytest.mark.parametrize("name", ["toys/t5", "toys/nllb"])
def test_a_model_of_the_hub_is_named_by_its_commit(hub: Path, name: str) -> None:
    folder = find_model(name)
    assert folder.path == hub / f"models--{name.replace('/', '--')}" / "snapshots" / COMMIT
    assert folder.hashes() == [COMMIT]


OTHER = "f" * 40


def test_a_revision_names_a_commit_a_tag_or_a_branch(hub: Path) -> None:
    snapshots, refs = (hub / "models--toys--t5" / name for name in ("snapshots", "refs"))
    shutil.copytree(snapshots / COMMIT, snapshots / OTHER)
    (refs / "v2").write_text(OTHER)
    for revision, commit in ((None, COMMIT), ("main", COMMIT), ("v2", OTHER), (OTHER, OTHER), (COMMIT, COMMIT)):
        assert find_model("toys/t5", revision).path == snapshots / commit
        assert local_commit("toys/t5", revision) == commit
    with pytest.raises(NmtDistillError, match=r"toys/t5 in revision v3 is neither a folder here nor a model"):
        find_model("toys/t5", "v3")


def test_commit_of_what_is_not_here(hub: Path, checkpoints: dict[str, Path]) -> None:
    assert local_commit("toys/none") is None
    assert local_commit("toys/t5", "v3") is None
    assert local_commit("toys/none", OTHER) == OTHER, "a commit is what it is"
    assert local_commit(str(checkpoints["t5"])) is None
    assert local_commit("../none") is None


def test_a_folder_has_no_revision(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(
        NmtDistillError, match=r"is a folder here, which has no revision v2; leave teacher\.revision out"
    ):
        find_model(str(checkpoints["t5"]), "v2")


def test_a_name_that_the_hub_does_not_give(hub: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"toys/none is neither a folder here nor a model .* give the path"):
        find_model("toys/none")


def test_what_is_no_folder(tmp_path: Path) -> None:
    for wrong in (str(tmp_path / "none"), "../none", str(Path(__file__)), "a/b/c"):
        with pytest.raises(NmtDistillError, match=f"{wrong} is not a folder; give a folder with config.json, or a"):
            find_model(wrong)


def test_folders_that_hold_no_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"holds no transformers model \(no config.json\)"):
        find_model(str(tmp_path))
    shutil.copy(checkpoints["t5"] / "config.json", tmp_path)
    with pytest.raises(NmtDistillError, match=r"holds no PyTorch weights \(model.safetensors or pytorch_model.bin\)"):
        find_model(str(tmp_path))


def test_json_files_of_a_folder(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["t5"], tmp_path / "model")
    folder = find_model(str(tmp_path / "model"))
    assert folder.json("config.json")["model_type"] == "t5"
    assert folder.json("none.json") == {}
    (folder.path / "list.json").write_text("[]")
    with pytest.raises(NmtDistillError, match=r"list.json must hold a JSON object"):
        folder.json("list.json")
