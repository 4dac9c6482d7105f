from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sentencepiece
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import EMBEDDINGS
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from tests.fairseq2.conftest import Toy, load, load_twin

if TYPE_CHECKING:
    from nmt_distill.teacher.fairseq2.teacher import Fairseq2Teacher

pytestmark = pytest.mark.fairseq2

SENTENCES = ["turn on the light in kitchen", "stop", "", "open the door please", "close the door please"]
HOSTILE = "</s> <pad> __deu_Latn__ deu_Latn <s> <unk> <MINED_DATA>"
TIE = 1e-4
"""nats; what is closer may be in either order on another machine"""


@pytest.fixture(scope="module")
def tokenizer(toy: Toy) -> Any:
    """fairseq2's own, loaded as fairseq2 does."""
    from nmt_distill.teacher.fairseq2.checkpoint import find_checkpoint

    return find_checkpoint(str(toy.fairseq2)).load_tokenizer()


@contextmanager
def end_logit(teacher: Fairseq2Teacher, value: float) -> Iterator[None]:
    """Set the logit of the end of sentence, after every prefix."""

    def change(_module: Any, _inputs: Any, logits: Tensor) -> Tensor:
        logits[..., teacher.end_id] = value
        return logits

    hook = teacher.graph.model.final_proj.register_forward_hook(change)
    try:
        yield
    finally:
        hook.remove()


def dense_log_probs(teacher: Fairseq2Teacher, tokenizer: Any, sentence: str, ids: list[int]) -> Any:
    """Return the log-probabilities (T, V) after each prefix, straight from fairseq2's tokenizer and model."""
    from fairseq2.nn import BatchLayout

    source = tokenizer.create_encoder(lang="eng_Latn", mode="source")(sentence)[None]
    start = tokenizer.create_encoder(lang="deu_Latn", mode="target").prefix_indices
    fed = torch.cat([start, torch.tensor(ids[:-1], dtype=torch.long)])[None]
    with torch.no_grad():
        logits = teacher.graph.model(source, BatchLayout.of(source), fed, BatchLayout.of(fed))
    return logits[0, 1:].log_softmax(dim=-1).double().numpy()


def test_it_is_a_teacher_that_can_be_looked_into(teacher: Fairseq2Teacher, toy: Toy) -> None:
    typed: Teacher = teacher
    assert isinstance(typed, WhiteBoxTeacher)
    assert (typed.origin, typed.licence) == ("trained by a test", "none")
    assert teacher.num_parameters == load_twin(toy).num_parameters
    assert teacher.engine.startswith("fairseq2 0.8")


def test_a_student_inherits_what_the_same_model_of_transformers_hands_down(teacher: Fairseq2Teacher, toy: Toy) -> None:
    twin = load_twin(toy)
    own, other = teacher.hand_down(), twin.hand_down()
    assert (own.graph, own.num_heads, own.model_dim) == (other.graph, other.num_heads, other.model_dim)
    assert sorted(own.parameters) == sorted(other.parameters)
    assert twin.vocabulary is not None
    for name, tensor in own.parameters.items():
        if name == EMBEDDINGS:  # ids differ, pieces do not
            pieces = [ids >= 0 for ids in (teacher.vocabulary.teacher_ids, twin.vocabulary.teacher_ids)]
            both = pieces[0] & pieces[1]
            rows = [vocabulary.teacher_ids[both] for vocabulary in (teacher.vocabulary, twin.vocabulary)]
            assert both.sum() > 100
            assert torch.equal(tensor[rows[0]], other.parameters[name][rows[1]])
        else:
            assert torch.equal(tensor, other.parameters[name]), name


def test_sources_are_those_of_its_own_tokenizer(teacher: Fairseq2Teacher, tokenizer: Any) -> None:
    encoder = tokenizer.create_encoder(lang="eng_Latn", mode="source")
    for sentence, ids in zip(SENTENCES, teacher.encode(SENTENCES), strict=True):
        assert encoder(sentence).tolist()[1:] == ids
    start = tokenizer.create_encoder(lang="deu_Latn", mode="target").prefix_indices
    assert teacher.graph.forced_ids == start.tolist()


