"""The corpus stage on made-up sources: everything that comes in is accounted for, and nothing leaks."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.corpus.apt import SourceUnavailableError
from nmt_distill.corpus.config import CorpusConfig
from nmt_distill.corpus.debian_sources import DebianDescriptionsSource
from nmt_distill.corpus.filters import FilterConfig
from nmt_distill.corpus.prepare import prepare_corpus
from nmt_distill.corpus.sources import LinesSource, TextSource, TsvSource
from nmt_distill.corpus.split import SplitConfig
from nmt_distill.corpus.text import split_key
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_json, read_lines
from nmt_distill.languages import Direction
from tests.faults import faulty_keys

EN_DE = Direction(source="en", target="de")
SPLIT = SplitConfig(num_dev=10, num_test=20, min_words=3)


@pytest.fixture
def sources(tmp_path: Path) -> tuple[TsvSource, TextSource]:
    """300 pairs with repetitions, variants and a few bad ones, and text that partly repeats them."""
    draw = random.Random(5)
    words = ["sun", "moon", "star", "rain", "snow", "wind", "fire", "stone", "tree", "leaf", "bird", "fish"]
    sentences = [" ".join(draw.choices(words, k=draw.randint(1, 7))) for _ in range(300)]
    lines = [f"{text} {number % 7}\t{text[::-1].title()} {number % 7}" for number, text in enumerate(sentences)]
    lines += ["same text here\tsame text here", "\tleer", "123\t123", "long\t" + "a" * 99]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    more = [" ".join(draw.choices(words, k=5)) for _ in range(200)]
    (tmp_path / "text").write_text("\n".join([*sentences, *more, *more[:50]]) + "\n", encoding="utf-8")
    return TsvSource(path=str(tmp_path / "pairs.tsv"), licence="CC0"), TextSource(path=str(tmp_path / "text"))


def prepare_one(config: CorpusConfig, folder: Path) -> dict[str, Any]:
    """Prepare one direction and return its account."""
    account: dict[str, Any] = prepare_corpus(config, directions=[EN_DE], folder=folder)["directions"]["en-de"]
    return account


def lines(path: Path) -> list[str]:
    return list(read_lines(path))


def read_all(folder: Path) -> dict[str, list[str]]:
    return {path.name: lines(path) for path in sorted(folder.rglob("*.*")) if path.suffix in (".en", ".de")}


def test_every_line_is_accounted_for(sources: tuple[Any, ...], tmp_path: Path) -> None:
    whole = prepare_corpus(CorpusConfig(sources=sources, split=SPLIT), directions=[EN_DE], folder=tmp_path / "c")
    assert read_json(tmp_path / "c" / "corpus.json") == whole
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"corpus.json", "en-de"}
    report = whole["directions"]["en-de"]
    text = read_all(tmp_path / "c")
    assert {name: len(text[f"{name}.en"]) for name in report["sizes"]} == report["sizes"]
    assert all(len(text[f"{name}.en"]) == len(text[f"{name}.de"]) for name in ("train", "dev", "test"))
    for source in report["sources"]:
        dropped = {reason: each["dropped"] for reason, each in source["filters"].items()}
        # Of pairs with a useless translation the source goes on as a sentence; held-out pairs are counted once.
        twice = dropped.get("identical", 0) + dropped.get("length_ratio", 0)
        came = source["pairs_read"] + source["sentences_read"] + twice
        assert came == sum(dropped.values()) + source["train"] + source["mono"]
    assert report["sources"][0]["licence"] == "CC0"
    assert report["sources"][0]["filters"]["identical"]["samples"] == [["same text here", "same text here"]]
    assert "same text here" in text["mono.en"]
    assert whole["speed"]["lines_per_second"] > 0


def test_nothing_of_the_held_out_text_is_in_training(sources: tuple[Any, ...], tmp_path: Path) -> None:
    prepare_corpus(CorpusConfig(sources=sources, split=SPLIT), directions=[EN_DE], folder=tmp_path)
    text = read_all(tmp_path)
    for language in ("en", "de"):
        held_out = {split_key(line) for name in ("dev", "test") for line in text[f"{name}.{language}"]}
        assert len(held_out) == 30
        trained = text[f"train.{language}"] + (text["mono.en"] if language == "en" else [])
        assert not held_out & {split_key(line) for line in trained}
    assert all(len(line.split()) >= 3 for line in text["test.en"])
    everything = text["train.en"] + text["mono.en"] + text["dev.en"] + text["test.en"]
    assert len(set(everything)) == len(everything)


def test_the_same_seed_gives_the_same_bytes(sources: tuple[Any, ...], tmp_path: Path) -> None:
    config = CorpusConfig(sources=sources, split=SPLIT)
    for name, each in [("a", config), ("b", config), ("c", dataclasses.replace(config, seed=2))]:
        prepare_corpus(each, directions=[EN_DE], folder=tmp_path / name)
    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")
    assert read_all(tmp_path / "a")["test.en"] != read_all(tmp_path / "c")["test.en"]


def test_both_directions_hold_out_the_same(sources: tuple[Any, ...], tmp_path: Path) -> None:
    forth = CorpusConfig(sources=sources[:1], split=SPLIT)
    back = CorpusConfig(sources=(dataclasses.replace(sources[0], source_column=2, target_column=1),), split=SPLIT)
    prepare_corpus(forth, directions=[EN_DE], folder=tmp_path / "a")
    prepare_corpus(back, directions=[Direction(source="de", target="en")], folder=tmp_path / "b")
    for name in ("dev.en", "dev.de", "test.en", "test.de"):
        assert read_all(tmp_path / "a")[name] == read_all(tmp_path / "b")[name]


def test_what_one_direction_holds_out_none_trains_on(sources: tuple[Any, ...], tmp_path: Path) -> None:
    pairs = dataclasses.replace(sources[0], source_language="en", target_language="de")
    (tmp_path / "fr.tsv").write_text(
        "".join(f"{line}\tun {number} {line[::-1]}\n" for number, line in enumerate(lines(Path(sources[1].path)))),
        encoding="utf-8",
    )
    french = TsvSource(path=str(tmp_path / "fr.tsv"), source_language="en", target_language="fr")
    text = dataclasses.replace(sources[1], language="en")
    directions = [EN_DE, Direction(source="de", target="en"), Direction(source="en", target="fr")]
    config = CorpusConfig(sources=(pairs, french, text), split=SPLIT)
    report = prepare_corpus(config, directions=directions, folder=tmp_path / "c")
    assert list(report["directions"]) == ["en-de", "de-en", "en-fr"]
    kinds = {name: len(account["sources"]) for name, account in report["directions"].items()}
    assert kinds == {"en-de": 2, "de-en": 1, "en-fr": 2}, "each reads what serves it"
    held_out: set[str] = set()
    trained: set[str] = set()
    for path in sorted((tmp_path / "c").rglob("*.*")):
        if path.parent != tmp_path / "c":
            keys = {split_key(line) for line in lines(path)}
            (held_out if path.stem in ("dev", "test") else trained).update(keys)
    assert held_out
    assert trained
    assert not held_out & trained
    for name in ("dev.en", "dev.de", "test.en", "test.de"):
        assert lines(tmp_path / "c" / "en-de" / name) == lines(tmp_path / "c" / "de-en" / name)
    assert "same text here" in lines(tmp_path / "c" / "en-de" / "mono.en")
    assert "same text here" not in lines(tmp_path / "c" / "de-en" / "mono.de"), "what was left in English is no German"
    turned = list(zip(lines(tmp_path / "c/de-en/train.en"), lines(tmp_path / "c/de-en/train.de"), strict=True))
    forth = list(zip(lines(tmp_path / "c/en-de/train.en"), lines(tmp_path / "c/en-de/train.de"), strict=True))
    assert set(turned) & set(forth), "pairs serve both ways"


def test_sentences_are_held_out_where_the_teacher_translates_them(sources: tuple[Any, ...], tmp_path: Path) -> None:
    split = dataclasses.replace(SPLIT, references="teacher")
    report = prepare_corpus(CorpusConfig(sources=sources, split=split), directions=[EN_DE], folder=tmp_path / "c")
    assert report["references"] == "teacher"
    written = {path.name for path in (tmp_path / "c" / "en-de").iterdir()}
    assert written == {"dev.en", "test.en", "train.en", "train.de", "mono.en"}
    held_out = {split_key(line) for name in ("dev.en", "test.en") for line in lines(tmp_path / "c" / "en-de" / name)}
    assert len(held_out) == 30
    of_pairs = {split_key(line.split("\t")[0]) for line in lines(Path(sources[0].path))}
    alone = {*map(split_key, lines(Path(sources[1].path)))}
    assert held_out & of_pairs
    assert held_out & (alone - of_pairs), "text without a translation too"
    for name in ("train.en", "mono.en"):
        assert not held_out & {*map(split_key, lines(tmp_path / "c" / "en-de" / name))}


def test_limits_choose_by_hash(sources: tuple[Any, ...], tmp_path: Path) -> None:
    free = CorpusConfig(sources=sources, split=SPLIT)
    prepare_corpus(free, directions=[EN_DE], folder=tmp_path / "free")
    text = read_all(tmp_path / "free")
    tight = dataclasses.replace(free, max_train_sentences=50, max_mono_sentences=40)
    report = prepare_one(tight, folder=tmp_path / "tight")
    fewer = read_all(tmp_path / "tight")
    assert (report["sizes"]["train"], report["sizes"]["mono"]) == (50, 40)
    assert (
        [line for line in text["mono.en"] if line in set(fewer["mono.en"])] == fewer["mono.en"] != text["mono.en"][:40]
    )
    single = dataclasses.replace(
        free, sources=(sources[0], dataclasses.replace(sources[1], max_sentences=30, min_words=2))
    )
    report = prepare_one(single, folder=tmp_path / "single")
    assert report["sources"][1]["mono"] == 30
    assert report["sources"][1]["filters"]["too_few_words"]["dropped"] > 0


def test_outside_test_sets_stay_outside(sources: tuple[Any, ...], tmp_path: Path) -> None:
    prepare_corpus(CorpusConfig(sources=sources, split=SPLIT), directions=[EN_DE], folder=tmp_path / "a")
    text = read_all(tmp_path / "a")
    (tmp_path / "outside").write_text(f"{text['train.en'][0].upper()}!\n{text['train.de'][1]}\n", encoding="utf-8")
    config = CorpusConfig(sources=sources, split=SPLIT, held_out=(str(tmp_path / "outside"),))
    report = prepare_one(config, folder=tmp_path / "b")
    fewer = read_all(tmp_path / "b")
    assert (
        sum(source["filters"].get("in_held_out_file", {"dropped": 0})["dropped"] for source in report["sources"]) >= 2
    )
    keys = {split_key(line) for name in ("train.en", "mono.en", "test.en", "dev.en") for line in fewer[name]}
    assert split_key(text["train.en"][0]) not in keys
    assert split_key(text["train.en"][1]) not in keys


def test_near_duplicates_are_counted_or_dropped(tmp_path: Path) -> None:
    english = [f"{chr(97 + idx) * 3} likes old red wine" for idx in range(20)] + [
        "one two three four",
        "five six seven",
    ]
    (tmp_path / "en").write_text("\n".join(english) + "\n", encoding="utf-8")
    (tmp_path / "de").write_text("\n".join(text[::-1] for text in english) + "\n", encoding="utf-8")
    source = LinesSource(source=str(tmp_path / "en"), target=str(tmp_path / "de"))
    config = CorpusConfig(sources=(source,), split=SplitConfig(num_dev=0, num_test=2, min_words=5))
    report = prepare_one(config, folder=tmp_path / "a")
    assert report["sizes"]["train"] == 20
    assert (report["near_duplicates"]["train"], report["near_duplicates"]["mono"]) == (18, 0)
    assert all(test in english for _, test in report["near_duplicates"]["samples"])
    dropping = dataclasses.replace(config, split=dataclasses.replace(config.split, near_duplicates="drop"))
    report = prepare_one(dropping, folder=tmp_path / "b")
    assert lines(tmp_path / "b" / "en-de" / "train.en") == ["one two three four", "five six seven"]
    assert report["near_duplicates"]["train"] == 0
    assert report["sources"][0]["filters"]["near_duplicate"]["dropped"] == 18


def test_repeated_sources_may_stay(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one\tx\none\ty\none\tx\n", encoding="utf-8")
    source = TsvSource(path=str(tmp_path / "a.tsv"))
    split = SplitConfig(num_dev=0, num_test=0)
    for drop, expected in ((True, ["x"]), (False, ["x", "y"])):
        config = CorpusConfig(sources=(source,), split=split, filters=FilterConfig(drop_repeated_sources=drop))
        prepare_corpus(config, directions=[EN_DE], folder=tmp_path / "c")
        assert lines(tmp_path / "c" / "en-de" / "train.de") == expected


def test_an_optional_source_is_left_out_with_a_message(
    sources: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NMT_DISTILL_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    config = CorpusConfig(sources=(*sources, DebianDescriptionsSource()), split=SPLIT)
    report = prepare_one(config, folder=tmp_path / "c")
    assert "need apt" in report["sources"][2]["skipped"]
    assert "Skipped a source: Package descriptions need apt" in capsys.readouterr().err
    strict = dataclasses.replace(config, sources=(*sources, DebianDescriptionsSource(optional=False)))
    with pytest.raises(SourceUnavailableError, match="need apt"):
        prepare_corpus(strict, directions=[EN_DE], folder=tmp_path / "d")


def test_a_failure_leaves_what_was_there(sources: tuple[Any, ...], tmp_path: Path) -> None:
    config = CorpusConfig(sources=sources, split=SPLIT)
    prepare_corpus(config, directions=[EN_DE], folder=tmp_path / "c")
    before = read_all(tmp_path / "c")
    for wrong, message in [
        (dataclasses.replace(config, split=SplitConfig(num_test=9999)), "ask for less"),
        (dataclasses.replace(config, sources=(TextSource(path=str(tmp_path / "none")),)), "does not exist"),
        (dataclasses.replace(config, held_out=(str(tmp_path / "none"),)), "does not exist"),
    ]:
        with pytest.raises(NmtDistillError, match=message):
            prepare_corpus(wrong, directions=[EN_DE], folder=tmp_path / "c")
        assert read_all(tmp_path / "c") == before
    assert {path.name for path in tmp_path.iterdir()} == {"c", "pairs.tsv", "text"}


def test_hostile_lines_harm_nothing(tmp_path: Path) -> None:
    hostile = ["x" * 100_000, " " * 50, "\x00\x00", "🙂🙂", "a\u2028b\u0085c", "tab\there", "</s> <pad> >>fr<<", "\r"]
    (tmp_path / "text").write_text("\n".join(hostile) + "\n", encoding="utf-8", newline="\n")
    config = CorpusConfig(sources=(TextSource(path=str(tmp_path / "text")),), split=SplitConfig(num_dev=0, num_test=0))
    report = prepare_one(config, folder=tmp_path / "c")
    assert lines(tmp_path / "c" / "en-de" / "mono.en") == ["a\u2028b\u0085c", "tab here", "</s> <pad> >>fr<<"]
    dropped = {name: each["dropped"] for name, each in report["sources"][0]["filters"].items()}
    assert dropped == {"too_long": 1, "empty": 2, "not_text": 1, "no_letters": 1}


def test_faults_name_their_field() -> None:
    wrong = {"sources": [], "seed": -1, "max_train_sentences": -1, "max_mono_sentences": -1}
    assert faulty_keys(CorpusConfig, wrong) == list(wrong)
