from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_distill.distillation.records import StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.distillation.trimmed_store import TrimmedStore, count_pieces
from nmt_distill.errors import NmtDistillError
from nmt_distill.vocabulary.trimming import IdMap

VOCAB_SIZE, PAD = 12, 99
HEADER = StoreHeader(
    teacher="t", vocabulary="v", direction="en-pt", temperature=1.0, num_kept=4, state_dim=2, vocab_size=VOCAB_SIZE
)
SHARDS = [
    [([3, 4, 0], [5, 6, 0]), ([7, 11, 0], [5, 0])],
    [],
    [([3, 0], [11, 0]), ([11, 11, 0], [8, 9, 10, 0])],
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    generator = np.random.default_rng(5)
    for index, pairs in enumerate(SHARDS):
        num_rows = sum(len(target) for _, target in pairs)
        probs = generator.dirichlet(np.ones(5), size=num_rows).astype(np.float32)
        kept_ids = np.array([generator.permutation(VOCAB_SIZE)[:4] for _ in range(num_rows)]).reshape(num_rows, 4)
        rows = {
            "kept_ids": kept_ids,
            "kept_probs": probs[:, :4],
            "tail": probs[:, 4],
            "states": generator.standard_normal((num_rows, 2)),
        }
        write_shard(shard_path(folder, index), HEADER, [pair[0] for pair in pairs], [pair[1] for pair in pairs], rows)
    write_header(folder, HEADER, [len(pairs) for pairs in SHARDS])
    return Store(folder)


def trimmed(store: Store, kept: Sequence[int]) -> TrimmedStore:
    """See the store through a vocabulary without the other ids; what is gone is told in threes."""
    id_map = IdMap.of(np.array(kept, dtype=np.int64), VOCAB_SIZE)

    def encode(lines: Sequence[str]) -> list[list[int]]:
        new = ([int(id_map.new_ids[int(word)]) for word in line.split()] for line in lines)
        return [[1, 1, *(token for token in ids if token >= 0)] for ids in new]

    return TrimmedStore(store, id_map, texts=texts_of(store), encode=encode, pad_id=PAD)


def texts_of(store: Store) -> tuple[list[str], list[str]]:
    """Name the ids of each record, for a text."""
    sides = ("source_ids", "target_ids")
    sources, targets = (
        [" ".join(map(str, getattr(store[place], side).tolist())) for place in range(len(store))] for side in sides
    )
    return sources, targets


def test_everything_kept_changes_nothing(store: Store) -> None:
    records = trimmed(store, range(VOCAB_SIZE))
    assert (len(records), records.num_new_sources, records.num_new_targets) == (4, 0, 0)
    assert records.describe() == "all 4 records are segmented as the teacher does"
    assert (records.folder, records.header) == (store.folder, store.header)
    for index in range(4):
        for name, array in vars(store[index]).items():
            np.testing.assert_array_equal(getattr(records[index], name), array)


def test_text_with_a_piece_that_is_gone_is_segmented_anew(store: Store) -> None:
    records = trimmed(store, range(11))  # without 11
    assert (len(records), records.num_new_sources, records.num_new_targets) == (4, 2, 1)
    told = "of 4 records 2 have their source segmented anew, 1 their target, which makes these sequence level only"
    assert records.describe() == told
    assert [records[index].source_ids.tolist() for index in range(4)] == [[3, 4, 0], [1, 1, 7, 0], [3, 0], [1, 1, 0]]
    assert [records[index].target_ids.tolist() for index in range(4)] == [[5, 6, 0], [5, 0], [1, 1, 0], [8, 9, 10, 0]]
    source_lengths, target_lengths = records.lengths()
    assert source_lengths.tolist() == [3, 4, 2, 3]
    assert target_lengths.tolist() == [3, 2, 3, 4]


def test_a_target_that_was_segmented_anew_is_sequence_level_only(store: Store) -> None:
    record = trimmed(store, range(11))[2]
    assert record.kept_ids is not None
    assert record.kept_probs is not None
    assert record.tail is not None
    assert record.states is not None
    assert record.kept_ids.tolist() == [[1, PAD, PAD, PAD], [1, PAD, PAD, PAD], [0, PAD, PAD, PAD]]
    assert record.kept_probs.tolist() == [[1, 0, 0, 0]] * 3
    assert record.tail.tolist() == [0, 0, 0]
    assert record.states.shape == (3, 2)
    assert np.isnan(record.states).all()


@given(st.sets(st.integers(1, VOCAB_SIZE - 1)))
def test_probability_of_what_is_gone_joins_the_tail(store: Store, others: set[int]) -> None:
    kept = [0, *sorted(others)]
    records = trimmed(store, kept)
    places = [
        place
        for place, (_, target) in enumerate(pair for shard in SHARDS for pair in shard)
        if set(target) <= set(kept)
    ]
    assert len(records) - records.num_new_targets == len(places)
    for place in places:
        before, after = store[place], records[place]
        assert after.kept_ids is not None
        assert after.kept_probs is not None
        assert after.tail is not None
        assert before.kept_ids is not None
        assert before.kept_probs is not None
        assert before.tail is not None
        np.testing.assert_allclose(
            after.kept_probs.sum(axis=1) + after.tail,
            before.kept_probs.astype(np.float32).sum(axis=1) + before.tail,
            rtol=1e-6,
        )
        for row in range(len(before.target_ids)):
            expected = {
                kept.index(token): float(prob)
                for token, prob in zip(before.kept_ids[row].tolist(), before.kept_probs[row], strict=True)
                if token in kept
            }
            found = {
                token: float(prob)
                for token, prob in zip(after.kept_ids[row].tolist(), after.kept_probs[row], strict=True)
                if token != PAD
            }
            assert found == expected
            assert (after.kept_probs[row][after.kept_ids[row] == PAD] == 0).all()
        assert [kept[token] for token in after.target_ids] == before.target_ids.tolist()
        np.testing.assert_array_equal(after.states, before.states)


def test_which_records_hold_an_id(store: Store, tmp_path: Path) -> None:
    pairs = [pair for shard in SHARDS for pair in shard]
    for index, own in enumerate(SHARDS):
        write_shard(shard_path(tmp_path, index), HEADER, [source for source, _ in own], [target for _, target in own])
    write_header(tmp_path, HEADER, [len(own) for own in SHARDS], [[1], [], [0]])
    for marked in range(VOCAB_SIZE):
        expected = [[marked in source for source, _ in pairs], [marked in target for _, target in pairs]]
        found = store.holding(np.arange(VOCAB_SIZE) == marked)
        assert [side.tolist() for side in found] == expected
        left = Store(tmp_path).holding(np.arange(VOCAB_SIZE) == marked)
        assert [side.tolist() for side in left] == [[side[0], side[3]] for side in expected]


@pytest.mark.parametrize(("more", "than"), [(-1, "fewer"), (1, "more")])
def test_text_that_does_not_fit_its_store(store: Store, more: int, than: str) -> None:
    id_map = IdMap.of(np.arange(11), VOCAB_SIZE)
    fits, wrong = (["a"] * (len(store) + count) for count in (0, more))
    encode = lambda lines: [[0] for _ in lines]  # noqa: E731
    TrimmedStore(store, id_map, texts=(fits, fits), encode=encode, pad_id=PAD)
    for texts in ((wrong, fits), (fits, wrong)):
        with pytest.raises(NmtDistillError, match=f"has {than} lines than their store has records, {len(store)}; "):
            TrimmedStore(store, id_map, texts=texts, encode=encode, pad_id=PAD)


def test_sources_of_another_number_are_refused(store: Store, tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), HEADER, [[3, 0]], [[4, 0]])
    write_header(tmp_path, HEADER, [1])
    fits = ["a"] * len(store)
    with pytest.raises(NmtDistillError, match=f"has 1 lines, but their store {len(store)} records; one of them was"):
        TrimmedStore(
            store,
            IdMap.of(np.arange(11), VOCAB_SIZE),
            texts=(fits, fits),
            encode=lambda lines: [[0] for _ in lines],
            pad_id=PAD,
            sources=Store(tmp_path),
        )


