from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary import training
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.training import drawn, train_sentencepiece


@pytest.fixture(scope="module")
def lines() -> list[str]:
    syllables = ["ba", "ke", "lo", "mi", "nu", "pra", "sto", "ção", "ei", "ver", "dor", "gli"]
    words = ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(80)] + [
        "{name}",
        "%s",
        "<b>",
        "1984",
        "1984",
    ]
    return [" ".join(random.choices(words, k=random.randint(2, 9))) for _ in range(400)]


def test_special_pieces_stand_where_both_graphs_need_them(lines: list[str], tmp_path: Path) -> None:
    assert train_sentencepiece(lines, tmp_path / "a.spm", size=296) == 400
    plain = load_sentencepiece(tmp_path / "a.spm")
    assert (plain.eos_id(), plain.unk_id(), plain.pad_id(), plain.vocab_size()) == (0, 1, -1, 296)
    train_sentencepiece(lines, tmp_path / "b.spm", size=296, has_padding=True)
    padded = load_sentencepiece(tmp_path / "b.spm")
    assert (padded.eos_id(), padded.pad_id(), padded.unk_id()) == (0, 1, 2)
    assert padded.id_to_piece(1) == "<pad>"


def test_any_text_comes_back_and_makes_no_tag(lines: list[str], tmp_path: Path) -> None:
    train_sentencepiece([*lines, "\0"], tmp_path / "a.spm", size=296, tags=[">>de<<", ">>pt-BR<<"])
    model = load_sentencepiece(tmp_path / "a.spm")
    tags = [model.piece_to_id(tag) for tag in (">>de<<", ">>pt-BR<<")]
    assert all(model.is_control(tag) for tag in tags)
    for text in ("{name} 42 <b>", ">>de<< bake", "</s> open", "日本語 🙂", "the year 1984"):
        ids = model.encode(text)
        assert model.decode(ids) == text
        assert not {*ids} & {*tags, model.eos_id(), model.unk_id()}
    assert [piece for piece in model.encode("1984", out_type=str) if len(piece.lstrip("▁")) > 1] == []


@pytest.mark.parametrize(
    ("size", "said"), [(4000, "lines of text can be at most"), (264, "the characters of the text take")]
)
def test_size_that_cannot_be_is_told_with_one_that_can(lines: list[str], tmp_path: Path, size: int, said: str) -> None:
    with pytest.raises(NmtDistillError, match=said) as told:
        train_sentencepiece(lines, tmp_path / "a.spm", size=size)
    advised = int(re.findall(r"\d+", str(told.value).replace(",", ""))[-1])
    assert list(tmp_path.iterdir()) == []
    train_sentencepiece(lines, tmp_path / "a.spm", size=advised)
    assert load_sentencepiece(tmp_path / "a.spm").vocab_size() == advised


def test_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match="there is no text to train"):
        train_sentencepiece([], tmp_path / "a.spm", size=296)


def test_same_text_gives_the_same_bytes(lines: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_sentencepiece(lines, tmp_path / name, size=296)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_many_lines_are_drawn_from_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MAX_SENTENCES", 200)
    lines = [f"{number}" for number in range(800)]
    found = [int(line) for line in drawn(lines, 800)]
    assert found == [int(line) for line in drawn(lines, 800)] == sorted(found)
    assert 150 < len(found) < 250
    quarters, sides = Counter(number // 200 for number in found), Counter(number % 2 for number in found)
    assert min(quarters.values()) > 25
    assert min(sides.values()) > 60, "sources and translations stand in turn"
    assert list(drawn(lines[:200], 200)) == lines[:200]
