from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.mining import aligned_margins, mine
from nmt_distill.errors import NmtDistillError


@pytest.fixture(scope="module")
def encoder(toy_encoder: Path) -> SentenceEncoder:
    return SentenceEncoder(toy_encoder, threads=1)


def test_a_text_finds_itself(encoder: SentenceEncoder, toy_sentences: list[str]) -> None:
    lines = list(dict.fromkeys(toy_sentences))[:60]
    pairs = mine(lines[:40], [*lines[30:], lines[35]], encoder, min_margin=0.0)
    found = {(pair.source, pair.target) for pair in pairs}
    assert {(line, line) for line in lines[30:40]} <= found
    assert len({pair.source for pair in pairs}) == len({pair.target for pair in pairs}) == len(pairs), "each once"
    assert len(pairs) <= 30
    assert [pair.margin for pair in pairs] == sorted((pair.margin for pair in pairs), reverse=True)
    least = pairs[4].margin
    assert len(mine(lines[:40], lines[30:], encoder, min_margin=least)) <= 6


def test_aligned_pairs_are_judged_in_their_order(encoder: SentenceEncoder, toy_sentences: list[str]) -> None:
    lines = list(dict.fromkeys(toy_sentences))[:50]
    targets = [*lines[:40], *reversed(lines[40:])]
    pairs = aligned_margins(lines, targets, encoder)
    assert [(pair.source, pair.target) for pair in pairs] == list(zip(lines, targets, strict=True))
    good, bad = [pair.margin for pair in pairs[:40]], [pair.margin for pair in pairs[40:]]
    assert sum(good) / 40 > sum(bad) / 10


def test_sentences_that_the_model_cannot_read_are_left_out(
    encoder: SentenceEncoder, toy_sentences: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = list(dict.fromkeys(toy_sentences))[:20]
    pairs = mine(["\u200b", *lines], ["\u200b\u200b", "\u200b", *lines], encoder, min_margin=0.0)
    assert {pair.source for pair in pairs} <= set(lines)
    assert {pair.target for pair in pairs} <= set(lines)
    told = capsys.readouterr().err
    assert "1 sentence left out, of which the model's vocabulary has no piece" in told
    assert "2 sentences left out" in told


def test_texts_of_other_lengths_are_not_aligned(encoder: SentenceEncoder) -> None:
    with pytest.raises(NmtDistillError, match=r"must have as many lines, but have 1 and 2; without --aligned"):
        aligned_margins(["a"], ["b", "c"], encoder)


def test_nothing_to_mine_is_told(encoder: SentenceEncoder) -> None:
    with pytest.raises(NmtDistillError, match=r"a file is empty"):
        mine([], ["b"], encoder)
    with pytest.raises(NmtDistillError, match=r"there is no pair of them"):
        aligned_margins(["a", ""], [" ", "b"], encoder)


def test_empty_lines_are_no_sentences(encoder: SentenceEncoder, toy_sentences: list[str]) -> None:
    lines = list(dict.fromkeys(toy_sentences))[:20]
    with_empty = ["", *lines[:10], " \r", *lines[10:]]
    assert mine(with_empty, lines, encoder, min_margin=0.0) == mine(lines, lines, encoder, min_margin=0.0)
    assert aligned_margins([*lines, "", "a"], [*lines, "b", ""], encoder) == aligned_margins(lines, lines, encoder)
