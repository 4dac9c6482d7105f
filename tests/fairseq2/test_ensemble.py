"""Several models of fairseq2 as one teacher: the mean of their probabilities, told from each model alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from nmt_distill.configuration import load_dataclass
from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.config import Fairseq2TeacherConfig
from nmt_distill.teacher.loading import fetch_teacher, identify_teacher, load_teacher, local_files
from tests.fairseq2.conftest import FACTS, Toy, load

if TYPE_CHECKING:
    from nmt_distill.teacher.fairseq2.teacher import Fairseq2Teacher

pytestmark = pytest.mark.fairseq2


@pytest.fixture(scope="module")
def second(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy with other weights, in a folder of fairseq2."""
    from safetensors.torch import load_file, save_file

    from nmt_distill.teacher.fairseq2.folder import read_transformers

    changed = tmp_path_factory.mktemp("second")
    shutil.copytree(toy.transformers, changed / "transformers")
    weights = load_file(changed / "transformers" / "model.safetensors")
    for tensor in weights.values():
        if tensor.ndim == 2:
            tensor += 0.1 * tensor.std() * torch.randn_like(tensor)
    save_file(weights, changed / "transformers" / "model.safetensors", metadata={"format": "pt"})
    read_transformers(str(changed / "transformers")).save_fairseq2(changed / "fairseq2", name="second")
    return changed / "fairseq2"


def dense(teacher: Fairseq2Teacher, sources: list[str], targets: list[list[int]]) -> tuple[Any, Any]:
    """Return all probabilities (rows, V) in the order of ids, and the states (rows, D)."""
    output = teacher.teacher_output(teacher.encode(sources), targets, num_kept=teacher.vocab_size, keep_states=True)
    probs = np.zeros(output.probs.shape)
    np.put_along_axis(probs, output.token_ids, output.probs.astype(np.float64), axis=1)
    return probs, output.states


def test_probabilities_are_the_mean_and_states_the_first_models(toy: Toy, second: Path) -> None:
    one, both = load(toy), load(toy, ensemble=[str(second)])
    other = load(Toy(toy.transformers, second, toy.sentences, toy.language))
    sources = toy.sentences[:20]
    targets = [[*ids[-2::-1], one.end_id] for ids in one.encode(sources)]
    (first, states), (further, _), (mean, kept) = (dense(each, sources, targets) for each in (one, other, both))
    assert np.abs(first - further).max() > 0.01
    assert mean == pytest.approx((first + further) / 2, abs=1e-6)
    assert np.array_equal(kept, states)
    assert both.num_parameters == one.num_parameters + other.num_parameters
    assert len({each.fingerprint for each in (one, other, both)}) == 3
    assert both.engine == f"{one.engine}, scored by 2 models"


@pytest.mark.parametrize("length_penalty", [1.0, 0.0])
def test_translations_are_the_first_models_in_the_order_of_all(toy: Toy, second: Path, length_penalty: float) -> None:
    one, both = (load(toy, ensemble=ensemble, length_penalty=length_penalty) for ensemble in ([], [str(second)]))
    sources = toy.sentences[:20]
    found, scored = (teacher.translate(sources, num_candidates=4, beam_size=4) for teacher in (one, both))
    for source, before, after in zip(sources, found, scored, strict=True):
        assert sorted(hypothesis.text for hypothesis in after) == sorted(hypothesis.text for hypothesis in before)
        ranks = [(not each.finished, -each.score * len(each.token_ids) ** (1 - length_penalty)) for each in after]
        assert ranks == sorted(ranks)
        for hypothesis in after:
            probs, _ = dense(both, [source], [hypothesis.token_ids.tolist()])
            chosen = np.log(probs[np.arange(len(probs)), hypothesis.token_ids])
            assert hypothesis.score == pytest.approx(chosen.mean(), abs=1e-4)


def test_config_names_the_models_and_their_files(toy: Toy, second: Path) -> None:
    given = {"name": str(toy.fairseq2), "origin": "a test", "licence": "none"}
    alone, both = (
        load_dataclass(Fairseq2TeacherConfig, given | more, where="test") for more in ({}, {"ensemble": [str(second)]})
    )
    teachers = [load_teacher(config, direction=FACTS["direction"], device="cpu") for config in (alone, both)]
    assert teachers[0].fingerprint != teachers[1].fingerprint
    for files in (fetch_teacher(both), local_files(both)):
        assert {path.parent for path in files} == {toy.fairseq2, second}
    assert len(identify_teacher(both)["checkpoint"]) == 2 * len(identify_teacher(alone)["checkpoint"])


def test_models_that_have_no_mean(toy: Toy, second: Path, tmp_path: Path) -> None:
    def changed(name: str, old: str, new: str) -> str:
        shutil.copytree(second, tmp_path / name)
        card = tmp_path / name / "model.yaml"
        assert old in card.read_text()
        card.write_text(card.read_text().replace(old, new))
        return str(tmp_path / name)

    with pytest.raises(NmtDistillError, match=r"^teacher\.ensemble: .*other has another vocabulary than the first"):
        load(toy, ensemble=[changed("other", "fra_Latn", "nld_Latn")])
    with pytest.raises(NmtDistillError, match=r"short has 20 positions, fewer than the first model; name it first"):
        load(toy, ensemble=[changed("short", "max_seq_len: 64", "max_seq_len: 20")])
    with pytest.raises(NmtDistillError, match=r"^teacher\.ensemble is a/model, but must be an asset"):
        load(toy, ensemble=["a/model"])