def test_text_never_makes_a_special(teacher: Fairseq2Teacher, tokenizer: Any) -> None:
    (ids,) = teacher.encode([HOSTILE])
    info = tokenizer.vocab_info
    pieces = sentencepiece.SentencePieceProcessor(model_proto=teacher.vocabulary.model).vocab_size()
    assert set(ids[:-1]) & {info.pad_idx, info.bos_idx, info.eos_idx} == set()
    assert max(ids) <= pieces


def test_a_student_can_share_its_ids(teacher: Fairseq2Teacher) -> None:
    sentences = [*SENTENCES, HOSTILE, "日本 light"]
    assert teacher.vocabulary.encode(sentences) == teacher.encode(sentences)
    assert (teacher.vocabulary.end, teacher.vocabulary.num_ids) == (teacher.end_id, teacher.vocab_size)
    for (hypothesis,) in teacher.translate(SENTENCES):
        assert teacher.vocabulary.decode(hypothesis.token_ids.tolist()) == hypothesis.text


def test_text_is_decoded_without_tags_and_specials(teacher: Fairseq2Teacher, toy: Toy) -> None:
    assert teacher._text_ids.isdisjoint({0, 2, 3, *teacher.graph.forced_ids})
    for (hypothesis,) in teacher.translate(toy.sentences[:20]):
        assert hypothesis.text.replace(" ", "").isalpha()


def test_all_that_is_kept_is_the_dense_distribution(toy: Toy, tokenizer: Any) -> None:
    teacher = load(toy, batch_tokens=24)
    teacher.graph.model.double()  # where rounding is less than what is compared
    sources = teacher.encode(SENTENCES)
    targets = [[*ids[:-1][::-1], teacher.end_id] for ids in sources]
    output = teacher.teacher_output(sources, targets, num_kept=teacher.vocab_size, keep_states=True)
    dense = np.concatenate([
        dense_log_probs(teacher, tokenizer, *pair) for pair in zip(SENTENCES, targets, strict=True)
    ])
    found = np.zeros_like(output.probs)
    np.put_along_axis(found, output.token_ids, output.probs, axis=1)
    assert found == pytest.approx(np.exp(dense), abs=1e-6)
    assert (np.diff(output.probs, axis=1) <= 0).all()
    assert output.tail == pytest.approx(0, abs=1e-5)
    assert (output.probs[output.token_ids == 0] == 0).all()  # padding is never predicted
    assert output.states is not None
    logits = output.states.astype(np.float64) @ teacher.graph.model.final_proj.weight.detach().numpy().T
    logits[:, 0] = -np.inf
    kept = torch.from_numpy(logits).softmax(dim=-1).numpy()
    assert kept.max(axis=1) == pytest.approx(output.probs[:, 0], abs=0.02)  # states are kept in half precision


def test_kept_tokens_are_the_best_and_the_tail_is_the_rest(teacher: Fairseq2Teacher) -> None:
    sources = teacher.encode(SENTENCES)
    everything = teacher.teacher_output(sources, sources, num_kept=teacher.vocab_size, temperature=2.0)
    best = teacher.teacher_output(sources, sources, num_kept=5, temperature=2.0)
    assert best.probs == pytest.approx(everything.probs[:, :5], abs=1e-6)
    assert best.tail == pytest.approx(everything.probs[:, 5:].sum(axis=1), abs=1e-5)
    cold = teacher.teacher_output(sources, sources, num_kept=5)
    assert best.probs / best.probs[:, :1] == pytest.approx((cold.probs / cold.probs[:, :1]) ** 0.5, abs=1e-4)
    assert best.states is None


@pytest.mark.parametrize(("beam_size", "num_candidates"), [(1, 1), (4, 3)])
def test_hypotheses_are_what_they_say(
    teacher: Fairseq2Teacher, tokenizer: Any, toy: Toy, beam_size: int, num_candidates: int
) -> None:
    sentences = [*SENTENCES, *toy.sentences[:10]]
    found = teacher.translate(sentences, beam_size=beam_size, num_candidates=num_candidates)
    for sentence, hypotheses in zip(sentences, found, strict=True):
        assert len({tuple(each.token_ids) for each in hypotheses}) == len(hypotheses) == num_candidates
        keys = [(not each.finished, -each.score) for each in hypotheses]
        assert keys == sorted(keys)
        for each in hypotheses:
            ids = each.token_ids.tolist()
            log_probs = dense_log_probs(teacher, tokenizer, sentence, ids)
            assert each.score == pytest.approx(log_probs[range(len(ids)), ids].mean(), abs=TIE)
            assert each.finished == (ids[-1] == teacher.end_id) == (teacher.end_id in ids)
            if beam_size == 1:
                assert (log_probs[range(len(ids)), ids] >= log_probs.max(axis=1) - TIE).all()


