"""What must come through a translation does, whatever the model makes of it."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.translation.engine import END, Pieces
from nmt_distill.translation.model_folder import ModelFolder
from nmt_distill.translation.protection import kept
from nmt_distill.translation.tally import ALL_WELL, UNTRANSLATED, Tally
from nmt_distill.translation.translator import Translator

Rule = Callable[[str], str]
"""what the model makes of what it reads"""
Make = Callable[..., Translator]
SIGNS = [
    "{name}", "{", "}", "%s", "%1$s", "%(x)s", "$HOME", "<b>", "</b>", "<i>", "</i>", "<br/>", "<", "&lt;", "`a b`",
    "https://a.b/c.", "me@x.org", "#", "Turn on the light. ", "STOP IT NOW", "door", "\n", "\t", "\u2028", "\u202e",
    "\u0627\u0644", "\u4e2d\u6587\u3002", "\U0001f600", "\x00", "\ud800", "{n, plural, one {# door} other {# doors}}",
    "X1", "Close {0}. ",
]  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(SIGNS), st.text(max_size=4)), max_size=12).map("".join)


class Engine:
    """Stands in for CTranslate2: answers by a rule, and looks at the source token of the same place."""

    def __init__(self, rule: Rule, pieces: Pieces) -> None:
        self.rule = rule
        self.pieces = pieces

    def translate_batch(self, rows: list[list[str]], **options: Any) -> list[Any]:
        return [self._answer(row, options) for row in rows]

    def _answer(self, row: list[str], options: dict[str, Any]) -> Any:
        (seen,) = self.pieces.decode([row[:-1]])
        tokens = [*self.pieces.encode([self.rule(seen)])[0], END][: options["max_decoding_length"]]
        attention = [[float(place == other) for other in range(len(row))] for place in range(len(tokens))]
        number = options.get("num_hypotheses", 1)
        answer = SimpleNamespace(hypotheses=[tokens] * number, attention=[attention] * number, scores=[-0.5] * number)
        return SimpleNamespace(result=lambda: answer)


@pytest.fixture(scope="module")
def folder(toy_sentencepiece: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export folder without weights."""
    path = tmp_path_factory.mktemp("export")
    shutil.copy(toy_sentencepiece, path / "joint.spm")
    (path / "shared_vocabulary.json").write_text(json.dumps(Pieces(toy_sentencepiece).names))
    for name in ("model.bin", "config.json"):
        (path / name).touch()
    direction = Direction(source="en", target="pt-BR")
    read = ModelFolder(path=path, sentencepiece=path / "joint.spm", tags={direction: None}, max_source_tokens=64)
    read.write_languages()
    return path


@pytest.fixture
def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a translator whose model answers by a rule."""

    def make(rule: Rule = str, **settings: Any) -> Translator:
        monkeypatch.setattr("ctranslate2.Translator", lambda *_, **__: Engine(rule, Pieces(folder / "joint.spm")))
        return Translator(folder, threads=2, **settings)

    return make


def without_stand_ins(seen: str) -> str:
    return re.sub(r"[XZQKWJVY] ?\d+", "", seen)


@pytest.fixture
def unreliable(make: Make) -> list[Translator]:
    """Models that copy, lose, invent and say nothing."""
    rules: list[Rule] = [str, without_stand_ins, lambda seen: "{name} %s", lambda seen: ""]
    return [make(rule) for rule in rules]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(lines=st.lists(HOSTILE, max_size=4), markdown=st.booleans())
def test_every_line_has_an_answer_with_all_its_placeholders(
    unreliable: list[Translator], markdown: bool, lines: list[str]
) -> None:
    for translator in unreliable:
        before = translator.tally.num_untranslated
        answers = translator.translate(lines, markdown=markdown)
        assert [answer.count("\n") for answer in answers] == [line.count("\n") for line in lines]
        lost = 0
        for line, answer in zip(lines, answers, strict=True):
            lost += not kept(line.replace("\ud800", "\ufffd"), answer, markdown=markdown)
        assert lost <= translator.tally.num_untranslated - before


@pytest.mark.parametrize(
    "line",
    [
        "Open {name} and %1$s at https://a.b/c?d=e.",
        "Turn on <b>the light</b>. Close the <a href='x'>big <i>door</i></a>, please.",
        "{n, plural, one {open # door} other {open # doors}}",
        "<p>open the door</p>",
        "See `the door` and me@x.org",
        "{a}: {b}",
    ],
)
def test_a_model_that_copies_gives_back_the_line(make: Make, line: str) -> None:
    translator = make()
    assert translator.translate([line]) == [line]
    assert translator.tally == Tally()


def test_the_model_reads_stand_ins_and_no_markup(make: Make) -> None:
    seen: list[str] = []

    def rule(text: str) -> str:
        seen.append(text)
        return text

    make(rule).translate(["Open {name} in <b>the kitchen</b>. CLOSE ALL DOORS."])
    assert sorted(seen) == ["Close all doors.", "Open X1 in the kitchen."]


@pytest.fixture
def reads_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a vocabulary that has bytes for the rest lack it."""
    monkeypatch.setattr(Pieces, "reads", lambda self, text: text.isascii())


