from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.config import Fairseq2TeacherConfig
from nmt_distill.teacher.fairseq2.folder import read_fairseq2
from nmt_distill.teacher.fairseq2.interop import FAIRSEQ2_TABLE, to_transformers
from nmt_distill.teacher.loading import fetch_teacher, identify_teacher, load_teacher, local_files
from tests.fairseq2.conftest import FACTS, Toy, load

pytestmark = pytest.mark.fairseq2


def find(name: Path | str, **settings: Any) -> Any:
    from nmt_distill.teacher.fairseq2.checkpoint import find_checkpoint

    return find_checkpoint(str(name), **settings)


@pytest.fixture
def copy(toy: Toy, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy.fairseq2, tmp_path / "copy"))


@pytest.fixture
def asset(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> str:
    """The toy as an asset: fairseq2 looks for cards below the user's folder when it starts."""
    import fairseq2
    from fairseq2.runtime import dependency

    monkeypatch.setenv("FAIRSEQ2_USER_ASSET_DIR", str(toy.fairseq2))
    monkeypatch.setattr(dependency, "_resolver", None)
    fairseq2.init_fairseq2()
    return "toy"


def edit(card: Path, **changes: Any) -> None:
    content = yaml.safe_load(card.read_text()) | changes
    card.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))


def same_weights(one: Any, other: Any) -> bool:
    return all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_folder_card_asset_and_file_are_one_model(toy: Toy, asset: str, tmp_path: Path) -> None:
    """The folder that our conversion writes is one that fairseq2 itself finds."""
    names = (toy.fairseq2, toy.fairseq2 / "model.yaml", asset, toy.fairseq2 / "model.safetensors")
    found = [find(name, base="toy" if str(name).endswith(".safetensors") else None) for name in names]
    assert len({tuple(each.hashes()) for each in found}) == 1
    models = [each.load_model(device="cpu", dtype="float32") for each in found]
    assert all(same_weights(models[0], model) for model in models)
    assert {path.name for path in found[0].files()} == {"model.safetensors", "sentencepiece.model"}
    theirs = read_fairseq2(toy.fairseq2).weights
    assert torch.equal(models[0].final_proj.weight, theirs[FAIRSEQ2_TABLE])


def test_the_assets_of_nllb_are_known() -> None:
    """Their files are far away; that fairseq2 has cards of these names, sizes and languages is what can be seen."""
    from fairseq2.assets import get_asset_store
    from fairseq2.models.nllb import get_nllb_model_hub, get_nllb_tokenizer_hub

    card = get_asset_store().retrieve_card("nllb-200_dense_distill_600m")
    sizes, tokenizer = get_nllb_model_hub().get_model_config(card), get_nllb_tokenizer_hub().get_tokenizer_config(card)
    assert (sizes.model_dim, sizes.num_encoder_layers, sizes.vocab_size) == (1024, 12, 256_206)
    assert len(tokenizer.langs) == 202
    with pytest.raises(
        NmtDistillError, match=r"teacher\.name is nllb, but must be an asset of fairseq2 \(.*nllb-200_dense"
    ):
        find("nllb")


def test_a_checkpoint_of_fairseq_is_read_without_running_anything(toy: Toy, copy: Path) -> None:
    """NLLB's own files: fairseq's names, the table three times, settings in an ``argparse.Namespace``."""
    weights = {name.removeprefix("model."): each for name, each in to_transformers(read_fairseq2(copy).weights).items()}
    table = weights.pop("shared.weight")
    for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight"):
        weights[name] = table
    version = {"encoder.version": torch.tensor([3.0])}
    torch.save({"cfg": {"model": argparse.Namespace(arch="nllb")}, "model": weights | version}, copy / "nllb.pt")
    edit(copy / "model.yaml", checkpoint="nllb.pt")
    models = [find(folder).load_model(device="cpu", dtype="float32") for folder in (toy.fairseq2, copy)]
    assert same_weights(*models)


