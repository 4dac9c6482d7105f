"""One checkpoint in three engines: transformers, CTranslate2 through its converter, fairseq2 through ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from nmt_distill.teacher.base import Hypothesis, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.fairseq2.folder import read_fairseq2
from tests.fairseq2.conftest import Toy, load, load_twin

pytestmark = pytest.mark.fairseq2

NEAR = 1e-4
"""nats a token; what differs by less is the same model in float32"""
BEAMS = [1, 4, 5]


@pytest.fixture(scope="module")
def engines(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, WhiteBoxTeacher]:
    """The toy in each engine; CTranslate2 searches, and transformers reads for it."""
    copies = tmp_path_factory.mktemp("copies")
    return {
        "fairseq2": load(toy),
        "transformers": load_twin(toy),
        "ctranslate2": load_twin(toy, converted_copies=copies),
    }


@pytest.fixture(scope="module")
def theirs(toy: Toy) -> dict[int, int]:
    """transformers' id for each of fairseq2's, by the names of the tokens."""
    ids = AutoTokenizer.from_pretrained(toy.transformers).get_vocab()
    return {place: ids[token] for place, token in enumerate(read_fairseq2(toy.fairseq2).tokens)}


@pytest.fixture(scope="module")
def found(toy: Toy, engines: dict[str, WhiteBoxTeacher]) -> dict[tuple[str, int], list[Hypothesis]]:
    """The best translation of each sentence by each engine and beam."""
    return {
        (name, beam_size): [candidates[0] for candidates in engine.translate(toy.sentences, beam_size=beam_size)]
        for name, engine in engines.items()
        for beam_size in BEAMS
    }


def read(teacher: WhiteBoxTeacher, sentences: list[str], targets: list[list[int]]) -> list[float]:
    """Return the mean log-probability of each target's tokens, by a teacher-forced pass over all probabilities."""
    output = teacher.teacher_output(teacher.encode(sentences), targets, num_kept=teacher.vocab_size)
    chosen = np.concatenate([np.array(target) for target in targets])
    log_probs = np.log(output.probs[output.token_ids == chosen[:, None]].astype(np.float64))
    ends = np.cumsum([len(target) for target in targets])[:-1]
    return [float(part.mean()) for part in np.split(log_probs, ends)]


def test_all_sources_have_the_same_ids(toy: Toy, engines: dict[str, WhiteBoxTeacher], theirs: dict[int, int]) -> None:
    sentences = [*toy.sentences, "", "日本 the 光", "</s> <pad> __deu_Latn__ deu_Latn <s> <unk> <MINED_DATA>"]
    own = engines["fairseq2"].encode(sentences)
    assert [[theirs[token] for token in ids] for ids in own] == engines["transformers"].encode(sentences)


def test_log_probabilities_agree(toy: Toy, engines: dict[str, WhiteBoxTeacher], theirs: dict[int, int]) -> None:
    """Of every token after every prefix, down to one in a million."""
    own, twin = engines["fairseq2"], engines["transformers"]
    sources = own.encode(toy.sentences)
    targets = sources[1:] + sources[:1]
    outputs = [
        own.teacher_output(sources, targets, num_kept=own.vocab_size, keep_states=True),
        twin.teacher_output(
            *([[theirs[token] for token in ids] for ids in rows] for rows in (sources, targets)),
            num_kept=twin.vocab_size,
            keep_states=True,
        ),
    ]
    places = list(theirs)
    log_probs = []
    for output, ids in zip(outputs, (places, [theirs[place] for place in places]), strict=True):
        by_id = np.take_along_axis(output.probs, output.token_ids.argsort(axis=1), axis=1)
        log_probs.append(np.log(by_id[:, ids].clip(1e-6)))
    largest = np.abs(log_probs[0] - log_probs[1]).max()
    print(f"log-probabilities after {len(log_probs[0]):,} prefixes: {largest:.1e} at most")
    assert largest <= NEAR
    assert outputs[0].states == pytest.approx(outputs[1].states, abs=0.01)  # in half precision


def test_greedy_ids_are_the_same(found: dict[tuple[str, int], list[Hypothesis]], theirs: dict[int, int]) -> None:
    own = [[theirs[token] for token in hypothesis.token_ids.tolist()] for hypothesis in found["fairseq2", 1]]
    for name in ("transformers", "ctranslate2"):
        assert own == [hypothesis.token_ids.tolist() for hypothesis in found[name, 1]]
        assert [one.text for one in found["fairseq2", 1]] == [one.text for one in found[name, 1]]


@pytest.mark.parametrize("beam_size", BEAMS[1:])
@pytest.mark.parametrize("name", ["transformers", "ctranslate2"])
def test_the_best_of_a_beam_is_the_same_and_what_differs_is_search(
    toy: Toy,
    engines: dict[str, WhiteBoxTeacher],
    found: dict[tuple[str, int], list[Hypothesis]],
    theirs: dict[int, int],
    name: str,
    beam_size: int,
) -> None:
    own, other = found["fairseq2", beam_size], found[name, beam_size]
    ours = {number: place for place, number in theirs.items()}
    renamed = [[theirs[token] for token in hypothesis.token_ids.tolist()] for hypothesis in own]
    equal = [ids == hypothesis.token_ids.tolist() for ids, hypothesis in zip(renamed, other, strict=True)]
    print(f"best of beam {beam_size} in fairseq2 and {name}: {sum(equal)} of {len(equal)} are the same")
    assert sum(equal) >= 0.95 * len(equal)
    # each engine's hypothesis has one score: told by its search, read by fairseq2 and read by transformers
    for hypotheses in (own, other):
        is_own = hypotheses is own
        targets = [
            hypothesis.token_ids.tolist() if is_own else [ours[token] for token in hypothesis.token_ids.tolist()]
            for hypothesis in hypotheses
        ]
        by_fairseq2 = read(engines["fairseq2"], toy.sentences, targets)
        by_transformers = read(
            engines["transformers"], toy.sentences, [[theirs[token] for token in ids] for ids in targets]
        )
        told = [hypothesis.score for hypothesis in hypotheses]
        assert by_fairseq2 == pytest.approx(by_transformers, abs=NEAR)
        assert by_fairseq2 == pytest.approx(told, abs=NEAR)


def test_patience_only_finds_better_ones(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(patience: float) -> list[float]:
        monkeypatch.setattr("nmt_distill.teacher.fairseq2.search.PATIENCE", patience)
        return [candidates[0].score for candidates in load(toy).translate(toy.sentences, beam_size=4)]

    hasty, patient = scores(1.0), scores(3.0)
    assert all(better >= worse - NEAR for better, worse in zip(patient, hasty, strict=True))


def test_what_comes_back_from_fairseq2_is_the_same_model(
    toy: Toy, engines: dict[str, WhiteBoxTeacher], tmp_path: Path
) -> None:
    from nmt_distill.teacher.transformers.teacher import TransformersTeacher
    from tests.fairseq2.conftest import FACTS

    read_fairseq2(toy.fairseq2).save_transformers(tmp_path / "back")
    back: Teacher = TransformersTeacher(str(tmp_path / "back"), **FACTS)
    for beam_size in (1, 4):
        one, other = (
            engine.translate(toy.sentences[:50], beam_size=beam_size) for engine in (engines["transformers"], back)
        )
        assert [each.text for (each, *_) in one] == [each.text for (each, *_) in other]