def test_company_changes_nothing(toy: Toy) -> None:
    teacher, alone = load(toy), load(toy, batch_tokens=1)
    for each in (teacher, alone):
        each.graph.model.double()  # where rounding could not decide between two tokens
    sentences = [*SENTENCES, *toy.sentences[:30]]
    for beam_size, num_candidates in ((1, 1), (3, 2)):
        results = [
            each.translate(sentences, beam_size=beam_size, num_candidates=num_candidates) for each in (teacher, alone)
        ]
        for one, other in zip(*results, strict=True):
            assert [each.token_ids.tolist() for each in one] == [each.token_ids.tolist() for each in other]
            assert [each.score for each in one] == pytest.approx([each.score for each in other], abs=1e-5)
    sources = teacher.encode(sentences)
    outputs = [each.teacher_output(sources, sources, num_kept=4) for each in (teacher, alone)]
    assert outputs[0].probs == pytest.approx(outputs[1].probs, abs=1e-6)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_sentence_is_finished_or_cut(toy: Toy, beam_size: int) -> None:
    teacher = load(toy, max_length_factor=2.0)
    sentences = [*SENTENCES, " ".join(toy.sentences[:3])]
    with end_logit(teacher, 1e4):
        for hypothesis, *_ in teacher.translate(sentences, beam_size=beam_size):
            assert (hypothesis.token_ids.tolist(), hypothesis.finished, hypothesis.text) == ([teacher.end_id], True, "")
            assert hypothesis.score == pytest.approx(0, abs=1e-6)
    room = 64 - 3  # positions, without the two forced tokens and the end that fairseq2 forces at the last
    limits = [min(max(16, 2 * len(ids)), room) for ids in teacher.encode(sentences)]
    with end_logit(teacher, -1e4):
        found = [hypothesis for hypothesis, *_ in teacher.translate(sentences, beam_size=beam_size)]
    assert [len(hypothesis.token_ids) for hypothesis in found] == limits
    assert not any(hypothesis.finished or teacher.end_id in hypothesis.token_ids for hypothesis in found)
    assert all(hypothesis.score > -20 for hypothesis in found)  # that of an end nobody wanted is not in it


def test_a_length_penalty_chooses(toy: Toy) -> None:
    lengths = []
    for penalty in (0.0, 4.0):
        found = load(toy, length_penalty=penalty).translate(toy.sentences, beam_size=4, num_candidates=4)
        for hypotheses in found:
            ranks = [each.score * len(each.token_ids) ** (1 - penalty) for each in hypotheses if each.finished]
            assert all(better >= worse for better, worse in pairwise(ranks))
        lengths.append(sum(len(hypotheses[0].token_ids) for hypotheses in found))
    assert lengths[0] < lengths[1]


def test_samples_can_be_drawn_again(teacher: Fairseq2Teacher, tokenizer: Any) -> None:
    def draw(seed: int, **settings: Any) -> Any:
        drawn = teacher.translate(SENTENCES, num_candidates=3, sampling=Sampling(seed=seed, **settings))
        assert {len(hypotheses) for hypotheses in drawn} == {3}
        return drawn

    def ids(drawn: Any) -> list[list[list[int]]]:
        return [[each.token_ids.tolist() for each in hypotheses] for hypotheses in drawn]

    first = draw(1)
    torch.rand(3)
    assert ids(draw(1)) == ids(first)
    assert ids(draw(2)) != ids(first)
    assert ids(draw(1, temperature=0.3)) != ids(first)
    for sentence, hypotheses in zip(SENTENCES, draw(3, temperature=1.5, top_k=20, top_p=0.9), strict=True):
        for each in hypotheses:
            chosen = each.token_ids.tolist()
            log_probs = dense_log_probs(teacher, tokenizer, sentence, chosen)
            own = log_probs[range(len(chosen)), chosen]
            assert each.score == pytest.approx(own.mean(), abs=TIE)  # that of the untouched distribution
            assert (np.sum(log_probs > own[:, None] + TIE, axis=1) < 20).all()