class RunsCode:
    """Pickled, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("restrict", [None, False])
def test_a_pickle_that_runs_code_is_refused(copy: Path, tmp_path: Path, restrict: bool | None) -> None:
    torch.save({"model": RunsCode(tmp_path / "made")}, copy / "model.pt")
    edit(copy / "model.yaml", checkpoint="model.pt", restrict=restrict)
    with pytest.raises(
        NmtDistillError, match=r"model\.pt cannot be loaded by fairseq2 .*; a \.pt that holds more than"
    ):
        find(copy).load_model(device="cpu", dtype="float32")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_family": "llama"}, r"teacher\.name must be a model of fairseq2's family nllb, but .* is of llama\."),
        ({"checkpoint": None}, r"cannot be used \(.* does not have a field named checkpoint\.\); complete its card"),
        ({"checkpoint": "gone.pt"}, r"gone\.pt, which the card toy names as checkpoint, does not exist"),
        ({"tokenizer": None}, r"does not have a field named tokenizer\.\); complete its card"),
        ({"model_config": {"width": 3}}, r"cannot be used \(model_config field of the toy asset card cannot be parsed"),
        ({"base": "nobody"}, r"base in .*model\.yaml is nobody, but must be an asset of fairseq2 \("),
    ],
    ids=str,
)
def test_a_card_that_does_not_do(copy: Path, changes: dict[str, Any], told: str) -> None:
    edit(copy / "model.yaml", **changes)
    with pytest.raises(NmtDistillError, match=told):
        find(copy)


def test_a_card_may_say_only_what_differs(toy: Toy, asset: str, tmp_path: Path) -> None:
    card = {"name": "tuned", "base": asset, "checkpoint": str(toy.fairseq2 / "model.safetensors")}
    (tmp_path / "tuned.yaml").write_text(yaml.safe_dump(card))
    assert find(tmp_path / "tuned.yaml").hashes() == find(toy.fairseq2).hashes()
    other = tmp_path / "other.model"
    other.write_bytes((toy.fairseq2 / "sentencepiece.model").read_bytes() + b"\n")
    found = find(tmp_path / "tuned.yaml", vocabulary=str(other))
    assert found.sentencepiece == other
    assert found.hashes() != find(toy.fairseq2).hashes()


def test_a_file_of_weights_needs_its_like(toy: Toy) -> None:
    weights = toy.fairseq2 / "model.safetensors"
    with pytest.raises(NmtDistillError, match=r"teacher\.base must name the asset that .*model\.safetensors is like"):
        find(weights)
    with pytest.raises(NmtDistillError, match=r"teacher\.base is nobody, but must be an asset of fairseq2"):
        find(weights, base="nobody")
    with pytest.raises(
        NmtDistillError, match=r"teacher\.base must be left out where teacher\.name is no file of weights"
    ):
        find(toy.fairseq2, base="nllb-200_dense_distill_600m")
    with pytest.raises(NmtDistillError, match=r"teacher\.vocabulary: none\.model does not exist; give the path"):
        find(toy.fairseq2, vocabulary="none.model")


def test_parts_that_do_not_fit(copy: Path, toy: Toy) -> None:
    edit(
        copy / "model.yaml",
        model_config=yaml.safe_load((copy / "model.yaml").read_text())["model_config"] | {"model_dim": 32},
    )
    with pytest.raises(
        NmtDistillError, match=r"cannot be loaded by fairseq2 \(.* is not compatible with .* has a shape of"
    ):
        find(copy).load_model(device="cpu", dtype="float32")
    (copy / "sentencepiece.model").write_bytes(b"not a model")
    with pytest.raises(
        NmtDistillError, match=r"the tokenizer .* cannot be loaded by fairseq2 \(.* is not a valid Sent"
    ):
        find(copy).load_tokenizer()


def test_languages_are_those_of_the_card(copy: Path, toy: Toy) -> None:
    moved = replace(toy, fairseq2=copy)
    with pytest.raises(NmtDistillError, match=r"`tlh` is not a language of .*; the nearest of its 202 is"):
        load(toy, direction=Direction(source="en", target="tlh"))
    edit(copy / "model.yaml", tokenizer_config={"langs": ["en", "de"], "default_lang": "en"})
    with pytest.raises(NmtDistillError, match="names no languages such as eng_Latn; complete tokenizer_config in its"):
        load(moved)
    others = [f"{one}{two}{three}_Latn" for one in "ab" for two in "abcdefghijkl" for three in "abcdefghijkl"]
    edit(copy / "model.yaml", tokenizer_config={"langs": ["eng_Latn", "deu_Latn", *others], "default_lang": "eng_Latn"})
    with pytest.raises(NmtDistillError, match=r"do not belong together: languages have ids up to 4\d\d, but "):
        load(moved)


def test_a_recipe_names_it(toy: Toy) -> None:
    config = Fairseq2TeacherConfig(name=str(toy.fairseq2), origin="trained by a test", licence="none")
    assert {path.name for path in fetch_teacher(config)} == {"model.safetensors", "sentencepiece.model"}
    assert [path.name for path in local_files(config)] == ["model.safetensors", "model.yaml", "sentencepiece.model"]
    loaded = load_teacher(config, direction=FACTS["direction"], device="cpu")
    assert loaded.fingerprint == load(toy).fingerprint
    assert (loaded.origin, loaded.licence) == ("trained by a test", "none")


def test_weights_that_a_card_names_elsewhere_count(toy: Toy, asset: str, copy: Path, tmp_path: Path) -> None:
    """By a card that says where they are, and by one that leaves the tokenizer to its base."""
    weights, card = copy / "model.safetensors", tmp_path / "cards" / "tuned.yaml"
    card.parent.mkdir()
    card.write_text(yaml.safe_dump({"name": "tuned", "base": asset, "checkpoint": str(weights)}))
    config = Fairseq2TeacherConfig(name=str(card), origin="trained by a test", licence="none")
    before = identify_teacher(config)
    assert before == identify_teacher(config)
    with weights.open("ab") as stream:
        stream.write(b" ")
    after = identify_teacher(config)
    assert (before["files"], before["checkpoint"][1:]) == (after["files"], after["checkpoint"][1:])
    assert before["checkpoint"][0] != after["checkpoint"][0]


def test_weights_of_an_asset_count(toy: Toy, asset: str, tmp_path: Path) -> None:
    config = Fairseq2TeacherConfig(name=asset, origin="trained by a test", licence="none")
    assert identify_teacher(config)["checkpoint"] == find(toy.fairseq2).hashes()


def test_nothing_is_fetched_to_name_a_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """NLLB's own asset lies on the net; a run that is only planned asks for none of it."""
    import socket

    def connect(*_: Any) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    config = Fairseq2TeacherConfig(name="nllb-200_dense_distill_600m", origin="NLLB", licence="CC-BY-NC-4.0")
    assert identify_teacher(config) == {"files": []}
