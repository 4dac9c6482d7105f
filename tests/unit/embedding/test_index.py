from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.index import SentenceIndex, make_index
from nmt_distill.embedding.student_vectors import scaled_to_one
from nmt_distill.embedding.vectors import VectorStore, shard_path
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.translation.model_folder import write_checksums


@pytest.fixture(scope="module")
def encoder(toy_encoder: Path) -> SentenceEncoder:
    return SentenceEncoder(toy_encoder, threads=1)


@pytest.fixture(scope="module")
def lines(toy_sentences: list[str]) -> list[str]:
    return list(dict.fromkeys(toy_sentences))


def flip(path: Path) -> None:
    """Change every byte of the middle of a file."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, 2 * len(content) // 3):
        content[place] ^= 0xFF
    path.write_bytes(content)


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
    stored = np.concatenate(VectorStore(tmp_path / "index").shards)
    np.testing.assert_allclose(stored, encoder.embed(lines), atol=2e-3)
    vectors = scaled_to_one(stored.astype(np.float32))  # embedded in other batches some end in another last bit
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


def test_an_empty_line_is_told_by_its_number_in_the_text(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors are made of distinct lines, a shard at a time."""
    monkeypatch.setattr("nmt_distill.embedding.index.SHARD_SENTENCES", 2)
    with pytest.raises(NmtDistillError, match=r"line 4 is empty and so has no vector; leave it out"):
        make_index(tmp_path / "index", ["one", "one", "two", ""], encoder)


