from __future__ import annotations

import json
import mmap
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from nmt_distill.distillation.records import Array, StoreHeader
from nmt_distill.distillation.shards import shard_path, write_shard
from nmt_distill.distillation.store import Store, write_header
from nmt_distill.errors import NmtDistillError
from tests.stores import HEADER, PAIRS, Pair, write_store


def test_what_is_written_is_read_bit_by_bit(tmp_path: Path) -> None:
    rows = write_store(tmp_path)
    store = Store(tmp_path)
    assert store.header == HEADER
    assert len(store) == 4
    index = 0
    for pairs, shard in zip(PAIRS, rows, strict=True):
        start = 0
        for source, target in pairs:
            record, span = store[index], slice(start, start + len(target))
            assert record.source_ids.tolist() == source
            assert record.target_ids.tolist() == target
            for name, dtype in (
                ("kept_ids", np.uint16), ("kept_probs", np.float16), ("tail", np.float32), ("states", np.float16)
            ):  # fmt: skip
                found: Array = getattr(record, name)
                assert found.dtype == dtype
                assert found.tobytes() == shard[name][span].astype(dtype).tobytes()
            index, start = index + 1, start + len(target)
    assert [record.target_ids[-1] for record in map(store.__getitem__, range(4))] == [0] * 4


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.lists(st.integers(0, 399), min_size=1, max_size=6),
                st.lists(st.integers(0, 399), min_size=1, max_size=6),
            ),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_any_shards_hold_their_records_in_order(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[Pair]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, shards)
    store = Store(folder)
    pairs = [pair for shard in shards for pair in shard]
    assert len(store) == len(pairs)
    for index, (source, target) in enumerate(pairs):
        record = store[index]
        assert (record.source_ids.tolist(), record.target_ids.tolist()) == (source, target)
    sources, targets = store.lengths()
    assert sources.tolist() == [len(source) for source, _ in pairs]
    assert targets.tolist() == [len(target) for _, target in pairs]
    ids = np.concatenate([np.zeros(0, dtype=np.uint16), *store.all_ids()])
    assert sorted(ids.tolist()) == sorted(token for pair in pairs for part in pair for token in part)


def test_tensors_are_mapped_not_read(tmp_path: Path) -> None:
    write_store(tmp_path)
    record = Store(tmp_path)[1]
    for name in ("source_ids", "target_ids", "kept_ids", "kept_probs", "tail", "states"):
        array = getattr(record, name)
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert isinstance(array.base.obj, mmap.mmap), name
        assert not getattr(record, name).flags.writeable


def test_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    write_store(tmp_path, [[([token], [token])] for token in range(5, 25)])
    script = """
import os, resource, sys
from pathlib import Path
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
num_open = os.open(os.devnull, os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (num_open + 8, num_open + int(sys.argv[2])))
try:
    print(len(Store(Path(sys.argv[1]))))
except NmtDistillError as error:
    print(error)
"""
    told = [
        subprocess.run(
            [sys.executable, "-c", script, tmp_path, more], capture_output=True, text=True, check=True
        ).stdout
        for more in ("40", "12")
    ]
    assert told[0] == "20\n"
    assert re.fullmatch(r".*/shard-\d+\.safetensors cannot be opened, because .*`ulimit -n`\.\n", told[1])


@pytest.mark.parametrize("shards", [[], [[]], [[], []]])
def test_store_without_records(tmp_path: Path, shards: list[list[Pair]]) -> None:
    write_store(tmp_path, shards)
    store = Store(tmp_path)
    assert len(store) == 0
    assert [lengths.tolist() for lengths in store.lengths()] == [[], []]


def test_store_without_teacher(tmp_path: Path) -> None:
    write_store(tmp_path, with_teacher=False)
    record = Store(tmp_path)[3]
    assert record.target_ids.tolist() == [399, 0]
    assert record.kept_ids is record.kept_probs is record.tail is record.states is None


