"""Held-out text: what is drawn, what it keeps out of training, and the check of written files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nmt_distill.corpus.split import Candidates, HeldOut, SplitConfig, check_decontamination
from nmt_distill.corpus.text import split_key
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from tests.faults import faulty_keys

PAIRS = [(f"word {'x' * idx} here", f"Wort {'y' * idx} hier") for idx in range(400)]


def draw(config: SplitConfig, pairs: list[tuple[str, str]], seed: int = 1) -> tuple[list[tuple[str, ...]], ...]:
    candidates = Candidates(config, seed)
    for source, target in pairs:
        candidates.offer(split_key(source), source, target)
    return candidates.draw()


def test_the_draw_depends_on_the_seed_alone() -> None:
    config = SplitConfig(num_dev=20, num_test=30)
    dev, test = draw(config, PAIRS)
    assert (len(dev), len(test)) == (20, 30)
    assert not set(dev) & set(test)
    shuffled = list(PAIRS)
    random.Random(0).shuffle(shuffled)
    assert draw(config, shuffled) == (dev, test)
    assert draw(config, PAIRS, seed=2) != (dev, test)


def test_test_text_stays_when_dev_grows() -> None:
    _, small = draw(SplitConfig(num_dev=5, num_test=30), PAIRS)
    _, large = draw(SplitConfig(num_dev=60, num_test=30), PAIRS)
    assert small == large


def test_no_two_held_out_pairs_share_a_key_on_either_side() -> None:
    pairs = [(f"{chr(97 + idx)} b c {number}", f"T{chr(97 + idx // 2)}!") for idx in range(20) for number in range(3)]
    dev, test = draw(SplitConfig(num_dev=3, num_test=5), pairs)
    keys = [set(map(split_key, pair)) for pair in dev + test]
    assert len(set().union(*keys)) == sum(map(len, keys)) == 16


def test_too_few_pairs_are_an_error() -> None:
    with pytest.raises(NmtDistillError, match=r"hold 400 pairs of 3 or more .* wants 300 for dev and 200 for test"):
        draw(SplitConfig(num_dev=300, num_test=200), PAIRS)


def test_sources_alone_can_be_held_out() -> None:
    config = SplitConfig(num_dev=20, num_test=30, references="teacher")
    candidates = Candidates(config, seed=1)
    for source, _ in PAIRS:
        candidates.offer(split_key(source), source)
    dev, test = candidates.draw()
    of_pairs = draw(SplitConfig(num_dev=20, num_test=30), PAIRS)
    assert [dev, test] == [[(source,) for source, _ in part] for part in of_pairs], "the same sources, drawn by them"
    with pytest.raises(NmtDistillError, match=r"hold 400 sentences of 3 or more .* wants 500 for dev and 0 for test"):
        few = Candidates(SplitConfig(num_dev=500, num_test=0, references="teacher"), seed=1)
        for source, _ in PAIRS:
            few.offer(split_key(source), source)
        few.draw()


def test_held_out_keys(tmp_path: Path) -> None:
    held_out = HeldOut()
    assert not held_out
    (tmp_path / "lines").write_text("Turn on {name}.\n...\n", encoding="utf-8")
    held_out.add_file(tmp_path / "lines")
    assert held_out
    assert split_key("turn on {other}") in held_out
    assert split_key("turn off {other}") not in held_out
    assert split_key("???") not in held_out


@pytest.mark.parametrize(
    ("text", "is_near"),
    [
        ("the red fox runs away", True),
        ("The red dog runs away!", True),
        ("the red fox runs", True),
        ("the red fox never runs away", True),
        ("red the fox runs away", True),
        ("the red fox sleeps here", False),
        ("red fox runs", False),
        ("something else is here now", False),
    ],
)
def test_neighbours_differ_in_one_word(text: str, is_near: bool) -> None:
    held_out = HeldOut()
    held_out.watch(["The red fox runs away.", "three words only"])
    assert held_out.neighbour(split_key(text)) == ("The red fox runs away." if is_near else None)
    assert held_out.neighbour("three words here") is None


def test_faults_name_their_field() -> None:
    wrong = {"num_dev": -1, "num_test": -1, "min_words": 0}
    assert faulty_keys(SplitConfig, wrong) == list(wrong)


@pytest.mark.parametrize("dirty", ["train.en", "train.de", "mono.en"])
def test_the_check_finds_a_leak(tmp_path: Path, dirty: str) -> None:
    pairs = tmp_path / "en-de"
    pairs.mkdir()
    for language, word in (("en", "word"), ("de", "Wort")):
        for name in ("dev", "test", "train"):
            (pairs / f"{name}.{language}").write_text(f"{word} {name}\n", encoding="utf-8")
    (pairs / "mono.en").write_text("a\nword three\n", encoding="utf-8")
    direction = Direction(source="en", target="de")
    check_decontamination(tmp_path, [direction], SplitConfig())
    path = pairs / dirty
    path.write_text(f"a\n{'WORT' if dirty == 'train.de' else 'Word'} test!\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=f"{dirty}, line 2: is held-out text: .*; delete"):
        check_decontamination(tmp_path, [direction], SplitConfig())
