from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from sentencepiece import sentencepiece_model_pb2

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.transformers_teachers import SENTENCES, load, seen_inputs


def test_settings_of_the_checkpoint_do_not_search(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["marian"], tmp_path / "model")
    path = tmp_path / "model/generation_config.json"
    saved = json.loads(path.read_text())
    wild = {"num_beams": 6, "no_repeat_ngram_size": 1, "max_length": 5, "forced_eos_token_id": 0, "do_sample": True}
    path.write_text(json.dumps(saved | wild))
    plain, other = load(checkpoints["marian"]), load(tmp_path / "model")
    for beam_size in (1, 2):
        found = [teacher.translate(SENTENCES, beam_size=beam_size) for teacher in (plain, other)]
        texts = [[one.token_ids.tolist() for (one,) in hypotheses] for hypotheses in found]
        assert texts[0] == texts[1]


def test_a_folder_saved_by_transformers_5_serves_as_well(teachers: dict[str, TransformersTeacher]) -> None:
    for name in ("nllb", "mbart50", "t5"):
        own, saved = teachers[name], teachers[f"{name}_saved"]
        assert saved.encode(SENTENCES) == own.encode(SENTENCES)
        found = [teacher.translate(SENTENCES[:2]) for teacher in (own, saved)]
        assert [one.token_ids.tolist() for (one,) in found[0]] == [one.token_ids.tolist() for (one,) in found[1]]


def test_weights_come_from_where_transformers_reads_them(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["m2m100"], tmp_path / "model")
    teacher = load(checkpoints["m2m100"])
    (tmp_path / "model/model.safetensors").unlink()
    torch.save(teacher.graph.model.state_dict(), tmp_path / "model/pytorch_model.bin")
    other = load(tmp_path / "model")
    for name, parameter in other.graph.model.named_parameters():
        assert torch.equal(parameter, teacher.graph.model.get_parameter(name))


class RunsCode:
    """Pickled, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_runs_code_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["m2m100"], tmp_path / "model")
    (tmp_path / "model/model.safetensors").unlink()
    torch.save({"model.shared.weight": RunsCode(tmp_path / "made")}, tmp_path / "model/pytorch_model.bin")
    told = r"cannot be loaded \([^().]*\); a .bin that holds more than tensors is refused: convert it to safetensors\.$"
    with pytest.raises(NmtDistillError, match=told):
        load(tmp_path / "model")
    assert not (tmp_path / "made").exists()


def test_code_in_the_folder_is_not_run(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["small100"], folder)
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        content["auto_map"] = {"AutoConfig": "code.Made", "AutoTokenizer": ["code.Made", None]}
        (folder / name).write_text(json.dumps(content))
    (folder / "code.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'made')!r})\nclass Made: pass\n")
    assert load(folder).family.name == "small100"
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"model_type": "own"}))
    with pytest.raises(NmtDistillError, match=r"config.json cannot be read \("):
        load(folder)
    assert not (tmp_path / "made").exists()


def test_missing_weights_are_not_made_up(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["nllb"], tmp_path / "model")
    path = tmp_path / "model/pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    del weights["model.decoder.layers.0.fc1.weight"], weights["model.decoder.layers.0.fc1.bias"]
    torch.save(weights, path)
    with pytest.raises(
        NmtDistillError, match=r"lacks 2 weights, the first is model\.decoder\.layers\.0\.fc1\.bias; fet"
    ):
        load(tmp_path / "model")


def test_a_tokenizer_of_another_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["nllb"], folder)
    config = json.loads((folder / "config.json").read_text())
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    for name in ("model.shared", "lm_head", "model.encoder.embed_tokens", "model.decoder.embed_tokens"):
        weights[f"{name}.weight"] = weights["model.shared.weight"][:100].clone()
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 100}))
    with pytest.raises(NmtDistillError, match=r"tokenizer and weights do not belong together: .* weights have 100 ids"):
        load(folder)


def test_tags_of_another_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The dictionary is too long, so that tags, which come behind it, have ids beyond the weights; text has not."""
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["m2m100"], folder)
    pieces = json.loads((folder / "vocab.json").read_text())
    more = {f"no piece {place}": len(pieces) + place for place in range(150)}
    (folder / "vocab.json").write_text(json.dumps(pieces | more))
    with pytest.raises(NmtDistillError, match="and weights do not belong together: the tokenizer's ids go up"):
        load(folder)