@pytest.mark.parametrize("index", [4, -1, 100])
def test_record_outside_the_store(tmp_path: Path, index: int) -> None:
    write_store(tmp_path)
    with pytest.raises(IndexError):
        Store(tmp_path)[index]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher", "another"),
        ("vocabulary", "another"),
        ("direction", "en-fr"),
        ("temperature", 2.0),
        ("num_kept", 8),
        ("state_dim", 8),
        ("vocab_size", 401),
        ("kept", "drawn"),
        ("probs_precision", "float32"),
    ],
)
def test_store_that_does_not_fit_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    write_store(tmp_path)
    store = Store(tmp_path)
    store.require(**{field: getattr(HEADER, field)})
    with pytest.raises(
        NmtDistillError, match=rf": its {field} is {getattr(HEADER, field)}, but {value} is needed; run"
    ):
        store.require(**{field: value})


def test_shard_with_another_number_of_records(tmp_path: Path) -> None:
    write_store(tmp_path)
    write_header(tmp_path, HEADER, [2, 0, 3])
    with pytest.raises(NmtDistillError, match=r"shard-00002\.safetensors has 2 records, but store\.json says 3; "):
        Store(tmp_path)


def test_folder_without_header_is_no_store(tmp_path: Path) -> None:
    write_store(tmp_path)
    (tmp_path / "store.json").unlink()
    with pytest.raises(NmtDistillError, match=r"store\.json does not exist"):
        Store(tmp_path)


@pytest.mark.parametrize("content", [{"format": 1}, {"format": 3}, [], {"header": {}}])
def test_store_of_another_format(tmp_path: Path, content: Any) -> None:
    (tmp_path / "store.json").write_text(json.dumps(content))
    with pytest.raises(NmtDistillError, match=r"store\.json is of another format than 2; delete the folder"):
        Store(tmp_path)


@settings(max_examples=30)
@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=4))
def test_records_that_are_left_out_are_not_there(
    tmp_path_factory: pytest.TempPathFactory, kept: list[list[bool]]
) -> None:
    every, some = (tmp_path_factory.mktemp(name) for name in ("every", "some"))
    shards: list[list[Pair]] = [
        [([index + 1, place + 1, 0], [5] * place + [0]) for place in range(len(part))]
        for index, part in enumerate(kept)
    ]
    wanted = [[pair for pair, is_kept in zip(*both, strict=True) if is_kept] for both in zip(shards, kept, strict=True)]
    write_store(every, shards)
    left_out = [[place for place, is_kept in enumerate(part) if not is_kept] for part in kept]
    write_header(every, HEADER, list(map(len, shards)), left_out)
    write_store(some, wanted, with_teacher=False)
    ours, theirs = Store(every), Store(some)
    assert len(ours) == len(theirs) == sum(map(sum, kept))
    for place in range(len(theirs)):
        assert ours[place].source_ids.tolist() == theirs[place].source_ids.tolist()
        assert ours[place].target_ids.tolist() == theirs[place].target_ids.tolist()
        kept_ids = ours[place].kept_ids
        assert kept_ids is not None
        assert len(kept_ids) == len(theirs[place].target_ids)
    for one, other in zip(ours.lengths(), theirs.lengths(), strict=True):
        assert one.tolist() == other.tolist()
    assert [ids.tolist() for ids in ours.all_ids()] == [ids.tolist() for ids in theirs.all_ids()]
    with pytest.raises(IndexError):
        ours[len(ours)]


def test_records_that_are_left_out_must_be_there(tmp_path: Path) -> None:
    write_store(tmp_path)
    unchanged = (tmp_path / "store.json").read_bytes()
    write_header(tmp_path, HEADER, [2, 0, 2], [[], [], []])
    assert (tmp_path / "store.json").read_bytes() == unchanged
    write_header(tmp_path, HEADER, [2, 0, 2], [[1], [], [0]])
    assert json.loads((tmp_path / "store.json").read_text())["left_out"] == [[1], [], [0]]
    write_header(tmp_path, HEADER, [2, 0, 2], [[1], [], [2]])
    with pytest.raises(NmtDistillError, match=r"store\.json leaves out records that are not there; distil again"):
        Store(tmp_path)


DRAWN = replace(HEADER, kept="drawn", num_kept=4)
DRAWS = [
    ([[7, 7, 9, 7], [399, 0, 1, 2]], [[0.8, 0.8, 0.1, 0.8], [0.4, 0.3, 0.2, 0.1]]),
    ([[5, 5, 5, 5]], [[1.0] * 4]),
]


