from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from nmt_distill.embedding.vectors import (
    BEGUN_NAME,
    HEADER_NAME,
    VectorStore,
    shard_path,
    write_table,
    write_vectors,
)
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import write_json

LINES = ["one", "two", "three", "two", "five"]
FACTS: dict[str, Any] = {"teacher": "t", "corpus": "c", "shard_sentences": 2}


def lengths(sentences: Sequence[str]) -> Any:
    return np.array([[len(sentence), 1.0, 0.5] for sentence in sentences])


def test_vector_n_belongs_to_line_n(tmp_path: Path) -> None:
    header = write_vectors(tmp_path, LINES, lengths, **FACTS)
    store = VectorStore(tmp_path)
    assert (len(store), header.dim, header.is_normalized) == (5, 3, False)
    assert [store[place].tolist() for place in range(5)] == lengths(LINES).tolist()
    assert store[0].dtype == np.float16
    assert not (tmp_path / BEGUN_NAME).exists()


def test_length_1_is_found_out(tmp_path: Path) -> None:
    header = write_vectors(tmp_path, LINES, lambda part: np.eye(4)[[len(text) % 4 for text in part]], **FACTS)
    assert header.is_normalized


def test_a_line_that_comes_again_is_embedded_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def embed(part: Sequence[str]) -> Any:
        asked.extend(part)
        return lengths(part)

    write_vectors(tmp_path, ["a", "b", "a", "a"], embed, teacher="t", corpus="c", shard_sentences=10)
    assert asked == ["a", "b"]


def test_progress_counts_lines_within_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.embedding.vectors.EMBED_SENTENCES", 2)
    told: list[int] = []
    for _ in range(2):  # the second time all is there
        (tmp_path / HEADER_NAME).unlink(missing_ok=True)
        write_vectors(
            tmp_path, ["a", "b", "a", "cc", "a", "d"], lengths, teacher="t", corpus="c", shard_sentences=5,
            advance=told.append,
        )  # fmt: skip
        write_json(tmp_path / BEGUN_NAME, {"teacher": "t", "corpus": "c", "shard_sentences": 5})
    assert told == [4, 1, 1, 5, 1]
    assert VectorStore(tmp_path)[4].tolist() == lengths(["a"])[0].tolist()


def test_parts_of_a_shard_have_vectors_of_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_distill.embedding.vectors.EMBED_SENTENCES", 1)
    with pytest.raises(NmtDistillError, match=r"some vectors have 3 numbers, but others 2; the teacher must give"):
        write_vectors(tmp_path, LINES, lambda part: lengths(part)[:, : 2 if "two" in part else 3], **FACTS)


def test_what_was_broken_off_goes_on_with_the_shard_that_is_missing(tmp_path: Path) -> None:
    def broken(part: Sequence[str]) -> Any:
        if "three" in part:
            raise KeyboardInterrupt
        return lengths(part)

    with pytest.raises(KeyboardInterrupt):
        write_vectors(tmp_path, LINES, broken, **FACTS)
    assert not (tmp_path / HEADER_NAME).exists()
    asked: list[str] = []

    def listening(part: Sequence[str]) -> Any:
        asked.extend(part)
        return lengths(part)

    write_vectors(tmp_path, LINES, listening, **FACTS)
    assert asked == ["three", "two", "five"]
    whole = tmp_path / "whole"
    write_vectors(whole, LINES, lengths, **FACTS)
    for index in range(3):
        assert shard_path(tmp_path, index).read_bytes() == shard_path(whole, index).read_bytes()


def test_what_is_whole_is_not_embedded_again(tmp_path: Path) -> None:
    """A run that was killed in its second direction has the first one's vectors."""
    header = write_vectors(tmp_path, LINES, lengths, **FACTS)
    assert write_vectors(tmp_path, LINES, lambda part: pytest.fail("embedded again"), **FACTS) == header
    for damaged in ("{", "[]", '{"format": 1}'):
        (tmp_path / HEADER_NAME).write_text(damaged, encoding="utf-8")
        assert write_vectors(tmp_path, LINES, lengths, **FACTS) == header


