from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nmt_distill.distillation import labelling
from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilterConfig, LabelFilters
from nmt_distill.distillation.labelling import Labelling, tell
from nmt_distill.distillation.labels import is_in_share
from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.reverse import ReverseFilterConfig
from nmt_distill.distillation.selection import rank_hypotheses
from nmt_distill.distillation.shards import shard_path
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines, write_lines
from nmt_distill.languages import Direction
from nmt_distill.teacher.config import MarianTeacherConfig

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher

DIRECTION = Direction(source="en", target="pt")
HEADER = StoreHeader(
    teacher="letters", vocabulary="v", direction="en-pt", temperature=1.0, num_kept=2, state_dim=2, vocab_size=27
)
CONFIG = DistillationConfig(num_kept=2, shard_sentences=2, max_source_tokens=6)
Encode = Callable[[Sequence[str]], list[list[int]]]
SOURCES = ["ab", "", "zoo", "abcdefgh", "c d", "xy"]
"""the second is translated into nothing, the third never ends, the fourth is too long"""


@pytest.fixture
def texts(tmp_path: Path) -> list[SourceText]:
    write_lines(tmp_path / "train.en", SOURCES[:4])
    write_lines(tmp_path / "train.pt", ["cb", "x", "y", "z"])
    write_lines(tmp_path / "mono.en", SOURCES[4:])
    return [SourceText(tmp_path / "train.en", tmp_path / "train.pt"), SourceText(tmp_path / "mono.en", None)]


def label(
    teacher: LetterTeacher | None, letters: Encode | None, texts: list[SourceText], folder: Path, **values: Any
) -> dict[str, Any]:
    reverse = values.pop("reverse", None)
    config = replace(CONFIG, **values)
    header = replace(HEADER, num_kept=config.num_kept, kept=config.kept, probs_precision=config.probs_precision)
    likeness = shared if config.choose_by == "chrf" else None
    labels = Labelling(
        config,
        teacher=teacher,
        rank=partial(rank_hypotheses, similarity=likeness),
        filters=LabelFilters(config.filters, target="pt", chrf=shared, ter=shared),
        reverse=reverse,
        encode=letters,
        header=header if letters else None,
    )
    return labels.run(texts, folder, direction=DIRECTION)


def shared(one: str, other: str) -> float:
    return sum(a == b for a, b in zip(one, other, strict=False))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_sentence_is_kept_or_counted(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, letters, texts, tmp_path / "out")
    assert summary["counts"] == {"sentences": 6, "candidates": 5, "kept": 3, "labels": 3, "not_the_best_score": 0}
    assert summary["dropped"] == {"empty": 1, "unfinished": 1, "source_too_long": 1}
    assert summary["samples_of_dropped"] == {"empty": [""], "unfinished": ["zoo"], "source_too_long": ["abcdefgh"]}
    assert json.loads((tmp_path / "out" / "distilled.json").read_text()) == summary
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["ab", "c d", "xy"]
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bc", "d e", "yz"]
    assert "abcdefgh" not in letter_teacher.calls


