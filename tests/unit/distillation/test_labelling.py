"""What becomes of sentences that a teacher labels: what is kept, what is left out and counted, and what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nmt_distill.distillation import labelling
from nmt_distill.distillation.config import DistillationConfig
from nmt_distill.distillation.filters import LabelFilterConfig
from nmt_distill.distillation.labelling import tell
from nmt_distill.distillation.source_text import SourceText
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines, write_lines
from tests.labellings import SOURCES, Encode, content, label

if TYPE_CHECKING:
    from tests.unit.distillation.conftest import LetterTeacher


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


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_memory_that_ends_is_told_with_a_remedy(
    letter_teacher: LetterTeacher,
    letters: Encode,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise error

    write_lines(tmp_path / "mono.en", SOURCES)
    monkeypatch.setattr(letter_teacher, "translate", full)
    with pytest.raises(
        NmtDistillError, match=r"^memory ran out while the teacher labelled; set teacher\.batch_tokens to"
    ):
        label(letter_teacher, letters, [SourceText(tmp_path / "mono.en", None)], tmp_path / "out")


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