@pytest.mark.usefixtures("reads_ascii")
def test_what_the_vocabulary_lacks_comes_through(make: Make) -> None:
    seen: list[str] = []

    def rule(text: str) -> str:
        seen.append(text)
        return text

    translator = make(rule)
    lines = ["Open \u2192 the \u4e2d\u6587 door", "\u201cOpen\u201d the door", "\u4e2d\u6587"]
    assert translator.translate(lines) == [lines[0], '"Open" the door', lines[2]]
    assert sorted(seen) == ['"Open" the door', "Open X1 the X2 door"]
    assert translator.tally == Tally(num_untranslated=1)


def test_an_icu_message_that_breaks_off_stays_and_is_told(toy_export: Path) -> None:
    translator = Translator(toy_export, threads=1)
    rest = "{n, plural, one {# door} other {the house"
    first, second, third = translator.translate([f"the house {rest}", rest, "the house"])
    assert first.endswith(rest)
    assert (first, second) == (f"{third} {rest}", rest)
    assert translator.tally.num_untranslated == 2


@pytest.mark.usefixtures("reads_ascii")
def test_a_glossary_knows_what_the_model_does_not(make: Make, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("\u4e2d\u6587\tChinese\n", encoding="utf-8")
    translator = make(glossary=tmp_path / "terms.tsv")
    assert translator.translate(["Open \u4e2d\u6587 \u2192"]) == ["Open Chinese \u2192"]


def test_access_keys_come_through(make: Make, unreliable: list[Translator]) -> None:
    seen: list[str] = []

    def rule(text: str) -> str:
        seen.append(text)
        return text.replace("Open", "Abrir")

    assert make(rule).translate(["_Open", "&Open {name}"]) == ["_Abrir", "&Abrir {name}"]
    assert sorted(seen) == ["Open", "Open X1"]
    for translator in unreliable:
        assert [answer.count("&") for answer in translator.translate(["&Open {name}", "&Open"])] == [1, 1]


def test_what_was_no_utf_8_comes_through(make: Make) -> None:
    assert make(lambda text: text.replace("bytes", "octets")).translate(["bad \ufffd\ufffd bytes"]) == [
        "bad \ufffd\ufffd octets"
    ]


def test_a_capital_of_a_stand_in_is_no_capital_of_the_text(make: Make) -> None:
    assert make(lambda seen: "portas X1").translate(["{n} doors"]) == ["portas {n}"]
    assert make(lambda seen: "abra X1").translate(["Open {n}"]) == ["Abra {n}"]


def test_what_a_model_loses_is_translated_around(make: Make) -> None:
    translator = make(without_stand_ins)
    assert translator.translate(["open {name} in the kitchen, %s"]) == ["open {name} in the kitchen, %s"]
    assert translator.tally == Tally(num_in_pieces=1)


def test_signs_in_front_of_a_piece_stay(make: Make) -> None:
    translator = make(lambda seen: without_stand_ins(seen).removeprefix(": "))
    assert translator.translate(["{name}: open (%s) it"]) == ["{name}: open (%s) it"]


def test_what_a_model_invents_is_left_and_counted(make: Make) -> None:
    translator = make(lambda seen: "{name}")
    assert translator.translate(["open the door", "open {a} now"]) == ["open the door", "open {a} now"]
    assert translator.tally == Tally(num_untranslated=3, num_in_pieces=1)  # the pieces count too


def test_each_line_says_what_went_wrong_in_it(make: Make) -> None:
    translator = make(lambda seen: "" if "door" in seen else seen)
    found = translator.candidates(["Open the door.", "Stop.", "Go. Open the door."], scores=False)
    assert [row[0].tally for row in found] == [UNTRANSLATED, ALL_WELL, UNTRANSLATED]
    assert [row[0].score for row in found] == [None] * 3
    assert translator.tally == Tally(num_untranslated=2)


def test_only_the_translation_that_stands_is_counted(make: Make) -> None:
    translator = make(lambda seen: "door " * 20 if re.search(r"[A-Z]\d", seen) else seen)
    assert translator.translate(["open {name} now"]) == ["open {name} now"]
    assert translator.tally == Tally(num_in_pieces=1)


def test_capitals_are_kept(make: Make) -> None:
    translator = make(lambda seen: "abrir")
    assert translator.translate(["OPEN DOOR", "Open door", "open door"]) == ["ABRIR", "Abrir", "abrir"]


def test_a_title_is_read_as_a_sentence(make: Make) -> None:
    lines = ["Open The Door Of {name}", "Open the Door of {name}", "Open Door", "OPEN THE DOOR"]
    assert make(lambda seen: seen).translate(lines) == ["Open the door of {name}", *lines[1:]]


def test_every_sentence_is_answered(make: Make) -> None:
    """A model that drops all but the first sentence, as models do."""

    def rule(seen: str) -> str:
        return seen.partition(".")[0] + "."

    line = "Turn on the light. Open the door. Stop the music."
    assert make(rule).translate([line]) == [line]


@pytest.mark.parametrize("loops_always", [True, False])
def test_loops_are_tried_again_with_more_care(make: Make, loops_always: bool) -> None:
    answers = iter(["door " * 20, "door " * 20 if loops_always else "stop"])
    translator = make(lambda seen: next(answers))
    (answer,) = translator.translate(["turn on the light in the kitchen"])
    assert answer == ("door " * 20 if loops_always else "stop").strip()
    assert translator.tally == Tally(num_repeating=int(loops_always))


def test_a_glossary_is_honoured(make: Make, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("kitchen\tcozinha\nlight\tluz\n")
    for rule in (str, without_stand_ins):
        translator = make(rule, glossary=tmp_path / "terms.tsv")
        assert translator.translate(["open the Kitchen light", "Kitchen"]) == ["open the Cozinha luz", "Cozinha"]
        assert translator.tally.num_untranslated == 0


def test_candidates_have_scores_and_keep_what_is_protected(make: Make) -> None:
    translator = make()
    first, second = translator.candidates(["Open {a} now. Stop.", "42"], num_candidates=3)
    assert [candidate.text for candidate in first] == ["Open {a} now. Stop."] * 3
    assert [candidate.score for candidate in first] == [-0.5] * 3
    assert [(candidate.text, candidate.score) for candidate in second] == [("42", None)]
    with pytest.raises(
        NmtDistillError, match=r"`num_candidates` must be a whole number from 1 to 256, but is 0 instead"
    ):
        translator.candidates(["Stop"], num_candidates=0)


def test_one_text_is_not_taken_for_lines(make: Make) -> None:
    translator = make()
    for call in (translator.translate, translator.candidates, translator.translate_lines):
        with pytest.raises(TypeError, match=r"`lines` must be several texts.*write \[text\]"):
            call("Turn on")
    wrong: Any = ["Stop", None]
    with pytest.raises(TypeError, match="every line must be a str, but one is None"):
        translator.translate(wrong)
    with pytest.raises(NmtDistillError, match="`window` must be at least 1, but is 0 instead"):
        translator.translate_lines(["Stop"], window=0)


def test_a_real_model_scores_as_it_translates(toy_export: Path) -> None:
    translator = Translator(toy_export, threads=1)
    lines = ["Turn on <b>the light</b> in {room}", "Stop"]
    (first, second) = translator.candidates(lines)
    assert [first[0].text, second[0].text] == translator.translate(lines)
    assert second[0].score is not None
    assert second[0].score < 0


def test_threads_share_a_translator(toy_export: Path, toy_sentences: list[str]) -> None:
    translator = Translator(toy_export, threads=2)
    expected = translator.translate(toy_sentences[:8])
    once = translator.tally.num_unfinished
    answers: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(translator.translate(toy_sentences[:8]))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4
    assert translator.tally.num_unfinished == 5 * once


def test_a_line_of_a_megabyte_is_answered(make: Make) -> None:
    translator = make()
    for line in ("word " * 40_000, "Open {a}. " * 8_000, "<b>" * 60_000, "x" * 200_000):
        assert translator.translate([line]) == [line]


def test_plain_lines_are_read_and_answered_as_they_stand(make: Make) -> None:
    seen: list[str] = []

    def note(text: str) -> str:
        seen.append(text)
        return "x"

    lines = ["Close {name}. Stop it.", "STOP IT NOW"]
    answers = make(note, plain=True).translate(lines)
    assert sorted(seen) == sorted(lines)
    assert answers == ["x", "x"]
    seen.clear()
    make(note).translate(lines)
    assert not {*lines} & {*seen}
    with pytest.raises(NmtDistillError, match="`glossary` and `plain` exclude each other: with `plain` no term"):
        make(plain=True, glossary="terms.tsv")
