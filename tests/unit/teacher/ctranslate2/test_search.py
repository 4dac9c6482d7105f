from __future__ import annotations

import copy
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Candidate, Sampling
from nmt_distill.teacher.ctranslate2.folder import converted
from nmt_distill.teacher.ctranslate2.search import CTranslate2Search

START = END = 2
PAD, TAG, FIRST_SOURCE, FIRST_TARGET, VOCAB_SIZE, POSITIONS = 1, 5, 6, 22, 40, 48
LIMIT = 40
TRAINING_STEPS = 300
TIE = 1e-4
"""scores that are closer are the same but for rounding"""


@dataclass
class Toy:
    """A model trained for seconds on a language whose words have several translations, and sources for it."""

    model: Any
    folder: Path
    sources: list[list[int]]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Random weights will not do: a beam over a flat distribution says nothing about when a search should stop."""
    generator = random.Random()
    words = range(FIRST_SOURCE, FIRST_TARGET)
    lexicon = {word: [_draw(generator, FIRST_TARGET, VOCAB_SIZE, 1, 2) for _ in range(2)] for word in words}
    model = M2M100ForConditionalGeneration(_config())
    torch.manual_seed(generator.randrange(1 << 30))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(TRAINING_STEPS):
        length = generator.randint(2, 8)
        sources = [_draw(generator, FIRST_SOURCE, FIRST_TARGET, length, length) for _ in range(32)]
        targets = [[piece for word in row for piece in generator.choices(lexicon[word], [3, 1])[0]] for row in sources]
        target = _padded([[TAG, *row, END] for row in targets], -100)
        fed = torch.cat([torch.full((32, 1), START), target[:, :-1].clamp(min=0)], dim=1)
        source = torch.tensor([[*row, END] for row in sources])
        logits = model(input_ids=source, decoder_input_ids=fed).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=0.1)
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 30) * (1 - step / TRAINING_STEPS)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    folder = tmp_path_factory.mktemp("toy")
    model.save_pretrained(folder / "model")
    found = converted(folder / "model", folder / "cache", hashes=["toy"], start_id=START, end_id=END)
    assert found is not None
    sources = [[*_draw(generator, FIRST_SOURCE, FIRST_TARGET, 2, 9), END] for _ in range(100)]
    return Toy(model.eval(), found, sources)


def _config() -> M2M100Config:
    return M2M100Config(
        vocab_size=VOCAB_SIZE,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=POSITIONS,
        init_std=0.1,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=START,
    )


def _draw(generator: random.Random, first: int, stop: int, shortest: int, longest: int) -> list[int]:
    return [generator.randrange(first, stop) for _ in range(generator.randint(shortest, longest))]


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


@pytest.fixture(scope="module")
def engine(toy: Toy) -> CTranslate2Search:
    return CTranslate2Search(toy.folder, threads=2, batch_tokens=256)


@pytest.fixture(scope="module")
def search(toy: Toy, engine: CTranslate2Search) -> Callable[..., list[list[Candidate]]]:
    """Search with the toy's tag."""

    def run(sources: Sequence[Sequence[int]], **settings: Any) -> list[list[Candidate]]:
        settings = {"limits": [LIMIT] * len(sources), "target_prefix": [TAG]} | settings
        return engine.search(sources, **settings)

    return run


def generate(toy: Toy, beam_size: int) -> list[list[int]]:
    """Search with transformers; padding is ruled out, as it is in a teacher."""
    settings = {"early_stopping": False} if beam_size > 1 else {}
    source = _padded(toy.sources, PAD)
    with torch.inference_mode():
        found = toy.model.generate(
            input_ids=source,
            attention_mask=(source != PAD).long(),
            decoder_input_ids=torch.tensor([[START, TAG]] * len(source)),
            max_new_tokens=LIMIT,
            num_beams=beam_size,
            suppress_tokens=[PAD],
            **settings,
        )
    rows = found[:, 2:].tolist()
    return [row[: row.index(END) + 1] if END in row else row for row in rows]


def score(toy: Toy, source: Sequence[int], target: Sequence[int]) -> float:
    """Read a translation with transformers: mean log-probability of its tokens."""
    with torch.inference_mode():
        logits = (
            toy
            .model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[START, TAG, *target[:-1]]]))
            .logits[0, 1:]
            .clone()
        )
        logits[:, PAD] = -torch.inf
    return float(logits.log_softmax(dim=-1)[range(len(target)), list(target)].mean())


def in_order(candidates: Sequence[Candidate]) -> bool:
    """Tell whether the best come first, and what has no end last."""
    keys = [(ids[-1] != END, -value) for ids, value in candidates]
    return keys == sorted(keys)


def same(one: Sequence[Sequence[Candidate]], other: Sequence[Sequence[Candidate]]) -> bool:
    """Tell whether the scores agree; ids may differ where scores tie."""
    return all(
        abs(pair[1] - twin[1]) < TIE
        for found, twins in zip(one, other, strict=True)
        for pair, twin in zip(found, twins, strict=True)
    )


