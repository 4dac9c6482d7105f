from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.index import SentenceIndex, make_index
from nmt_distill.embedding.student_vectors import scaled_to_one
from nmt_distill.embedding.vectors import shard_path
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.encoder_folder import write_encoder


@pytest.fixture(scope="module")
def encoder(toy_encoder: Path) -> SentenceEncoder:
    return SentenceEncoder(toy_encoder, threads=1)


@pytest.fixture(scope="module")
def lines(toy_sentences: list[str]) -> list[str]:
    return list(dict.fromkeys(toy_sentences))


def test_exact_search_is_a_sort_by_cosine(
    encoder: SentenceEncoder, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt_distill.embedding.index.SHARD_SENTENCES", 150)
    monkeypatch.setattr("nmt_distill.embedding.index.ROWS_AT_ONCE", 70)
    monkeypatch.setattr("nmt_distill.embedding.index.QUERIES_AT_ONCE", 1)
    assert make_index(tmp_path / "index", lines, encoder) == len(lines)
    assert shard_path(tmp_path / "index", 1).exists()
    index = SentenceIndex(tmp_path / "index", encoder)
    queries = ["Turn off the music", lines[300]]
    vectors = scaled_to_one(encoder.embed(lines).astype(np.float16).astype(np.float32))
    asked = encoder.embed(queries)
    for query, hits in zip(asked, index.search(queries, num_hits=7), strict=True):
        expected = np.argsort(-(vectors @ query), kind="stable")[:7]
        assert [hit.line for hit in hits] == (expected + 1).tolist()
        assert [hit.score for hit in hits] == pytest.approx((vectors @ query)[expected].tolist(), abs=1e-5)
        assert max(hit.score for hit in hits) < 1 + 1e-6
        assert [hit.text for hit in hits] == [lines[place] for place in expected]
    assert hits[0].text == lines[300]


def test_an_index_of_nothing_is_refused(encoder: SentenceEncoder, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"/index would be empty: there is no line to embed\."):
        make_index(tmp_path / "index", [], encoder)
    assert list(tmp_path.iterdir()) == []


def test_no_more_hits_than_lines(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one", "two"], encoder)
    (hits,) = SentenceIndex(tmp_path / "index", encoder).search(["three"], num_hits=10)
    assert sorted(hit.line for hit in hits) == [1, 2]


def test_graph_finds_nearly_what_is_there(encoder: SentenceEncoder, lines: list[str], tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    make_index(tmp_path / "index", lines, encoder, approximate=True)
    index = SentenceIndex(tmp_path / "index", encoder)
    assert index.is_approximate
    near, exact = (index.search(lines[:40], num_hits=5, exact=exact) for exact in (False, True))
    shared = [len({a.line for a in one} & {b.line for b in other}) for one, other in zip(near, exact, strict=True)]
    assert np.mean(shared) > 4
    assert near[0][0].score == pytest.approx(exact[0][0].score, abs=1e-2)


def test_index_is_whole_or_not_there(encoder: SentenceEncoder, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"line 2 is empty"):
        make_index(tmp_path / "index", ["one", "", "two"], encoder)
    assert list(tmp_path.iterdir()) == []
    make_index(tmp_path / "index", ["one"], encoder)
    with pytest.raises(NmtDistillError, match=r"line 1 is empty"):
        make_index(tmp_path / "index", [""], encoder)
    assert len(SentenceIndex(tmp_path / "index", encoder)) == 1, "what stood there still does"


def test_what_is_no_index_is_not_replaced(encoder: SentenceEncoder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(NmtDistillError, match=r"mine exists, but is no index"):
        make_index(tmp_path / "mine", ["one"], encoder)
    with pytest.raises(NmtDistillError, match=r"mine is no index; make one with `nmt-distill embed --index"):
        SentenceIndex(tmp_path / "mine", encoder)


def test_text_that_was_changed_is_noticed(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one", "two"], encoder)
    (tmp_path / "index" / "lines.txt").write_text("one\nTWO\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"is needed; lines.txt was changed: make the index again"):
        SentenceIndex(tmp_path / "index", encoder)


def test_another_model_is_refused(encoder: SentenceEncoder, toy_student: Path, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one"], encoder)
    write_encoder(toy_student, tmp_path / "other", precision="int8", name="other")
    with pytest.raises(NmtDistillError, match=r"its teacher is .* is needed; make the index again with this model"):
        SentenceIndex(tmp_path / "index", SentenceEncoder(tmp_path / "other"))


def test_a_folder_with_a_text_of_that_name_is_not_replaced(encoder: SentenceEncoder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("lines.txt", "other.txt"):
        (tmp_path / "mine" / name).write_text("one\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"mine exists, but is no index; name another folder"):
        make_index(tmp_path / "mine", ["one"], encoder)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["lines.txt", "other.txt"]
    with pytest.raises(NmtDistillError, match=r"mine is no index; make one with"):
        SentenceIndex(tmp_path / "mine", encoder)


def test_a_line_break_inside_a_line_is_refused(encoder: SentenceEncoder, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"line 2: the text holds a line break: 'two\\nthree'"):
        make_index(tmp_path / "index", ["one", "two\nthree"], encoder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 100, -100])
def test_a_damaged_graph_is_told(encoder: SentenceEncoder, lines: list[str], tmp_path: Path, length: int) -> None:
    pytest.importorskip("usearch")
    make_index(tmp_path / "index", lines[:50], encoder, approximate=True)
    graph = tmp_path / "index" / "approximate.usearch"
    graph.write_bytes(graph.read_bytes()[:length])
    index = SentenceIndex(tmp_path / "index", encoder)
    with pytest.raises(NmtDistillError, match=r"approximate\.usearch is damaged; search with --exact, or index again"):
        index.search(["one"])
    assert len(index.search(["one"], exact=True)[0]) == 10


def test_a_graph_that_finds_no_room_is_told(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setattr("nmt_distill.embedding.index.APPROXIMATE_NAME", "/dev/full")
    with pytest.raises(NmtDistillError, match=r"/dev/full cannot be written whole; make room, or leave"):
        make_index(tmp_path / "index", ["one", "two"], encoder, approximate=True)
    assert list(tmp_path.iterdir()) == []
