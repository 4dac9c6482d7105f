"""Several models of transformers as one teacher: the mean of their probabilities, told from each model alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from nmt_distill.configuration import load_dataclass
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import TeacherOutput
from nmt_distill.teacher.config import TransformersTeacherConfig
from nmt_distill.teacher.ctranslate2.teacher import agreement
from nmt_distill.teacher.loading import fetch_teacher, load_teacher, local_files
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from tests.transformers_teachers import SENTENCES, load

Ids = Sequence[Sequence[int]]


@pytest.fixture(params=["m2m100", "marian", "t5"])
def folders(checkpoints: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Two models of one vocabulary with other weights; the first is in a folder by the name of its family."""
    first = checkpoints[request.param]
    second = tmp_path / "second"
    shutil.copytree(first, second)
    model = AutoModelForSeq2SeqLM.from_pretrained(second)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed_positions" not in name:
                parameter += 0.2 * parameter.std() * torch.randn_like(parameter)
    model.save_pretrained(second)
    return first, second


def settings_of(folder: Path) -> dict[str, str]:
    return {"family": "t5", "prefix": ""} if folder.name == "t5" else {}


def read(teacher: TransformersTeacher, source_ids: Ids, target_ids: Ids) -> TeacherOutput:
    return teacher.teacher_output(source_ids, target_ids, num_kept=teacher.vocab_size, keep_states=True)


def dense(output: TeacherOutput) -> npt.NDArray[np.float64]:
    probs = np.zeros(output.probs.shape)
    np.put_along_axis(probs, output.token_ids, output.probs.astype(np.float64), axis=1)
    return probs


def pairs_of(teacher: TransformersTeacher) -> tuple[Ids, Ids]:
    """Make targets of the sources' own ids, which no model finds probable."""
    source_ids = teacher.encode(SENTENCES)
    return source_ids, [[*ids[-2::-1], teacher.end_id] for ids in source_ids]


def test_probabilities_are_the_mean_and_states_the_first_models(folders: tuple[Path, Path]) -> None:
    first, second = folders
    settings = settings_of(first)
    one, other = load(first, **settings), load(second, **settings)
    both = load(first, ensemble=[str(second)], **settings)
    source_ids, target_ids = pairs_of(one)
    outputs = [read(teacher, source_ids, target_ids) for teacher in (one, other, both)]
    assert np.abs(dense(outputs[0]) - dense(outputs[1])).max() > 0.01
    assert dense(outputs[2]) == pytest.approx((dense(outputs[0]) + dense(outputs[1])) / 2, abs=1e-6)
    assert outputs[2].states is not None
    assert outputs[0].states is not None
    assert np.array_equal(outputs[2].states, outputs[0].states)
    forced = [teacher.forced_pass(source_ids, target_ids) for teacher in (one, other, both)]
    logits = [each.logits(slice(1, 4)).softmax(dim=-1) for each in forced]
    torch.testing.assert_close(logits[2], (logits[0] + logits[1]) / 2, atol=1e-6, rtol=0)
    assert torch.equal(forced[2].encoder[-1], forced[0].encoder[-1])
    assert both.num_parameters == one.num_parameters + other.num_parameters
    assert both.fingerprint not in (one.fingerprint, other.fingerprint)


def test_translations_are_the_first_models_in_the_order_of_all(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = folders
    for copies in (None, tmp_path / "copies"):
        settings = {**settings_of(first), "converted_copies": copies}
        one, both = (load(first, ensemble=ensemble, **settings) for ensemble in ([], [str(second)]))
        found, scored = (teacher.translate(SENTENCES, num_candidates=4, beam_size=4) for teacher in (one, both))
        for before, after in zip(found, scored, strict=True):
            assert sorted(hypothesis.text for hypothesis in after) == sorted(hypothesis.text for hypothesis in before)
            ranks = [(not hypothesis.finished, -hypothesis.score) for hypothesis in after]
            assert ranks == sorted(ranks)
        texts, hypotheses = [], []
        for sentence, candidates in zip(SENTENCES, scored, strict=True):
            texts += [sentence] * len(candidates)
            hypotheses += candidates
        target_ids = [hypothesis.token_ids.tolist() for hypothesis in hypotheses]
        rows = iter(dense(read(both, both.encode(texts), target_ids)))
        for hypothesis in hypotheses:
            chosen = [np.log(next(rows)[token]) for token in hypothesis.token_ids]
            assert hypothesis.score == pytest.approx(np.mean(chosen), abs=1e-4)
        assert agreement(both.first, SENTENCES) == 1, "the copy is compared with the model that it is a copy of"
        both.close()


def test_config_names_the_models_and_their_files(folders: tuple[Path, Path]) -> None:
    first, second = folders
    given = {"name": str(first), "engine": "transformers", "origin": "a test", "licence": "none", **settings_of(first)}
    alone = load_dataclass(TransformersTeacherConfig, given, where="test")
    both = replace(alone, ensemble=(str(second),))
    direction = Direction(source="en", target="de")
    teachers = [load_teacher(config, direction=direction, device="cpu") for config in (alone, both)]
    assert teachers[0].fingerprint != teachers[1].fingerprint
    for files in (fetch_teacher(both), local_files(both)):
        assert {path.parent for path in files} == {first, second}
    with pytest.raises(NmtDistillError, match=r"^teacher\.ensemble: a/model is not a folder"):
        fetch_teacher(replace(alone, ensemble=("a/model",)))


def test_models_that_have_no_mean(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    first = checkpoints["m2m100"]
    with pytest.raises(NmtDistillError, match=r"^teacher\.ensemble: .*nllb has another vocabulary than the first"):
        load(first, ensemble=[str(checkpoints["nllb"])])
    with pytest.raises(NmtDistillError, match=r"^teacher\.ensemble: a/model is not a folder; give folders of models"):
        load(first, ensemble=["a/model"])
    shutil.copytree(first, tmp_path / "short")
    config = json.loads((first / "config.json").read_text())
    (tmp_path / "short" / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 20}))
    with pytest.raises(NmtDistillError, match="short has 20 positions, fewer than the first model; name it first"):
        load(first, ensemble=[str(tmp_path / "short")])