def test_greedy_ids_are_those_of_transformers(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    found = [candidates[0] for candidates in search(toy.sources)]
    assert [ids for ids, _ in found] == generate(toy, 1)
    expected = [score(toy, source, ids) for source, (ids, _) in zip(toy.sources, found, strict=True)]
    assert [value for _, value in found] == pytest.approx(expected, abs=TIE)


def test_the_best_of_a_beam_is_that_of_transformers(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    found = [candidates[0] for candidates in search(toy.sources, beam_size=5)]
    for source, (ids, value) in zip(toy.sources, found, strict=True):
        assert value == pytest.approx(score(toy, source, ids), abs=TIE)  # one model: a difference is one of search
    theirs = ended(generate(toy, 5))
    assert len(theirs) > 50
    assert sum(found[row][0] == other for row, other in theirs.items()) >= 0.95 * len(theirs)


def test_patience_only_finds_better_ones(
    toy: Toy, search: Callable[..., list[list[Candidate]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = [candidates[0][1] for candidates in search(toy.sources, beam_size=5)]
    monkeypatch.setattr("nmt_distill.teacher.ctranslate2.search.PATIENCE", 1.0)
    hasty = search(toy.sources, beam_size=5)
    for value, ((ids, at_once), *_) in zip(patient, hasty, strict=True):
        assert value >= at_once - TIE or ids[-1] != END  # what a limit cut may have scored better than what ended


def ended(translations: Sequence[list[int]]) -> dict[int, list[int]]:
    """Take those that transformers ended, by place: what a limit cut it ranks with the rest, and we put last."""
    return {row: ids for row, ids in enumerate(translations) if ids[-1] == END}


def test_candidates_differ_and_come_best_first(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    for source, candidates in zip(toy.sources, search(toy.sources, beam_size=4, num_candidates=4), strict=True):
        scores = [value for _, value in candidates]
        assert len({tuple(ids) for ids, _ in candidates}) == len(candidates) == 4
        assert in_order(candidates)
        assert scores == pytest.approx([score(toy, source, ids) for ids, _ in candidates], abs=TIE)


def test_neither_company_nor_batches_nor_threads_decide(
    toy: Toy, engine: CTranslate2Search, search: Callable[..., list[list[Candidate]]]
) -> None:
    sources = [*toy.sources, *toy.sources[:7]]
    found = search(sources, beam_size=3, num_candidates=2)
    assert same(found[100:], found[:7])
    assert same(search(sources[::-1], beam_size=3, num_candidates=2)[::-1], found)
    for threads, batch_tokens in ((1, 1), (3, 100_000)):
        other = CTranslate2Search(toy.folder, threads=threads, batch_tokens=batch_tokens)
        limits = [LIMIT] * len(sources)
        assert same(other.search(sources, limits=limits, target_prefix=[TAG], beam_size=3, num_candidates=2), found)
        assert other.fingerprint == engine.fingerprint


def test_batches_are_sorted_and_busy_all_workers(toy: Toy, engine: CTranslate2Search) -> None:
    batches = list(engine._batches(toy.sources, 2, 2))
    assert sorted(row for batch in batches for row in batch) == list(range(100))
    lengths = [[len(toy.sources[row]) for row in batch] for batch in batches]
    assert [length for batch in lengths for length in batch] == sorted(map(len, toy.sources), reverse=True)
    assert all(len(batch) * batch[0] <= 128 for batch in lengths)
    assert len(list(engine._batches(toy.sources[:8], 1, 2))) >= 2


def test_what_has_no_end_within_its_limit_is_cut(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    whole = search(toy.sources, beam_size=4, num_candidates=4)
    limits = [len(candidates[0][0]) - place % 2 for place, candidates in enumerate(whole)]
    limited = search(toy.sources, beam_size=4, num_candidates=4, limits=limits)
    for candidates, all_candidates, limit in zip(limited, whole, limits, strict=True):
        ended = [ids for ids, _ in all_candidates if len(ids) <= limit and ids[-1] == END]
        assert [ids for ids, _ in candidates][: len(ended)] == ended
        assert all(len(ids) <= limit for ids, _ in candidates)
        assert in_order(candidates)
    assert all(ids[-1] != END and len(ids) == 1 for [(ids, _)] in search(toy.sources[:5], limits=[1] * 5))


def test_a_search_ends_at_the_last_position(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    [[(ids, _)]] = search(toy.sources[:1], limits=[1000], target_prefix=[TAG] * 40)
    assert len(ids) <= POSITIONS - 40


def test_a_source_beyond_the_positions_is_refused(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    longest = [FIRST_SOURCE] * (POSITIONS - 1)
    assert len(search([[*longest, END]])) == 1
    with pytest.raises(NmtDistillError, match=r"sentence 2 of 2 has 49 source tokens .* 48 positions; lower distill"):
        search([toy.sources[0], [*longest, FIRST_SOURCE, END]])
    assert search([]) == []
    assert search([[]]) == [[]]


def test_samples_can_be_drawn_again(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    drawn = search(toy.sources, num_candidates=3, sampling=Sampling())
    assert drawn == search(toy.sources, num_candidates=3, sampling=Sampling())
    assert drawn != search(toy.sources, num_candidates=3, sampling=Sampling(seed=2))
    assert {len(candidates) for candidates in drawn} == {3}
    assert len({tuple(ids) for candidates in drawn for ids, _ in candidates}) > 150
    for source, candidates in zip(toy.sources[:20], drawn, strict=False):
        scores = [value for _, value in candidates]
        assert in_order(candidates)
        assert scores == pytest.approx([score(toy, source, ids) for ids, _ in candidates], abs=TIE)


@pytest.mark.parametrize(
    "sampling", [Sampling(top_k=1), Sampling(top_p=1e-6), Sampling(temperature=1e-4, top_k=10_000)], ids=repr
)
def test_samples_can_be_made_greedy(toy: Toy, search: Callable[..., list[list[Candidate]]], sampling: Sampling) -> None:
    for candidates, greedy in zip(search(toy.sources, sampling=sampling), search(toy.sources), strict=True):
        assert candidates[0][0] == greedy[0][0]
        assert candidates[0][1] == pytest.approx(greedy[0][1], abs=TIE)


def test_temperature_changes_the_draw_not_the_scores(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    hot, cold = (
        search(toy.sources, num_candidates=2, sampling=Sampling(temperature=temperature)) for temperature in (2.0, 0.5)
    )
    assert _mean(cold) > _mean(hot)
    ids, value = hot[0][0]
    assert value == pytest.approx(score(toy, toy.sources[0], ids), abs=TIE)


def _mean(found: list[list[Candidate]]) -> float:
    scores = [value for candidates in found for _, value in candidates]
    return sum(scores) / len(scores)


def test_a_closed_engine_opens_again(toy: Toy) -> None:
    engine = CTranslate2Search(toy.folder)
    found = engine.search(toy.sources[:5], limits=[LIMIT] * 5)
    engine.close()
    assert engine._engine is None
    assert same(engine.search(toy.sources[:5], limits=[LIMIT] * 5), found)


def test_length_penalty_favours_length(toy: Toy) -> None:
    def mean_length(penalty: float) -> float:
        engine = CTranslate2Search(toy.folder, length_penalty=penalty)
        found = engine.search(toy.sources, limits=[LIMIT] * 100, target_prefix=[TAG], beam_size=5)
        for source, [(ids, value)] in zip(toy.sources[:5], found, strict=False):
            assert value == pytest.approx(score(toy, source, ids), abs=TIE)
        return sum(len(ids) for [(ids, _)] in found) / 100

    assert mean_length(0.0) < mean_length(4.0)


def test_settings_that_do_not_fit_are_refused(toy: Toy, search: Callable[..., list[list[Candidate]]]) -> None:
    with pytest.raises(NmtDistillError, match=r"num_candidates must be at most beam_size \(2\), but is 3\."):
        search(toy.sources, num_candidates=3, beam_size=2)
    with pytest.raises(NmtDistillError, match="beam_size must be 1 where candidates are drawn by sampling, but is 2"):
        search(toy.sources, beam_size=2, sampling=Sampling())
    with pytest.raises(NmtDistillError, match=r"cannot be loaded by CTranslate2 .* on cpu in precision bogus \("):
        CTranslate2Search(toy.folder, compute_type="bogus")  # type: ignore[arg-type]
    with pytest.raises(
        NmtDistillError, match=r"CTranslate2 cannot translate with .*: The maximum decoding length must be > 0\."
    ):
        CTranslate2Search(toy.folder).search(toy.sources, limits=[0] * 100)


def test_precision_is_told(toy: Toy, engine: CTranslate2Search) -> None:
    assert engine.description.endswith(" in float32")
    assert engine.batch_rule == "256 padded source tokens, sorted by length, 2 batches at a time"
    small = CTranslate2Search(toy.folder, compute_type="int8")
    assert "int8" in small.description
    assert small.fingerprint != engine.fingerprint
    assert CTranslate2Search(toy.folder, length_penalty=0.5).fingerprint != engine.fingerprint


def test_weights_in_float16_run_everywhere_without_a_warning(
    toy: Toy, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy.deepcopy(toy.model).half().save_pretrained(tmp_path / "model")
    folder = converted(tmp_path / "model", tmp_path / "cache", hashes=["half"], start_id=START, end_id=END)
    assert folder is not None
    half = CTranslate2Search(folder)
    assert half.search(toy.sources[:1], limits=[LIMIT], sampling=Sampling())
    assert "[ctranslate2]" not in capfd.readouterr().err
    known = ctranslate2.get_supported_compute_types("cpu")
    assert half.description.endswith(" in float16") == ("float16" in known)


def test_the_engine_needs_no_torch() -> None:
    program = "import sys, nmt_distill.teacher.ctranslate2.teacher\n"
    program += "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.returncode) == ("[]", 0), result.stderr
