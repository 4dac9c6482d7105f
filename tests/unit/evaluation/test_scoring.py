"""From outputs to scores, and from files to scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.metrics import score, sentence_chrf
from nmt_distill.evaluation.report import Report
from nmt_distill.evaluation.scoring import evaluate_files, score_test_set, teacher_share
from nmt_distill.languages import Direction

SOURCES = ["one two three four", "a", "five six seven eight", "b", "nine ten eleven twelve"]
REFERENCES = ["um dois três quatro", "a", "cinco seis sete oito", "b", "nove dez onze doze"]
WORSE = ["um dois três xxx", "a", "yyy", "b", "nove dez onze doze"]


def scored(**options: Any) -> Any:
    given: dict[str, Any] = {
        "name": "test", "direction": Direction(source="en", target="pt"), "sources": SOURCES, "references": REFERENCES,
        "outputs": {"teacher": REFERENCES, "student": WORSE}, "teacher": "teacher", "focus": "student",
        "num_resamples": 32, "num_trials": 32,
    }  # fmt: skip
    return score_test_set(**(given | options))


def test_agreement_and_share_refer_to_the_teacher(report: Report) -> None:
    teacher, student, _ = report.test_sets[0].systems
    assert teacher.agreement is not None
    assert teacher.agreement.value == pytest.approx(100)
    assert teacher.teacher_share == 100
    assert student.teacher_share == 100 * student.scores.chrf.value / teacher.scores.chrf.value
    row = scored(outputs={"teacher": WORSE, "student": WORSE}).systems[1]
    assert row.agreement.value == pytest.approx(100)  # against the teacher, whatever the references are
    assert row.scores.chrf.value < 100


def test_without_a_teacher() -> None:
    test_set = scored(teacher=None)
    assert all(row.agreement is None and row.teacher_share is None for row in test_set.systems)
    assert [sentence.line for sentence in test_set.worst] == [3, 1]


def test_share_of_a_teacher_that_knows_nothing() -> None:
    assert teacher_share(10, 0) is None
    assert teacher_share(30, 60) == 50


def test_worst_sentences_come_first_and_only_where_something_is_lost() -> None:
    worst = scored().worst
    assert [sentence.line for sentence in worst] == [3, 1]
    teacher, student = worst[0].translations
    assert (teacher.system, teacher.text, teacher.chrf) == ("teacher", REFERENCES[2], pytest.approx(100))
    assert (student.system, student.text, student.chrf) == ("student", "yyy", sentence_chrf("yyy", REFERENCES[2]))
    assert len(scored(num_worst=1).worst) == 1
    assert scored(focus="teacher").worst == ()


def test_examples_are_evenly_spaced_over_long_sentences() -> None:
    assert [sentence.line for sentence in scored(num_examples=3).examples] == [1, 3, 5]
    assert [sentence.line for sentence in scored(num_examples=2).examples] == [1, 3]
    assert [sentence.line for sentence in scored(num_examples=5).examples] == [1, 2, 3, 4, 5]
    assert len(scored(num_examples=9).examples) == 5
    assert scored(num_examples=0).examples == ()
    assert scored(focus=None).examples == ()


def test_most_changed_sentences_whatever_the_references_say() -> None:
    changed = scored(references=WORSE).changed
    assert [sentence.line for sentence in changed] == [3, 1]  # the teacher is the worse one there
    assert len(scored(num_changed=1).changed) == 1
    assert scored(focus="teacher").changed == ()
    assert scored(teacher=None).changed == ()


def test_sentences_of_scripts_without_spaces_are_shown() -> None:
    chinese = ["我喜欢猫", "好", "请打开客厅的灯", "停", "今天天气很好"]
    assert [sentence.line for sentence in scored(sources=chinese).changed] == [3, 1]
    assert [sentence.line for sentence in scored(sources=chinese, num_examples=3).examples] == [1, 3, 5]


def test_intervals_and_trials_are_asked_for() -> None:
    test_set = scored(comparisons=[("student", "teacher")])
    assert test_set.systems[1].scores.chrf.lower is not None
    assert test_set.comparisons[0].num_trials == 32
    plain = scored(comparisons=[("student", "teacher")], num_resamples=0, num_trials=0)
    assert plain.systems[1].scores.chrf.lower is None
    assert plain.comparisons[0].randomization_p is None


def test_one_sentence_has_no_interval_and_nothing_to_test() -> None:
    one = {"sources": SOURCES[:1], "references": REFERENCES[:1], "comparisons": [("student", "teacher")]}
    test_set = scored(outputs={"teacher": REFERENCES[:1], "student": WORSE[:1]}, **one)
    assert test_set.comparisons == ()
    assert test_set.systems[1].scores.chrf.value < 100
    assert (test_set.systems[1].scores.chrf.lower, test_set.systems[1].scores.chrf.upper) == (None, None)


def test_tokenizer_reaches_scores_and_tests() -> None:
    test_set = scored(tokenizer="char", comparisons=[("student", "teacher")])
    by_word = scored(comparisons=[("student", "teacher")])
    assert "tok:char" in test_set.systems[1].scores.bleu.signature
    assert test_set.comparisons[0].difference != by_word.comparisons[0].difference


def test_comparisons_are_named() -> None:
    comparisons = scored(comparisons=[("student", "teacher"), ("student", "student")]).comparisons
    assert [(c.system, c.baseline, c.metric, c.identical) for c in comparisons] == [
        ("student", "teacher", "BLEU", False),
        ("student", "teacher", "chrF2++", False),
        ("student", "teacher", "TER", False),
        ("student", "student", "BLEU", True),
        ("student", "student", "chrF2++", True),
        ("student", "student", "TER", True),
    ]


@pytest.mark.parametrize(
    "options", [{"teacher": "x"}, {"focus": "x"}, {"comparisons": [("student", "x")]}, {"speeds": {"x": None}}]
)
def test_unknown_system_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(NmtDistillError, match="`x` has no output on `test`; there is teacher, student"):
        scored(**options)


def test_output_of_another_length_is_told() -> None:
    with pytest.raises(NmtDistillError, match="`student` gave 1 translation for the 5 sentences of `test`"):
        scored(outputs={"teacher": REFERENCES, "student": ["a"]})


def write(folder: Path, **files: bytes) -> dict[str, Path]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def test_files_score_as_their_lines(tmp_path: Path) -> None:
    lines = {"output": WORSE, "reference": REFERENCES, "source": SOURCES, "teacher": REFERENCES}
    path = write(tmp_path, **{name: "".join(f"{line}\n" for line in text).encode() for name, text in lines.items()})
    result = evaluate_files(path["output"], path["reference"], path["source"], path["teacher"], target="pt")
    expected = score(WORSE, REFERENCES, target="pt")
    bleu = result["scores"]["bleu"]
    assert (bleu["value"], bleu["signature"]) == (expected.bleu.value, expected.bleu.signature)
    assert bleu["lower"] <= bleu["value"] <= bleu["upper"]
    assert result["scores"]["chrf"]["value"] == sacrebleu.corpus_chrf(WORSE, [REFERENCES], word_order=2).score
    assert result["teacher_share"] == pytest.approx(expected.chrf.value)
    assert result["agreement"]["value"] == pytest.approx(expected.chrf.value)
    assert result["risks"]["copy_rate"] == 2 / 5
    plain = evaluate_files(path["output"], path["reference"], target="pt")
    assert set(plain) == {"target", "scores"}


def test_line_separators_inside_a_line_are_text(tmp_path: Path) -> None:
    path = write(tmp_path, output="a\u2028b\x85c\nd".encode(), reference=b"a b c\nd\n")
    assert evaluate_files(path["output"], path["reference"], target="en")["scores"]["num_sentences"] == 2


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    text = b"a b c\nd e f\n"
    path = write(tmp_path, marked=b"\xef\xbb\xbf" + text, plain=text)
    plain = evaluate_files(path["plain"], path["plain"], path["plain"], path["plain"], target="en")
    assert evaluate_files(path["marked"], path["plain"], path["marked"], path["plain"], target="en") == plain
    assert evaluate_files(path["plain"], path["marked"], path["plain"], path["marked"], target="en") == plain


def test_bad_files_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, two=b"a\nb\n", three=b"a\nb\nc\n", empty=b"", bad=b"a\n\xff\n")
    with pytest.raises(NmtDistillError, match=r"two has 2 lines but \S*three has 3; line 3 of \S*three has no partner"):
        evaluate_files(path["two"], path["three"], target="en")
    with pytest.raises(NmtDistillError, match=r"two has 2 lines but \S*three has 3"):
        evaluate_files(path["two"], path["two"], path["three"], target="en")
    with pytest.raises(NmtDistillError, match=r"two has 2 lines but \S*three has 3"):
        evaluate_files(path["two"], path["two"], None, path["three"], target="en")
    with pytest.raises(NmtDistillError, match=r"empty is empty; it must hold a sentence a line"):
        evaluate_files(path["empty"], path["two"], target="en")
    with pytest.raises(NmtDistillError, match=r"bad, line 2: not valid UTF-8"):
        evaluate_files(path["two"], path["bad"], target="en")
    with pytest.raises(NmtDistillError, match=r"none does not exist"):
        evaluate_files(tmp_path / "none", path["two"], target="en")