def test_store_without_teacher(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), HEADER, [[3, 0]], [[4, 0]])
    write_header(tmp_path, HEADER, [1])
    record = trimmed(Store(tmp_path), [0, 3, 4])[0]
    assert (record.source_ids.tolist(), record.target_ids.tolist()) == ([1, 0], [2, 0])
    assert record.kept_ids is record.kept_probs is record.tail is record.states is None


def test_pieces_are_counted_in_sources_and_targets(store: Store) -> None:
    ids = [token for shard in SHARDS for pair in shard for part in pair for token in part]
    assert count_pieces(store, VOCAB_SIZE).tolist() == [ids.count(token) for token in range(VOCAB_SIZE)]


def test_under_another_vocabulary_every_source_is_segmented_anew(store: Store, tmp_path: Path) -> None:
    pairs = [([1, *store[place].source_ids.tolist()], [0]) for place in range(len(store))]
    header = replace(HEADER, num_kept=0, state_dim=0)
    write_shard(shard_path(tmp_path, 0), header, *zip(*pairs, strict=True))
    write_header(tmp_path, header, [len(pairs)])
    id_map = IdMap.of(np.delete(np.arange(VOCAB_SIZE), 3), VOCAB_SIZE)
    records = TrimmedStore(
        store, id_map, texts=texts_of(store), encode=lambda _: [], pad_id=PAD, sources=Store(tmp_path)
    )
    assert (records.num_new_sources, records.num_new_targets) == (len(store), 0)
    for place in range(len(store)):
        assert records[place].source_ids.tolist() == [1, *store[place].source_ids]
        assert (records[place].target_ids == id_map.new_ids[store[place].target_ids]).all()
    assert (records.lengths()[0] == store.lengths()[0] + 1).all()
    assert (records.lengths()[1] == store.lengths()[1]).all()


