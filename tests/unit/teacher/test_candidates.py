"""Translations made elsewhere: found by their source, ordered by score, every fault with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_distill.corpus.text import one_line
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher import candidates
from nmt_distill.teacher.base import Sampling, Teacher, WhiteBoxTeacher
from nmt_distill.teacher.candidates import CandidatesTeacher

EN_DE = Direction(source="en", target="de")


def load(path: Path, content: str | bytes) -> CandidatesTeacher:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return CandidatesTeacher(path, direction=EN_DE, origin="a shared task", licence="CC0")


def look_up(teacher: CandidatesTeacher, *sources: str, num_candidates: int = 9) -> list[list[tuple[str, float]]]:
    answers = teacher.translate(sources, num_candidates=num_candidates)
    return [[(found.text, found.score) for found in answer] for answer in answers]


def test_it_is_a_teacher_that_cannot_be_looked_into(tmp_path: Path) -> None:
    teacher: Teacher = load(tmp_path / "a.tsv", "a\tb\n")
    assert not isinstance(teacher, WhiteBoxTeacher)
    assert (teacher.direction, teacher.origin, teacher.licence) == (EN_DE, "a shared task", "CC0")
    assert (teacher.engine, teacher.num_parameters) == ("none, translated elsewhere", None)
    (hypothesis,) = teacher.translate(["a"])[0]
    assert (len(hypothesis.token_ids), hypothesis.finished) == (0, True)


def test_without_scores_the_order_of_the_file_decides(tmp_path: Path) -> None:
    teacher = load(tmp_path / "a.tsv", "one\tzwei\ntwo\tzwei\none\teins\nthree\t\none\tein")
    assert look_up(teacher, "three", "one", "four", "two", "one") == [
        [("", 0.0)],
        [("zwei", 0.0), ("eins", 0.0), ("ein", 0.0)],
        [],
        [("zwei", 0.0)],
        [("zwei", 0.0), ("eins", 0.0), ("ein", 0.0)],
    ]
    assert look_up(teacher, "one", num_candidates=2) == [[("zwei", 0.0), ("eins", 0.0)]]


def test_the_best_scores_come_first(tmp_path: Path) -> None:
    content = "one\tschlecht\t-3\ntwo\tzwei\t0\none\tgut\t-1e-1\r\none\tbesser\t -.05 \none\tauch gut\t-0.1\n"
    assert look_up(load(tmp_path / "a.tsv", content), "one", num_candidates=3) == [
        [("besser", -0.05), ("gut", -0.1), ("auch gut", -0.1)]
    ]


def test_lines_of_json_say_the_same(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"source": "one", "hypotheses": ["ein", "eins"], "scores": [-2, -1.5], "system": "A"},
        {"source": "two", "hypotheses": [], "scores": []},
        {"source": "one", "hypotheses": ["ei\tner"], "scores": [-1.75]},
    ]
    teacher = load(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert look_up(teacher, "one", "two") == [[("eins", -1.5), ("ei ner", -1.75), ("ein", -2.0)], []]
    for line in lines:
        del line["scores"]
    teacher = load(tmp_path / "b.jsonl", "\n".join(map(json.dumps, lines)))
    assert look_up(teacher, "one", "two") == [[("ein", 0.0), ("eins", 0.0), ("ei ner", 0.0)], []]


def test_sources_are_the_same_whatever_their_spaces_and_accents(tmp_path: Path) -> None:
    teacher = load(tmp_path / "a.tsv", " cafe\u0301  noir\taus\r\n")
    assert look_up(teacher, "café noir", "caf\u00e9\nnoir ", "cafe noir") == [[("aus", 0.0)], [("aus", 0.0)], []]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 2), min_size=1, max_size=8))
def test_every_pair_is_found_again(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"source": source, "hypotheses": [target]}) for source, target in pairs]
    teacher = load(tmp_path / "a.jsonl", "\n".join(lines))
    expected = [
        [one_line(target) for other, target in pairs if one_line(other) == one_line(source)] for source, _ in pairs
    ]
    assert [
        [found.text for found in answer] for answer in teacher.translate([s for s, _ in pairs], num_candidates=9)
    ] == expected


def test_sources_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "hash_of", lambda text: 2**64 - 1)
    teacher = load(tmp_path / "a.tsv", "one\teins\ntwo\tzwei\none\tein\n")
    assert look_up(teacher, "two", "one", "three") == [[("zwei", 0.0)], [("eins", 0.0), ("ein", 0.0)], []]


@pytest.mark.parametrize(
    ("name", "content", "line", "problem"),
    [
        ("a.tsv", "a\tb\nc\n", 2, "has 1 column between tabs, but must have 2, source and hypothesis, or 3, with a"),
        ("a.tsv", "a\tb\t1\tc", 1, "has 4 columns"),
        ("a.tsv", "a\tb\n\n", 2, "has 1 column"),
        ("a.tsv", "a\tb\t-1\na\tb\thigh\n", 2, "a score must be a finite number, but is 'high' instead"),
        ("a.tsv", "a\tb\tnan\n", 1, "a score must be a finite number, but is 'nan' instead"),
        ("a.tsv", "a\tb\t1\na\tb\n", 2, "scores are missing, other than in the lines before; all lines must have them"),
        ("a.tsv", "a\tb\na\tb\t1\n", 2, "there are scores, other than in the lines before"),
        (
            "a.tsv",
            b"a\tb\n\xe9\tb\n",
            2,
            r"not valid UTF-8 \(byte 1 of the line is 0xe9\); convert the file, for example",
        ),
        ("a.jsonl", "{}\n", 1, "`source` must be text"),
        ("a.jsonl", '{"source": "\\ud800", "hypotheses": []}', 1, "`source` must be text"),
        ("a.jsonl", '{"source": "a", "hypotheses": "b"}', 1, "`hypotheses` must be a list of texts"),
        ("a.jsonl", '{"source": "a", "hypotheses": [1]}', 1, "`hypotheses` must be a list of texts"),
        (
            "a.jsonl",
            '{"source": "a", "hypotheses": ["b"], "scores": [1, 2]}',
            1,
            "`scores` must be a list of as many numbers as there are hypotheses, 1",
        ),
        ("a.jsonl", '{"source": "a", "hypotheses": ["b"], "scores": [true]}', 1, "a score must .* but is True instead"),
        ("a.jsonl", '{"source": "a", "hypotheses": ["b"], "scores": [null]}', 1, "a score must .* but is None instead"),
        (
            "a.jsonl",
            '{"source": "a", "hypotheses": ["b"], "scores": [Infinity]}',
            1,
            "a score must .* but is inf instea",
        ),
        ("a.jsonl", '["a", "b"]\n', 1, r'must be an object like \{"source": "...", "hypotheses": \["..."\]\}'),
        ("a.jsonl", '{"source": "a", "hypotheses": []}\n{', 2, r"not valid JSON \(Expecting .*\)"),
    ],
)
def test_faults_are_told_with_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, line: int, problem: str
) -> None:
    with pytest.raises(NmtDistillError, match=rf"{name}, line {line}: {problem}") as error:
        load(tmp_path / name, content)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"a\.tsv is empty, but must hold translations\."):
        load(tmp_path / "a.tsv", "")
    with pytest.raises(NmtDistillError, match=r"teacher\.path must end in \.tsv or \.jsonl, but is .*a\.csv instead\."):
        load(tmp_path / "a.csv", "a,b")
    with pytest.raises(
        NmtDistillError, match=r"teacher\.path: .*none\.tsv cannot be read: No such file or directory\."
    ):
        CandidatesTeacher(tmp_path / "none.tsv", direction=EN_DE, origin="", licence="")


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    teacher = load(tmp_path / "a.tsv", "a\tb\n")
    (tmp_path / "a.tsv").write_text("a\tb\nc\td\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match="has changed since it was first read; run again"):
        teacher.translate(["a"])


def test_there_is_nothing_to_search_or_to_draw(tmp_path: Path) -> None:
    teacher = load(tmp_path / "a.tsv", "a\tb\n")
    for beam_size, sampling in [(4, None), (1, Sampling())]:
        with pytest.raises(NmtDistillError, match=r"beam_size must be 1 and sampling left out .* num_candidates says"):
            teacher.translate(["a"], beam_size=beam_size, sampling=sampling)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    found = [load(tmp_path / name, content).fingerprint for name, content in [("a.tsv", "a\tb"), ("b.tsv", "a\tb")]]
    assert found[0] == found[1] != load(tmp_path / "a.tsv", "a\tc").fingerprint


def test_texts_do_not_stay_in_memory(tmp_path: Path) -> None:
    content = "".join(f"source {number}\t{'long ' * 200}{number}\n" for number in range(1000))
    teacher = load(tmp_path / "a.tsv", content)
    assert (teacher._hashes.nbytes, teacher._offsets.nbytes) == (8000, 8000)
    assert look_up(teacher, "source 999") == [[("long " * 200 + "999", 0.0)]]