@pytest.mark.parametrize("other", [{"teacher": "u"}, {"corpus": "d"}])
def test_shards_of_another_teacher_or_text_are_not_kept(tmp_path: Path, other: dict[str, str]) -> None:
    write_vectors(tmp_path, LINES, lengths, **FACTS)
    write_vectors(tmp_path, LINES, lambda part: 2 * lengths(part), **(FACTS | other))
    assert VectorStore(tmp_path)[0].tolist() == [6.0, 2.0, 1.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_what_is_not_finite_in_float16_is_told_with_its_line(tmp_path: Path, bad: float) -> None:
    def embed(part: Sequence[str]) -> Any:
        return np.array([[bad if text == "five" else 1.0, 0.0] for text in part])

    with pytest.raises(NmtDistillError, match=r"the vector of line 5 holds NaN, or a"):
        write_vectors(tmp_path, LINES, embed, **FACTS)
    assert not (tmp_path / HEADER_NAME).exists()


def test_vectors_of_several_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"has vectors of 2 numbers, but those before have 3"):
        write_vectors(tmp_path, LINES, lambda part: lengths(part)[:, : 2 if "three" in part else 3], **FACTS)


def test_a_table_with_rows_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"vectors of 2 sentences must be a table with a row for each"):
        write_vectors(tmp_path, LINES, lambda part: lengths(part)[1:], **FACTS)


def test_no_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"there is no line to embed"):
        write_vectors(tmp_path, [], lengths, **FACTS)


def test_a_store_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_vectors(tmp_path, LINES, lengths, **FACTS)
    store = VectorStore(tmp_path)
    store.require(teacher="t", dim=3)
    with pytest.raises(NmtDistillError, match=r"its corpus is c, but d is needed; embed the text again"):
        store.require(corpus="d")


def test_damage_is_told(tmp_path: Path) -> None:
    write_vectors(tmp_path, LINES, lengths, **FACTS)
    path = shard_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(NmtDistillError, match=r"vectors-00001.npy is no whole table of vectors"):
        VectorStore(tmp_path)
    path.unlink()
    with pytest.raises(NmtDistillError, match=r"vectors-00001.npy does not exist"):
        VectorStore(tmp_path)
    np.save(shard_path(tmp_path, 1), np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(NmtDistillError, match=r"holds float32 of shape \(2, 3\), but must hold float16"):
        VectorStore(tmp_path)
    np.save(shard_path(tmp_path, 1), np.zeros((1, 3), dtype=np.float16))
    with pytest.raises(NmtDistillError, match=r"do not hold 5 vectors of 3 numbers"):
        VectorStore(tmp_path)


@pytest.mark.parametrize("header", ["", ', "header": {}', ', "header": null', ', "header": {"shard_sentences": 0}'])
def test_damaged_header_is_told(tmp_path: Path, header: str) -> None:
    write_vectors(tmp_path, LINES, lengths, **FACTS)
    (tmp_path / HEADER_NAME).write_text(f'{{"format": 1{header}}}', encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"vectors\.json lacks what describes vectors; delete the folder"):
        VectorStore(tmp_path)


def test_a_full_disk_is_told_by_what_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def full(path: Path, mode: str) -> Iterator[IO[bytes]]:
        with Path("/dev/full").open(mode) as stream:
            yield stream
            stream.flush()

    monkeypatch.setattr("nmt_distill.embedding.vectors.atomic_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_vectors(tmp_path, LINES, lambda part: np.ones((len(set(part)), 9000)), **FACTS)


def test_a_table_is_what_numpy_writes(tmp_path: Path) -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    for name, content in (("rows", table), ("columns", np.asfortranarray(table))):
        write_table(tmp_path / name, content)
        np.save(tmp_path / "expected.npy", table)
        assert (tmp_path / name).read_bytes() == (tmp_path / "expected.npy").read_bytes()


def test_a_damaged_account_of_a_beginning_is_none(tmp_path: Path) -> None:
    (tmp_path / BEGUN_NAME).write_text('{"teach')
    np.save(shard_path(tmp_path, 0), np.ones((2, 3), dtype=np.float16))
    write_vectors(tmp_path, LINES, lengths, **FACTS)
    assert VectorStore(tmp_path)[0].tolist() == lengths(LINES)[0].tolist()