def test_progress_is_told_within_a_shard(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nmt_distill.embedding.vectors.EMBED_SENTENCES", 2)
    monkeypatch.setattr("nmt_distill.progress.LOG_INTERVAL", 0)
    make_index(tmp_path / "index", ["one", "two", "one", "three"], encoder)
    counts = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert counts == ["0/4", "3/4", "4/4", "4/4"]


def test_graph_grows_in_steps_on_the_threads_that_were_given(
    encoder: SentenceEncoder, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = pytest.importorskip("usearch.index").Index
    steps: list[tuple[int, int]] = []

    class Watched(kind):  # type: ignore[misc, valid-type]
        def add(self, keys: Any, vectors: Any, *, threads: int) -> Any:
            steps.append((len(keys), threads))
            return super().add(keys, vectors, threads=threads)

    monkeypatch.setattr("nmt_distill.embedding.index.load_usearch", lambda: Watched)
    for name, number in (("SHARD_SENTENCES", 30), ("ROWS_AT_ONCE_IN_GRAPH", 20)):
        monkeypatch.setattr(f"nmt_distill.embedding.index.{name}", number)
    make_index(tmp_path / "index", lines[:50], encoder, approximate=True)
    assert steps == [(20, 1), (10, 1), (20, 1)]
    for place, (hit, *_) in enumerate(SentenceIndex(tmp_path / "index", encoder).search(lines[:50])):
        assert hit.line == place + 1


@pytest.mark.parametrize(
    ("message", "raised"), [("Operation has been terminated", KeyboardInterrupt), ("Out of memory", RuntimeError)]
)
def test_an_interrupt_is_one_inside_usearch_too(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, raised: type[BaseException]
) -> None:
    kind = pytest.importorskip("usearch.index").Index

    class Interrupted(kind):  # type: ignore[misc, valid-type]
        def add(self, keys: Any, vectors: Any, *, threads: int) -> Any:
            raise RuntimeError(message)

    monkeypatch.setattr("nmt_distill.embedding.index.load_usearch", lambda: Interrupted)
    with pytest.raises(raised):
        make_index(tmp_path / "index", ["one", "two"], encoder, approximate=True)
    assert list(tmp_path.iterdir()) == []


def test_two_do_not_make_one_index_at_once(encoder: SentenceEncoder, tmp_path: Path) -> None:
    folder = tmp_path / "index"

    def lines() -> Iterator[str]:
        yield "one"
        with pytest.raises(NmtDistillError, match=r"another nmt-distill writes \S*index; wait for it, or name another"):
            make_index(folder, ["two"], encoder)
        yield "three"

    assert make_index(folder, lines(), encoder) == 2
    assert [hit.text for hit in SentenceIndex(folder, encoder).search(["one"])[0]] == ["one", "three"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_is_no_index_is_not_replaced(encoder: SentenceEncoder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(NmtDistillError, match=r"mine exists, but is no index"):
        make_index(tmp_path / "mine", ["one"], encoder)
    with pytest.raises(NmtDistillError, match=r"mine is no index; make one with `nmt-distill embed --index"):
        SentenceIndex(tmp_path / "mine", encoder)


def test_text_that_was_changed_is_noticed(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one", "two"], encoder)
    (tmp_path / "index" / "lines.txt").write_text("one\nTWO\n", encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"index .*: lines\.txt damaged or missing; make the index again"):
        SentenceIndex(tmp_path / "index", encoder)


def test_another_model_is_refused(encoder: SentenceEncoder, toy_student: Path, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one"], encoder)
    write_encoder(toy_student, tmp_path / "other", precision="int8", name="other")
    with pytest.raises(NmtDistillError, match=r"index was made by another model, .*; make the index again"):
        SentenceIndex(tmp_path / "index", SentenceEncoder(tmp_path / "other"))


def test_an_index_that_is_made_anew_does_not_mix_with_the_open_one(
    encoder: SentenceEncoder, lines: list[str], tmp_path: Path
) -> None:
    make_index(tmp_path / "index", lines[:20], encoder)
    searched, unsearched = (SentenceIndex(tmp_path / "index", encoder) for _ in range(2))
    searched.search(lines[:1])
    make_index(tmp_path / "index", lines[30:35], encoder)
    assert searched.search(lines[3:4])[0][0].text == lines[3]
    with pytest.raises(NmtDistillError, match=r"vectors-00000\.npy damaged or missing; make the index again"):
        unsearched.search(lines[3:4])


def test_lines_of_a_text_in_many_parts(
    encoder: SentenceEncoder, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt_distill.embedding.index.TEXT_AT_ONCE", 7)
    make_index(tmp_path / "index", ["é", *lines[:9]], encoder)
    (hits,) = SentenceIndex(tmp_path / "index", encoder).search(["one"], num_hits=10)
    assert {hit.line: hit.text for hit in hits} == dict(enumerate(["é", *lines[:9]], start=1))


def test_something_else_in_an_index_is_not_lost(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one"], encoder)
    (tmp_path / "index" / "notes.md").write_text("mine")
    with pytest.raises(NmtDistillError, match=r"index holds notes\.md too, which would be lost; move it"):
        make_index(tmp_path / "index", ["two"], encoder)
    assert (tmp_path / "index" / "notes.md").read_text() == "mine"


def test_damaged_headers_of_vectors_are_told(encoder: SentenceEncoder, tmp_path: Path) -> None:
    """numpy reads them as Python, and fails in many ways."""
    make_index(tmp_path / "index", ["one", "two"], encoder)
    path = shard_path(tmp_path / "index", 0)
    whole = path.read_bytes()
    for place in range(10, 80):
        for byte in b"{(,'x":
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            if path.read_bytes() != whole:
                with pytest.raises(NmtDistillError, match="make the index again"):
                    SentenceIndex(tmp_path / "index", encoder).search(["one"])


def test_no_hits_are_no_wish(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_index(tmp_path / "index", ["one"], encoder)
    with pytest.raises(ValueError, match="`num_hits` must be at least 1, but is -1 instead"):
        SentenceIndex(tmp_path / "index", encoder).search(["one"], num_hits=-1)


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


@pytest.fixture(scope="module")
def approximate(encoder: SentenceEncoder, lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 50 lines with a graph; copy it to change it."""
    pytest.importorskip("usearch")
    folder = tmp_path_factory.mktemp("approximate") / "index"
    make_index(folder, lines[:50], encoder, approximate=True)
    return folder


def test_graph_with_flipped_bytes_does_not_reach_usearch(
    encoder: SentenceEncoder, approximate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(approximate, tmp_path / "index"))
    flip(folder / "approximate.usearch")
    monkeypatch.setattr("nmt_distill.embedding.index.load_usearch", None)
    index = SentenceIndex(folder, encoder)
    with pytest.raises(
        NmtDistillError, match=r"index .*: approximate\.usearch damaged or missing; search with --exact, or"
    ):
        index.search(["one"])
    assert len(index.search(["one"], exact=True)[0]) == 10


@pytest.mark.parametrize(
    ("name", "is_seen_by_graph"),
    [("lines.txt", True), ("vectors.json", True), ("vectors-00000.npy", False), ("checksums.json", True)],
)
def test_every_file_that_a_search_reads_is_looked_at(
    encoder: SentenceEncoder, approximate: Path, tmp_path: Path, name: str, is_seen_by_graph: bool
) -> None:
    folder = Path(shutil.copytree(approximate, tmp_path / "index"))
    flip(folder / name)
    for exact in (True, False):
        if exact or is_seen_by_graph:
            with pytest.raises(NmtDistillError, match=name.replace(".", r"\.")):
                SentenceIndex(folder, encoder).search(["one"], exact=exact)
        else:
            assert len(SentenceIndex(folder, encoder).search(["one"])[0]) == 10


def test_index_without_checksums_is_made_again(encoder: SentenceEncoder, approximate: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(approximate, tmp_path / "index"))
    (folder / "checksums.json").unlink()
    with pytest.raises(NmtDistillError, match=r"index has no checksums\.json .*; make the index again\."):
        SentenceIndex(folder, encoder)
    make_index(folder, ["one"], encoder)
    assert len(SentenceIndex(folder, encoder)) == 1


def test_graph_of_another_usearch_is_told(encoder: SentenceEncoder, approximate: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(approximate, tmp_path / "index"))
    (folder / "approximate.usearch").write_bytes(b"another format")
    write_checksums(folder)
    with pytest.raises(
        NmtDistillError, match=r"approximate\.usearch is of another usearch than the one installed here"
    ):
        SentenceIndex(folder, encoder).search(["one"])


def test_a_graph_that_finds_no_room_is_told(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setattr("nmt_distill.embedding.index.APPROXIMATE_NAME", "/dev/full")
    with pytest.raises(NmtDistillError, match=r"/dev/full cannot be written whole; make room, or leave"):
        make_index(tmp_path / "index", ["one", "two"], encoder, approximate=True)
    assert list(tmp_path.iterdir()) == []