def test_source_for_which_the_teacher_has_no_room_is_left_out_and_counted(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    letter_teacher.max_source_tokens = 3
    summary = label(letter_teacher, letters, texts, tmp_path / "out", max_source_tokens=9)
    assert summary["dropped"] == {"empty": 1, "source_too_long": 2}
    assert summary["samples_of_dropped"]["source_too_long"] == ["zoo", "abcdefgh"]
    assert not {"zoo", "abcdefgh"} & set(letter_teacher.calls)


def test_without_ids_words_are_counted(letter_teacher: LetterTeacher, tmp_path: Path) -> None:
    write_lines(tmp_path / "mono.zh", ["a b c", "a b c d", "翻译很", "翻译很好", "ｗｉｄｅ"])
    texts = [SourceText(tmp_path / "mono.zh", None)]
    summary = label(letter_teacher, None, texts, tmp_path / "out", max_source_tokens=4)
    assert summary["samples_of_dropped"]["source_too_long"] == ["翻译很好", "ｗｉｄｅ"]


def test_store_holds_the_teachers_own_ids_in_step(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out")
    store = Store(tmp_path / "out")
    assert len(store) == 3
    for index, source in enumerate(["ab", "c d", "xy"]):
        record = store[index]
        ((hypothesis,),) = letter_teacher.translate([source])
        assert record.source_ids.tolist() == letters([source])[0]
        assert record.target_ids.tolist() == hypothesis.token_ids.tolist()
        assert record.kept_ids is not None
        assert record.states is not None
        assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist()
        assert record.states[:, 1].tolist() == record.target_ids.tolist()


def test_candidate_most_like_the_reference_is_chosen(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    options = {"beam_size": 2, "num_candidates": 2}
    summary = label(letter_teacher, letters, texts, tmp_path / "out", **options)
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "d e", "yz"]
    assert summary["counts"]["not_the_best_score"] == 1
    summary = label(letter_teacher, letters, texts, tmp_path / "score", **options, choose_by="score")
    assert list(read_lines(tmp_path / "score" / "distilled.pt")) == ["bc", "d e", "yz"]
    entries = [
        json.loads(line)
        for index in range(3)
        for line in read_lines(tmp_path / "out" / f"hypotheses-{index:05d}.jsonl")
    ]
    assert entries[0] == {
        "source": "ab",
        "reference": "cb",
        "candidates": [{"text": "bc", "score": 0.0}, {"text": "cb", "score": -0.1}],
        "chosen": [1],
    }
    assert [entry.get("dropped") for entry in entries] == [None, "empty", "unfinished", "source_too_long", None, None]


def test_several_labels_of_a_sentence(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    options = {"beam_size": 2, "num_candidates": 2, "num_labels": 2}
    summary = label(letter_teacher, letters, texts, tmp_path / "out", **options)
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["ab", "ab", "c d", "c d", "xy", "xy"]
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "bc", "d e", "e d", "yz", "zy"]
    assert (summary["counts"]["kept"], summary["counts"]["labels"]) == (3, 6)
    store = Store(tmp_path / "out")
    assert [store[place].source_ids.tolist() for place in (0, 1)] == letters(["ab", "ab"])
    for place in range(6):
        record = store[place]
        assert record.kept_ids is not None
        assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist()


def test_filtered_label_is_counted_and_the_next_candidate_takes_its_place(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    far = LabelFilterConfig(min_reference_chrf=2)
    options = {"beam_size": 2, "num_candidates": 2, "choose_by": "score", "filters": far}
    label(letter_teacher, letters, texts, tmp_path / "two", **options)
    assert list(read_lines(tmp_path / "two" / "distilled.pt")) == ["cb", "d e", "yz"]
    summary = label(letter_teacher, letters, texts, tmp_path / "one", filters=far)
    assert list(read_lines(tmp_path / "one" / "distilled.pt")) == ["d e", "yz"]
    assert summary["dropped"]["far_from_reference"] == 1


def test_teacher_that_shows_no_ids_leaves_text(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "ids")
    letter_teacher.calls.clear()
    label(letter_teacher, None, texts, tmp_path / "text")
    names = {path.name for path in (tmp_path / "text").iterdir()}
    assert names == {"distilled.en", "distilled.pt", "distilled.json", *(f"hypotheses-0000{n}.jsonl" for n in range(3))}
    assert list(read_lines(tmp_path / "text" / "distilled.pt"))[:1] == ["bc"]
    (tmp_path / "text" / "hypotheses-00001.jsonl").unlink()
    letter_teacher.calls.clear()
    label(letter_teacher, None, texts, tmp_path / "text")
    assert letter_teacher.calls == ["zoo", "abcdefgh"], "only what was lost is made again"


def test_human_translations_as_targets(letters: Encode, texts: list[SourceText], tmp_path: Path) -> None:
    summary = label(None, letters, texts, tmp_path / "out", num_kept=0)
    assert summary["dropped"] == {"source_too_long": 1, "no_translation": 2}
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "x", "y"]
    record = Store(tmp_path / "out")[0]
    assert record.target_ids.tolist() == [3, 2, 0]
    assert record.kept_ids is record.states is None


@pytest.mark.parametrize(("num_kept", "keep_states"), [(0, True), (2, False), (0, False)])
def test_what_is_not_wanted_is_not_kept(
    letter_teacher: LetterTeacher,
    letters: Encode,
    texts: list[SourceText],
    tmp_path: Path,
    num_kept: int,
    keep_states: bool,
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out", num_kept=num_kept, keep_states=keep_states)
    record = Store(tmp_path / "out")[0]
    assert (record.kept_ids is not None, record.tail is not None) == (num_kept > 0, num_kept > 0)
    assert (record.states is not None) == keep_states


def test_run_that_was_cut_off_goes_on_and_ends_with_the_same_bytes(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "whole")
    expected = content(tmp_path / "whole")
    label(letter_teacher, letters, texts, tmp_path / "cut")
    # what a run leaves that is killed while it writes its second shard
    for name in ("store.json", "distilled.json", "distilled.en", "distilled.pt", "hypotheses-00002.jsonl"):
        (tmp_path / "cut" / name).unlink()
    second, third = (shard_path(tmp_path / "cut", index) for index in (1, 2))
    second.rename(second.with_name(f".{second.name}.x.partial"))
    letter_teacher.calls.clear()
    third.write_bytes(third.read_bytes()[:-3])
    label(letter_teacher, letters, texts, tmp_path / "cut")
    assert content(tmp_path / "cut") == expected
    assert letter_teacher.calls == ["zoo", "c d", "xy"], "only what was lost is made again"
    letter_teacher.calls.clear()
    label(letter_teacher, letters, texts, tmp_path / "cut")
    assert letter_teacher.calls == []


def test_shards_of_another_teacher_are_made_again(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out", num_kept=3)
    letter_teacher.calls.clear()
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert len(letter_teacher.calls) == 5
    kept = Store(tmp_path / "out")[0].kept_ids
    assert kept is not None
    assert kept.shape == (3, 2)


def test_shards_divide_the_text_and_change_nothing_else(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "small", shard_sentences=1)
    label(letter_teacher, letters, texts, tmp_path / "large", shard_sentences=100)
    small, large = Store(tmp_path / "small"), Store(tmp_path / "large")
    assert len(small) == len(large)
    for index in range(len(small)):
        for name, array in vars(small[index]).items():
            assert np.array_equal(array, getattr(large[index], name))
    assert (tmp_path / "small" / "distilled.pt").read_bytes() == (tmp_path / "large" / "distilled.pt").read_bytes()


def test_no_text_at_all(letter_teacher: LetterTeacher, letters: Encode, tmp_path: Path) -> None:
    write_lines(tmp_path / "mono.en", [])
    label(letter_teacher, letters, [SourceText(tmp_path / "mono.en", None)], tmp_path / "out")
    assert len(Store(tmp_path / "out")) == 0


def test_text_without_any_label_is_told(letter_teacher: LetterTeacher, letters: Encode, tmp_path: Path) -> None:
    write_lines(tmp_path / "mono.en", ["zoo", "", "zoo"])
    told = (
        r"^there is nothing to learn from \(labels: 0 for 3 sentences; left out: 2 unfinished, 1 empty\); see the "
        r"samples in .*distilled\.json: if most are unfinished, tokenizer and weights"
    )
    with pytest.raises(NmtDistillError, match=told):
        label(letter_teacher, letters, [SourceText(tmp_path / "mono.en", None)], tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "distilled.json").read_text())
    assert summary["samples_of_dropped"]["unfinished"] == ["zoo", "zoo"]


@pytest.mark.parametrize(
    ("sources", "targets", "is_told"),
    [
        (["zoo", "zoo", "ab"], "teacher", True),
        (["zoo", "ab"], "teacher", False),
        (["zoo", "zoo", "ab"], "human", False),
    ],
)
def test_translations_that_mostly_have_no_end_are_told(
    letter_teacher: LetterTeacher,
    letters: Encode,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sources: list[str],
    targets: Any,
    is_told: bool,
) -> None:
    """Human translations have an end; those called unfinished are too long."""
    write_lines(tmp_path / "mono.en", sources)
    summary = label(letter_teacher, letters, [SourceText(tmp_path / "mono.en", None)], tmp_path / "out")
    tell(summary, DistillationConfig(targets=targets))
    told = "more than half of the translations have no end: tokenizer and weights of the teacher may not belong"
    assert (told in capsys.readouterr().err) == is_told


def test_text_that_is_too_long_as_a_whole_is_told(
    letter_teacher: LetterTeacher, letters: Encode, tmp_path: Path
) -> None:
    write_lines(tmp_path / "mono.en", ["ab", "abc"])
    told = (
        r"left out: 2 source_too_long\); .* if most are source_too_long, raise distillation\.max_source_tokens as far"
    )
    with pytest.raises(NmtDistillError, match=told):
        label(letter_teacher, letters, [SourceText(tmp_path / "mono.en", None)], tmp_path / "out", max_source_tokens=1)


def test_forecast_is_told_once_and_changes_nothing(
    letter_teacher: LetterTeacher,
    letters: Encode,
    texts: list[SourceText],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "without")
    assert "forecast" not in capsys.readouterr().err
    monkeypatch.setattr(labelling, "WORTH_A_SAMPLE", len(SOURCES))
    label(letter_teacher, letters, texts, tmp_path / "with")
    assert "forecast from a sample: 6 sentences at" in capsys.readouterr().err
    assert content(tmp_path / "with") == content(tmp_path / "without")
    label(letter_teacher, letters, texts, tmp_path / "with")
    assert "forecast" not in capsys.readouterr().err


def test_what_a_teacher_said_that_was_out_of_step_is_not_kept(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert letter_teacher.num_closed == 1
    expected = content(tmp_path / "out")
    (tmp_path / "out" / "hypotheses-00001.jsonl").unlink()
    letter_teacher.is_out_of_step = True
    with pytest.raises(NmtDistillError, match="one answer too many"):
        label(letter_teacher, letters, texts, tmp_path / "out")
    assert not (tmp_path / "out" / "hypotheses-00001.jsonl").exists()
    assert (tmp_path / "out" / "hypotheses-00000.jsonl").exists()
    letter_teacher.is_out_of_step = False
    label(letter_teacher, letters, texts, tmp_path / "out")
    assert content(tmp_path / "out") == expected


def test_drawn_tokens_in_place_of_the_most_probable(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out", kept="drawn", num_kept=4)
    store = Store(tmp_path / "out")
    assert (store.header.kept, store.header.num_kept) == ("drawn", 4)
    record = store[0]
    assert record.kept_ids is not None
    assert record.kept_weights is not None
    assert record.tail is None
    assert record.kept_ids.tolist() == [[token, token + 1, token + 2] for token in record.target_ids.tolist()]
    assert record.kept_weights.tolist() == [[0.5, 0.25, 0.25]] * 3
    letter_teacher.calls.clear()
    label(letter_teacher, letters, texts, tmp_path / "out", num_kept=4)
    assert letter_teacher.calls, "labels with another kind of soft targets are made again"
    assert Store(tmp_path / "out").header.kept == "top"


def test_precision_of_probabilities_reaches_the_store(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, texts, tmp_path / "out", probs_precision="float32")
    probs = Store(tmp_path / "out")[0].kept_probs
    assert probs is not None
    assert probs.dtype == np.float32


REVERSE = ReverseFilterConfig(
    teacher=MarianTeacherConfig(model="m", vocabulary="v", origin="a test", licence="none"), share=0.5
)
SHORTEST_FIRST: dict[str, Any] = {
    "filters": LabelFilterConfig(reverse=REVERSE),
    "reverse": lambda _, labels: [float(len(label)) for label in labels],
}
"""settings with a reverse model that likes long labels"""
LINES = ["abcd", "ab", "zoo", "abc", "a", "ef"]


@pytest.fixture
def lines(tmp_path: Path) -> list[SourceText]:
    write_lines(tmp_path / "lines.en", LINES)
    return [SourceText(tmp_path / "lines.en", None)]


def test_worst_labels_by_a_reverse_model_are_left_out_of_text_and_store(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, letters, lines, tmp_path / "out", **SHORTEST_FIRST)
    assert summary["counts"] == {"sentences": 6, "candidates": 6, "kept": 3, "labels": 3, "not_the_best_score": 0}
    assert summary["dropped"] == {"unfinished": 1, "reverse_score": 2}
    assert summary["samples_of_dropped"] == {"unfinished": ["zoo"], "reverse_score": ["ab → bc", "a → b"]}
    assert summary["reverse"] == {"labels": 5, "left_out": 2, "threshold": 2.0}
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["abcd", "abc", "ef"]
    store = Store(tmp_path / "out")
    sources, targets = letters(["abcd", "abc", "ef"]), letters(["bcde", "bcd", "fg"])
    assert [store[place].source_ids.tolist() for place in range(len(store))] == sources
    assert [store[place].target_ids.tolist() for place in range(len(store))] == targets
    assert [lengths.tolist() for lengths in store.lengths()] == [[5, 4, 3], [5, 4, 3]]
    flat = np.concatenate(list(store.all_ids())).tolist()
    assert sorted(flat) == sorted(token for ids in (*sources, *targets) for token in ids)


def test_no_shard_depends_on_what_is_left_out(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    for name, share in (("few", 0.2), ("many", 0.6)):
        filters = LabelFilterConfig(reverse=replace(REVERSE, share=share))
        label(letter_teacher, letters, lines, tmp_path / name, **{**SHORTEST_FIRST, "filters": filters})
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    assert [name for name in few if few[name] != many[name]] == [
        "distilled.en",
        "distilled.json",
        "distilled.pt",
        "store.json",
    ]
    entries = [json.loads(line) for line in read_lines(tmp_path / "many" / "hypotheses-00001.jsonl")]
    assert [entry.get("reverse") for entry in entries] == [None, [3.0]]


def test_one_of_several_labels_is_left_out(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    def like_order(_: Sequence[str], labels: Sequence[str]) -> list[float]:
        return [float(label == "".join(sorted(label))) for label in labels]

    options = {"beam_size": 2, "num_candidates": 2, "num_labels": 2}
    summary = label(
        letter_teacher, letters, lines, tmp_path / "out", **{**SHORTEST_FIRST, "reverse": like_order}, **options
    )
    assert summary["reverse"] == {"labels": 9, "left_out": 4, "threshold": 0.0}
    assert "reverse_score" not in summary["dropped"]
    assert (summary["counts"]["kept"], summary["counts"]["labels"]) == (5, 5)
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bcde", "bc", "bcd", "b", "fg"]
    assert len(Store(tmp_path / "out")) == 5


def test_labelling_with_a_reverse_model_goes_on_with_the_same_bytes(
    letter_teacher: LetterTeacher, letters: Encode, lines: list[SourceText], tmp_path: Path
) -> None:
    label(letter_teacher, letters, lines, tmp_path / "whole", **SHORTEST_FIRST)
    expected = content(tmp_path / "whole")
    label(letter_teacher, letters, lines, tmp_path / "cut", **SHORTEST_FIRST)
    for name in ("store.json", "distilled.en", "hypotheses-00001.jsonl"):
        (tmp_path / "cut" / name).unlink()
    label(letter_teacher, letters, lines, tmp_path / "cut", **SHORTEST_FIRST)
    assert content(tmp_path / "cut") == expected


def test_teacher_without_ids_has_its_worst_labels_left_out_too(
    letter_teacher: LetterTeacher, lines: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, None, lines, tmp_path / "out", **SHORTEST_FIRST)
    assert summary["dropped"] == {"unfinished": 1, "reverse_score": 2}
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bcde", "bcd", "fg"]


def test_human_translations_stand_beside_the_teachers(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    """Each with what the teacher says over it: word-level distillation where the target is no teacher's."""
    summary = label(letter_teacher, letters, texts, tmp_path / "out", human_share=1.0)
    assert list(read_lines(tmp_path / "out" / "distilled.en")) == ["ab", "ab", "", "zoo", "c d", "xy"]
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bc", "cb", "x", "y", "d e", "yz"]
    assert summary["counts"] == {
        "sentences": 6, "candidates": 8, "kept": 5, "labels": 6, "human": 3, "not_the_best_score": 0,
    }  # fmt: skip
    assert summary["dropped"] == {"source_too_long": 1}
    first = json.loads(next(read_lines(tmp_path / "out" / "hypotheses-00000.jsonl")))
    assert (first["chosen"], first["human"], first["candidates"][1]["text"]) == ([0, 1], 1, "cb")
    record = Store(tmp_path / "out")[1]
    assert record.target_ids.tolist() == letters(["cb"])[0]
    assert record.kept_ids is not None
    assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist(), "the teacher was asked about this target"
    none = label(letter_teacher, letters, texts, tmp_path / "none", human_share=0.0)
    assert "human" not in none["counts"]


def test_human_translation_that_the_teacher_gives_too_is_one_label(
    letter_teacher: LetterTeacher, letters: Encode, tmp_path: Path
) -> None:
    write_lines(tmp_path / "train.en", ["ab", "cd", "ef"])
    write_lines(tmp_path / "train.pt", ["bc", "much too long a text", "xx"])
    texts = [SourceText(tmp_path / "train.en", tmp_path / "train.pt")]
    summary = label(letter_teacher, letters, texts, tmp_path / "out", human_share=1.0)
    assert summary["counts"]["human"] == 1
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["bc", "de", "fg", "xx"]


def test_share_of_human_translations_is_that_share_and_part_of_a_larger_one() -> None:
    pairs = [(f"source {number}", f"target {number}") for number in range(4000)]
    chosen = {share: {pair for pair in pairs if is_in_share(*pair, share)} for share in (0.0, 0.25, 0.5, 1.0)}
    assert (len(chosen[0.0]), len(chosen[1.0])) == (0, 4000)
    for share in (0.25, 0.5):
        assert len(chosen[share]) == pytest.approx(4000 * share, abs=4 * (4000 * share * (1 - share)) ** 0.5)
    assert chosen[0.25] < chosen[0.5]


def test_forced_reads_the_teacher_over_human_translations_alone(
    letter_teacher: LetterTeacher, letters: Encode, texts: list[SourceText], tmp_path: Path
) -> None:
    summary = label(letter_teacher, letters, texts[:1], tmp_path / "out", targets="forced", max_source_tokens=9)
    assert letter_teacher.calls == [], "it translates nothing"
    assert list(read_lines(tmp_path / "out" / "distilled.pt")) == ["cb", "x", "y", "z"]
    assert summary["counts"]["labels"] == 4
    record = Store(tmp_path / "out")[0]
    assert record.target_ids.tolist() == letters(["cb"])[0]
    assert record.kept_ids is not None
    assert record.kept_ids[:, 0].tolist() == record.target_ids.tolist()
