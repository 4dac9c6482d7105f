from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.translation.engine import BATCH_TOKENS, END, Pieces, available_cores
from nmt_distill.translation.translator import Translator

HOSTILE = [
    "",
    "   ",
    "\t\u00a0\r",
    "\x00",
    "\x00\x01\x7f",
    "\U0001f600\U0001f600",
    "Hello \U0001f600",
    "one\u2028two\x85three\u2029",
    "Hello\r",
    "</s>",
    ">>pt-BR<< Hello",
    "<unk> <pad> <s> </s>",
    "<0x0A>",
    "\ud800 half",
    "12345",
    "x" * 1000,
    "Turn on the light. " * 60,
    "\u4e2d" * 300,
    "\ufdfa" * 50,
    "a" + "\u0301" * 500,
    "\ufeffHello",
    "\u200b\u200b",
    "\u0627\u0644\u0633\u0644\u0627\u0645",
]


@dataclass
class Engine:
    """Stands in for CTranslate2: answers each row by ``rule``, cut where CTranslate2 would cut."""

    rule: Callable[[list[str]], list[str]]

    def __post_init__(self) -> None:
        self.batches: list[list[list[str]]] = []
        self.options: list[dict[str, Any]] = []

    def translate_batch(self, rows: list[list[str]], **options: Any) -> list[Any]:
        self.batches.append(rows)
        self.options.append(options)
        return [self._answer(row, options["max_decoding_length"]) for row in rows]

    def _answer(self, row: list[str], longest: int) -> Any:
        tokens = [*self.rule(row), END][:longest]
        return SimpleNamespace(result=lambda: SimpleNamespace(hypotheses=[tokens]))

    @property
    def rows(self) -> list[list[str]]:
        return [row for batch in self.batches for row in batch]


def copy(row: list[str]) -> list[str]:
    return row[:-1]


Make = Callable[..., tuple[Translator, Engine]]