def write_drawn(folder: Path, header: StoreHeader = DRAWN) -> Store:
    """Write two records of two and one target tokens, each in a shard of its own."""
    for index, (token_ids, probs) in enumerate(DRAWS):
        rows = {"kept_ids": np.array(token_ids), "kept_probs": np.array(probs, dtype=np.float32)}
        write_shard(shard_path(folder, index), header, [[5, 0]], [[7, 0][-len(token_ids) :]], rows)
    write_header(folder, header, [1, 1])
    return Store(folder)


def test_drawn_tokens_come_back_with_their_shares(tmp_path: Path) -> None:
    first, second = (write_drawn(tmp_path)[index] for index in (0, 1))
    assert first.tail is first.states is None
    assert first.kept_ids is not None
    assert first.kept_probs is not None
    assert first.kept_weights is not None
    assert second.kept_ids is not None
    assert second.kept_weights is not None
    assert first.kept_ids.tolist() == [[7, 9, 7, 7], [399, 0, 1, 2]]
    assert first.kept_weights.tolist() == [[0.75, 0.25, 0, 0], [0.25] * 4]
    assert first.kept_probs[0, :2] == pytest.approx([0.8, 0.1], rel=1e-3)
    assert first.kept_probs[1] == pytest.approx([0.4, 0.3, 0.2, 0.1], rel=1e-3)
    assert (second.kept_ids.tolist(), second.kept_weights.tolist()) == ([[5]], [[1]])


def test_drawn_tokens_are_written_once_each(tmp_path: Path) -> None:
    write_drawn(tmp_path)
    tensors = load_file(shard_path(tmp_path, 0))
    assert {name: tensors[name].tolist() for name in ("kept_ids", "kept_counts", "num_distinct", "kept_offsets")} == {
        "kept_ids": [7, 9, 399, 0, 1, 2],
        "kept_counts": [3, 1, 1, 1, 1, 1],
        "num_distinct": [2, 4],
        "kept_offsets": [0, 6],
    }
    assert {name: array.dtype.name for name, array in tensors.items() if "kept" in name or "num" in name} == {
        "kept_ids": "uint16",
        "kept_counts": "uint8",
        "kept_log_probs": "float16",
        "num_distinct": "uint8",
        "kept_offsets": "int64",
    }


def test_many_draws_are_counted(tmp_path: Path) -> None:
    header = replace(DRAWN, num_kept=1000)
    rows = {"kept_ids": np.full((1, 1000), 7), "kept_probs": np.full((1, 1000), 0.5)}
    write_shard(shard_path(tmp_path, 0), header, [[0]], [[0]], rows)
    write_header(tmp_path, header, [1])
    record = Store(tmp_path)[0]
    assert record.kept_weights is not None
    assert record.kept_weights.tolist() == [[1]]


def test_drawn_rows_out_of_step_with_the_targets(tmp_path: Path) -> None:
    rows = {"kept_ids": np.zeros((2, 4), dtype=int), "kept_probs": np.ones((2, 4))}
    with pytest.raises(NmtDistillError, match=r"kept_ids has 2 rows, but there are 3 target tokens; teacher"):
        write_shard(shard_path(tmp_path, 0), DRAWN, [[5, 0]], [[7, 8, 0]], rows)


@pytest.mark.parametrize("header", [HEADER, DRAWN])
def test_probabilities_in_float32(tmp_path: Path, header: StoreHeader) -> None:
    exact = replace(header, probs_precision="float32")
    token_ids = np.arange(header.num_kept)[None]
    probs = np.random.default_rng(3).dirichlet(np.ones(header.num_kept))[None].astype(np.float32)
    found = []
    for name, wanted in (("half", header), ("exact", exact)):
        (tmp_path / name).mkdir()
        write_shard(shard_path(tmp_path / name, 0), wanted, [[0]], [[0]], {"kept_ids": token_ids, "kept_probs": probs})
        write_header(tmp_path / name, wanted, [1])
        record = Store(tmp_path / name)[0]
        assert record.kept_ids is not None
        assert record.kept_probs is not None
        places = np.argsort(record.kept_ids[0])
        found.append(np.asarray(record.kept_probs[0, places], dtype=np.float64))
    assert 1e-6 < np.abs(found[0] / probs[0] - 1).max() < 1e-3
    assert np.abs(found[1] / probs[0] - 1).max() < 5e-7