def test_drawing_from_one_token_is_greedy(toy: Toy) -> None:
    teacher = load(toy)
    teacher.graph.model.double()
    greedy = [hypothesis.token_ids.tolist() for (hypothesis,) in teacher.translate(SENTENCES)]
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-6)):
        drawn = teacher.translate(SENTENCES, sampling=sampling)
        assert [hypothesis.token_ids.tolist() for (hypothesis,) in drawn] == greedy


def test_sources_beyond_the_positions_are_refused(teacher: Fairseq2Teacher) -> None:
    longest = teacher.max_source_tokens
    assert longest == 64 - 1
    piece = teacher.encode(["stop"])[0][0]
    fitting = [*[piece] * (longest - 1), teacher.end_id]
    assert teacher.teacher_output([fitting], [fitting], num_kept=1).probs.shape == (longest, 1)
    with pytest.raises(NmtDistillError, match=r"sentence 2 of 2 has 64 source tokens, but .* takes 63 at most; set "):
        teacher.teacher_output([fitting, [piece, *fitting]], [fitting, fitting], num_kept=1)
    with pytest.raises(NmtDistillError, match=r"a target has 65 tokens with its tag, but .* has 64 positions\."):
        teacher.teacher_output([fitting], [[piece, *fitting]], num_kept=1)
    with pytest.raises(NmtDistillError, match=r"sentence 1 of 1 has \d+ source tokens, but "):
        teacher.translate(["the light " * 80])


def test_requests_that_cannot_be(teacher: Fairseq2Teacher) -> None:
    with pytest.raises(NmtDistillError, match=r"num_candidates must be at most beam_size \(2\), but is 3"):
        teacher.translate(SENTENCES, num_candidates=3, beam_size=2)
    with pytest.raises(NmtDistillError, match="beam_size must be 1 where candidates are drawn by sampling, but is 2"):
        teacher.translate(SENTENCES, beam_size=2, sampling=Sampling())
    with pytest.raises(NmtDistillError, match="num_kept must be at most the teacher's 400 ids, but is 401 instead"):
        teacher.teacher_output([[5]], [[5]], num_kept=401)
    assert teacher.translate([]) == []


@pytest.mark.parametrize("request_", [{}, {"beam_size": 2}, {"sampling": Sampling()}], ids=str)
def test_probabilities_that_are_no_numbers(toy: Toy, request_: dict[str, Any]) -> None:
    teacher = load(toy)
    with (
        end_logit(teacher, np.nan),
        pytest.raises(NmtDistillError, match=r"no numbers; set teacher\.precision="),
    ):
        teacher.translate(SENTENCES, **request_)


def test_fingerprints_name_weights_tags_and_decoding(teacher: Fairseq2Teacher, toy: Toy) -> None:
    assert load(toy, batch_tokens=64).fingerprint == teacher.fingerprint
    others = [
        load(toy, direction=Direction(source="en", target="fr")),
        load(toy, max_length_factor=2.0),
        load(toy, length_penalty=0.6),
        load(toy, dtype="bfloat16"),
    ]
    assert len({teacher.fingerprint, *(other.fingerprint for other in others)}) == 5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_nearly_the_same(teacher: Fairseq2Teacher, toy: Toy, dtype: Any) -> None:
    half = load(toy, dtype=dtype)
    assert half.graph.model.final_proj.weight.dtype == getattr(torch, dtype)
    assert dtype in half.engine
    sources = teacher.encode(toy.sentences[:20])
    outputs = [each.teacher_output(sources, sources, num_kept=400, keep_states=True) for each in (teacher, half)]
    probs = [np.take_along_axis(output.probs, output.token_ids.argsort(axis=1), axis=1) for output in outputs]
    assert np.abs(probs[0] - probs[1]).sum(axis=1).mean() < 0.3
    assert half.translate(SENTENCES[:1], beam_size=2)[0][0].score < 0