def test_weights_of_another_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["m2m100"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"decoder_ffn_dim": 48}))
    told = (
        r"configuration and weights do not belong together: 3 weights of another shape than config\.json says, the "
        r"first is model\.decoder\.layers\.0\.fc1\.bias with \(32,\) in place of \(48,\); fetch both from one place\.$"
    )
    with pytest.raises(NmtDistillError, match=told):
        load(folder)


def test_weights_that_are_truncated(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["m2m100"], tmp_path / "model")
    path = tmp_path / "model/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(NmtDistillError, match=r"the weights of .* cannot be loaded \([^()]*\); fetch it again\.$"):
        load(tmp_path / "model")


def test_an_end_of_sentence_of_another_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoints["t5"], folder)
    for name in ("config.json", "generation_config.json"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | {"eos_token_id": 5}))
    with pytest.raises(NmtDistillError, match="1 ends a sentence, the weights have 280 ids and 5 ends one; fetch both"):
        load(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "model of type gpt2, which is no encoder-decoder; a teacher of kind transformers"),
        ({"model_type": "bart"}, "is of model type bart, whose way of naming languages is not known; these are: "),
        ({"model_type": "mbart"}, "names the tokenizer M2M100Tokenizer; if the model is of the family mbart50, set"),
    ],
)
def test_models_of_other_kinds(
    checkpoints: dict[str, Path], tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    shutil.copytree(checkpoints["m2m100"], tmp_path / "model")
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(NmtDistillError, match=message):
        load(tmp_path / "model")


def test_a_language_that_the_model_does_not_know(checkpoints: dict[str, Path]) -> None:
    to_hant, to_galician = (Direction(source="en", target=target) for target in ("zh-Hant", "gl"))
    with pytest.raises(
        NmtDistillError, match=r"`zh-Hant` is not a language of .*; the nearest of its 100 is `zh` \(zh"
    ):
        load(checkpoints["m2m100"], direction=to_hant)
    with pytest.raises(NmtDistillError, match=r"`gl` is not a language of .*; the nearest of its 3 is "):
        load(checkpoints["madlad400"], direction=to_galician)
    with pytest.raises(NmtDistillError, match=r"`gl` is not a language of .*marian; the nearest of its 1 is `de`"):
        load(checkpoints["marian"], direction=to_galician)
    assert load(checkpoints["madlad400"], direction=to_hant).family.name == "madlad400"


def test_a_tag_reaches_the_model_even_as_a_control_piece(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["madlad400"], tmp_path / "model")
    path = tmp_path / "model/spiece.model"
    messages: Any = sentencepiece_model_pb2
    model = messages.ModelProto.FromString(path.read_bytes())
    (tag,) = [index for index, piece in enumerate(model.pieces) if piece.piece == "<2de>"]
    model.pieces[tag].type = 3
    path.write_bytes(model.SerializeToString())
    teacher = load(tmp_path / "model")
    with seen_inputs(teacher) as (sources, _):
        teacher.translate(["stop"])
    assert sources == [[tag, *teacher.encode(["stop"])[0]]]


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"none is not a folder; give a folder with config.json, or a name on"):
        load(tmp_path / "none")


def test_a_tokenizer_that_cannot_be_loaded(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(checkpoints["m2m100"], tmp_path / "model")
    (tmp_path / "model/vocab.json").write_text("{")
    with pytest.raises(NmtDistillError, match=r"the tokenizer of .* cannot be loaded by transformers \d.*; fetch its"):
        load(tmp_path / "model")


def test_the_family_may_be_said(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    assert load(checkpoints["m2m100"], family="small100").graph.forced_ids == [2]
    shutil.copytree(checkpoints["mbart50"], tmp_path / "model")
    (tmp_path / "model/tokenizer_config.json").unlink()
    assert load(tmp_path / "model", family="mbart50").graph.forced_ids == load(checkpoints["mbart50"]).graph.forced_ids