@pytest.fixture
def make(toy_export: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a translator whose model answers by a rule; keywords change what the folder says."""

    def make(rule: Callable[[list[str]], list[str]] = copy, **changes: Any) -> tuple[Translator, Engine]:
        engine = Engine(rule)
        monkeypatch.setattr("ctranslate2.Translator", lambda *_, **__: engine)
        translator = Translator(toy_export, threads=2)
        translator.folder = replace(translator.folder, **changes)
        return translator, engine

    return make


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.one_of(st.sampled_from(HOSTILE), st.text()), max_size=12))
def test_every_line_has_one_answer_and_no_line_break_is_made(make: Make, lines: list[str]) -> None:
    translator, engine = make()
    answers = translator.translate(lines)
    assert [answer.count("\n") for answer in answers] == [line.count("\n") for line in lines]
    assert translator.num_untranslated <= sum(not character.isascii() for line in lines for character in line)
    assert all(len(row) <= translator.folder.max_source_tokens for row in engine.rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(lines=st.lists(st.lists(st.text("abc.,1!", min_size=1), max_size=200).map(" ".join), max_size=20))
def test_a_model_that_copies_gives_back_every_line(make: Make, lines: list[str]) -> None:
    translator, _ = make()
    assert translator.translate(lines) == lines


def test_long_lines_keep_the_space_between_their_sentences(make: Make) -> None:
    translator, engine = make()
    line = "Turn on the light.  Open the door.\u00a0Stop the music. " * 20
    assert translator.translate([line]) == [line]
    assert len(engine.rows) > 1


@pytest.mark.parametrize("lines", [HOSTILE, HOSTILE[::-1]])
def test_a_real_model_answers_every_line(toy_export: Path, mute_export: Path, lines: list[str]) -> None:
    for folder in (toy_export, mute_export):
        translator = Translator(folder, threads=2)
        answers = translator.translate(lines)
        assert len(answers) == len(lines)
        for line, answer in zip(lines, answers, strict=True):
            assert "\n" not in answer
            if not any(map(str.isalpha, line)):
                assert answer == line


def test_a_real_model_answers_a_line_alone_as_among_others(toy_export: Path, toy_sentences: list[str]) -> None:
    together = Translator(toy_export, threads=2).translate(toy_sentences[:40])
    alone = [Translator(toy_export, threads=1).translate([line])[0] for line in toy_sentences[:40]]
    agree = sum(one == other for one, other in zip(together, alone, strict=True))
    assert len(set(together)) > 5
    assert agree >= 34  # random weights leave near ties, which rounding may turn


@pytest.mark.parametrize("line", ["", "  ", "\r", "\x00", "42 %", "\U0001f600", "\u2028", "\t"])
def test_without_letters_nothing_is_asked(make: Make, line: str) -> None:
    translator, engine = make()
    assert translator.translate([line]) == [line]
    assert engine.rows == []


def test_margins_are_copied(make: Make) -> None:
    translator, engine = make()
    assert translator.translate(["  Stop.\t \U0001f600\r"]) == ["  Stop.\t \U0001f600\r"]
    assert engine.rows == [[*translator.engine.pieces.encode(["Stop."])[0], END]]


@pytest.mark.parametrize("text", ["</s>", "a </s> b", "<unk>", "<pad>", "<s>", ">>fr<< Stop", "\x00a</s>\x00"])
def test_text_never_makes_a_special(toy_sentencepiece: Path, text: str) -> None:
    (tokens,) = Pieces(toy_sentencepiece).encode([text])
    assert not {"</s>", "<pad>", "<s>", ">>fr<<"} & set(tokens)


def test_unknown_text_that_reads_like_a_special_is_unknown(tmp_path: Path) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["abc cab", "bac"] * 9),
        model_prefix=str(tmp_path / "bare"),
        vocab_size=9,
        hard_vocab_limit=False,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    (tokens,) = Pieces(tmp_path / "bare.model").encode(["</s>"])
    assert set(tokens) <= {"<unk>", "\u2581"}


def test_a_line_feed_token_stays_in_its_line(make: Make) -> None:
    translator, _ = make(lambda row: ["\u2581", "a", "<0x0A>", "\u2581", "b"])
    assert translator.translate(["stop"]) == ["a  b"]


def test_each_distinct_segment_is_translated_once(make: Make) -> None:
    translator, engine = make()
    assert translator.translate(["Stop", "Go", "Stop", " Stop"]) == ["Stop", "Go", "Stop", " Stop"]
    assert len(engine.rows) == 2


def test_the_tag_comes_first(make: Make) -> None:
    tags = {Direction(source="en", target="pt-BR"): ">>pt-BR<<", Direction(source="en", target="de"): ">>de<<"}
    translator, engine = make(lambda row: ["\u2581ok"], tags=tags)
    translator.translate(["Stop", "x" * 300], target="de")
    assert {row[0] for row in engine.rows} == {">>de<<"}
    assert {row[-1] for row in engine.rows} == {END}
    assert max(map(len, engine.rows)) <= translator.folder.max_source_tokens
    with pytest.raises(NmtDistillError, match=r"choose one with --to"):
        translator.translate(["Stop"])


def test_an_answer_of_nothing_copies_and_counts(make: Make) -> None:
    translator, _ = make(lambda row: [])
    assert translator.translate([" Stop it! ", "", "Go"]) == [" Stop it! ", "", "Go"]
    assert (translator.num_untranslated, translator.num_unfinished) == (2, 0)


def test_a_real_answer_of_nothing_copies_and_counts(mute_export: Path) -> None:
    translator = Translator(mute_export, threads=1)
    assert translator.translate(["Stop it!", "42"]) == ["Stop it!", "42"]
    assert translator.num_untranslated == 1


def test_a_translation_longer_than_the_positions_is_made_in_pieces(make: Make) -> None:
    """Three target tokens a source token: 40 source tokens need 120 target positions, but there are 64."""
    translator, _ = make(lambda row: [token for token in row[:-1] for _ in range(3)], max_target_tokens=64)
    line = "stop " * 39 + "stop"
    assert len(translator.engine.pieces.encode([line])[0]) == 40
    (answer,) = translator.translate([line])
    assert (translator.num_unfinished, translator.num_untranslated) == (0, 0)
    assert answer.split() == ["stop"] * 120


def test_a_translation_without_end_is_cut_and_counted(make: Make) -> None:
    translator, engine = make(lambda row: ["\u2581", "a"] * 10_000)
    answers = translator.translate(["stop"])
    assert translator.num_unfinished == 1
    assert len(engine.rows) == 2  # the second time with more care
    assert [options.get("no_repeat_ngram_size", 0) for options in engine.options] == [0, 3]
    assert answers[0].split() == ["a"] * len(answers[0].split())
    assert len(answers[0]) <= translator.folder.max_target_tokens
    translator.translate(["Stop the music " * 10])
    assert len(engine.rows) > 4  # tried again in pieces, once
    assert all(options["max_decoding_length"] <= 64 for options in engine.options)


def test_a_real_translation_without_end_is_cut_and_counted(toy_export: Path) -> None:
    translator = Translator(toy_export, threads=1)
    (answer,) = translator.translate(["Stop the music"])
    assert translator.num_unfinished >= 1
    assert answer


def test_what_cannot_be_cut_is_left_and_counted(make: Make) -> None:
    """One character of 18 after normalization, each several bytes, in a model of 16 positions."""
    translator, _ = make(max_source_tokens=16)
    assert translator.translate(["\ufdfa"]) == ["\ufdfa"]
    assert translator.num_untranslated == 1


def test_batches_keep_to_their_size_and_feed_every_worker(make: Make, toy_sentences: list[str]) -> None:
    translator, engine = make()
    translator.translate(toy_sentences)
    padded = [len(batch) * max(map(len, batch)) for batch in engine.batches]
    assert max(padded) <= BATCH_TOKENS
    longest = [max(map(len, batch)) for batch in engine.batches]
    assert longest == sorted(longest, reverse=True)
    engine.batches.clear()
    translator.translate(["Stop the music", "Open the door"])
    assert len(engine.batches) == 2


def test_a_stream_is_answered_window_by_window(make: Make) -> None:
    translator, _ = make()
    read: list[int] = []

    def lines() -> Any:
        for number in range(10):
            read.append(number)
            yield f"line {number}"

    answers = translator.translate_lines(lines(), window=4)
    assert next(answers) == "line 0"
    assert read == [0, 1, 2, 3]
    assert list(answers) == [f"line {number}" for number in range(1, 10)]


def test_a_long_list_is_answered_in_order(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.translation.translator.WINDOW_LINES", 7)
    translator, _ = make()
    lines = [f"line {number} {'x' * (number % 5)}".strip() for number in range(50)]
    assert translator.translate(lines) == lines


def test_the_beam_is_the_one_validated_unless_told(toy_export: Path, make: Make) -> None:
    translator, engine = make()
    translator.beam_size = 3
    translator.translate(["Stop"])
    assert engine.options[0]["beam_size"] == 3
    assert Translator(toy_export, threads=1).beam_size == 1
    assert Translator(toy_export, threads=1, beam_size=5).beam_size == 5


def test_nothing_is_cut_by_the_engine(make: Make) -> None:
    translator, engine = make()
    translator.translate(["Stop"])
    options = engine.options[0]
    assert options["max_input_length"] == 0
    assert options["min_decoding_length"] == 0
    assert options["disable_unk"] is True


def test_a_beam_finds_as_many_answers(toy_export: Path, toy_sentences: list[str]) -> None:
    assert len(Translator(toy_export, threads=2, beam_size=4).translate(toy_sentences[:9])) == 9


def test_all_cores_that_are_allowed_are_used() -> None:
    assert available_cores() >= 1