DRAWN = StoreHeader(
    teacher="t", vocabulary="v", direction="en-pt", temperature=1.0, num_kept=4, state_dim=0, vocab_size=VOCAB_SIZE,
    kept="drawn",
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of two records, whose third token in all is 8 for certain."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = {
        "kept_ids": np.array([[5, 5, 5, 8], [6, 7, 8, 9], [8, 8, 8, 8], [0, 0, 0, 1]]),
        "kept_probs": np.array([[0.75, 0.75, 0.75, 0.1], [0.1, 0.2, 0.3, 0.4], [1.0] * 4, [0.9, 0.9, 0.9, 0.1]]),
    }
    write_shard(shard_path(folder, 0), DRAWN, [[3, 0], [4, 0]], [[5, 0], [8, 0]], rows)
    write_header(folder, DRAWN, [2])
    return Store(folder)


def test_drawn_candidates_that_are_gone_weigh_nothing(drawn: Store) -> None:
    record = trimmed(drawn, [0, 3, 4, 5, 6, 9])[0]
    assert record.kept_ids is not None
    assert record.kept_weights is not None
    assert record.tail is None
    assert record.kept_ids.tolist() == [[3, PAD, 3, 3], [5, PAD, PAD, 4]]
    assert record.kept_weights.tolist() == [[0.75, 0, 0, 0], [0.25, 0, 0, 0.25]]


def test_a_drawn_target_that_was_segmented_anew_is_sequence_level_only(drawn: Store) -> None:
    record = trimmed(drawn, [0, 3, 4, 5, 6, 9])[1]
    assert record.kept_ids is not None
    assert record.kept_probs is not None
    assert record.kept_weights is not None
    assert record.tail is None
    assert record.target_ids.tolist() == [1, 1, 0]
    assert record.kept_ids.tolist() == [[1], [1], [0]]
    assert record.kept_probs.tolist() == record.kept_weights.tolist() == [[1], [1], [1]]


def test_every_drawn_candidate_kept_changes_nothing(drawn: Store) -> None:
    records = trimmed(drawn, range(VOCAB_SIZE))
    for index in range(2):
        for name, array in vars(drawn[index]).items():
            np.testing.assert_array_equal(getattr(records[index], name), array)
