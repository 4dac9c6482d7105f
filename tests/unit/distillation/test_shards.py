from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from nmt_distill.distillation.shards import shard_path, valid_shard, write_shard
from nmt_distill.distillation.store import Store
from nmt_distill.errors import NmtDistillError
from tests.stores import HEADER, teacher_rows, write_store


def test_shards_are_safetensors(tmp_path: Path) -> None:
    rows = write_store(tmp_path)
    tensors = load_file(shard_path(tmp_path, 0))
    assert tensors["target_ids"].tolist() == [7, 0, 9, 10, 11, 0]
    assert tensors["target_offsets"].tolist() == [0, 2, 6]
    assert tensors["kept_probs"].tobytes() == rows[0]["kept_probs"].astype(np.float16).tobytes()


def test_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_store(tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32), (256_206, np.uint32)])
def test_ids_take_as_many_bytes_as_they_need(tmp_path: Path, vocab_size: int, dtype: type) -> None:
    header = replace(HEADER, vocab_size=vocab_size)
    write_store(tmp_path, [[([vocab_size - 1, 0], [vocab_size - 1, 65_535, 0])]], header)
    record = Store(tmp_path)[0]
    assert record.kept_ids is not None
    assert record.source_ids.dtype == record.target_ids.dtype == record.kept_ids.dtype == dtype
    assert record.target_ids.tolist() == [vocab_size - 1, 65_535, 0]
    assert record.kept_ids.tolist() == teacher_rows(3, 0, header)["kept_ids"].tolist()


@pytest.mark.parametrize("name", ["kept_ids", "kept_probs", "tail", "states"])
@pytest.mark.parametrize("change", [-1, 1])
def test_rows_out_of_step_with_the_targets(tmp_path: Path, name: str, change: int) -> None:
    rows = teacher_rows(3)
    rows[name] = teacher_rows(3 + change)[name]
    path = shard_path(tmp_path, 0)
    with pytest.raises(NmtDistillError, match=rf"{name} has {3 + change} rows, but there are 3 target tokens; teacher"):
        write_shard(path, HEADER, [[5, 0]], [[7, 8, 0]], rows)
    assert not path.exists()


@pytest.mark.parametrize("field", ["teacher", "vocabulary", "direction", "temperature", "num_kept", "kept"])
def test_shard_of_another_store_is_refused(tmp_path: Path, field: str) -> None:
    other = replace(HEADER, **{field: 7 if field in ("temperature", "num_kept") else "another"})  # type: ignore[arg-type]
    write_store(tmp_path)
    write_shard(shard_path(tmp_path, 1), other, [[5, 0]], [[7, 0]])
    with pytest.raises(NmtDistillError, match=r"shard-00001\.safetensors belongs to another store than its folder"):
        Store(tmp_path)
    assert valid_shard(shard_path(tmp_path, 1), HEADER) is None
    assert valid_shard(shard_path(tmp_path, 1), other) == 1


def test_shard_cut_anywhere_is_told(tmp_path: Path) -> None:
    write_store(tmp_path)
    path = shard_path(tmp_path, 2)
    content = path.read_bytes()
    assert valid_shard(path, HEADER) == 2
    for length in [*range(0, len(content), 23), len(content) - 1]:
        path.write_bytes(content[:length])
        assert valid_shard(path, HEADER) is None
        with pytest.raises(NmtDistillError, match=r"shard-00002\.safetensors is no whole shard \(.*\); delete it and"):
            Store(tmp_path)
    path.write_bytes(content + b"\0")
    with pytest.raises(NmtDistillError, match=r"is no whole shard \(it is truncated or too long\)"):
        Store(tmp_path)


@given(st.binary(max_size=60))
def test_noise_is_no_shard(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "shard"
    for begin in (b"", len(content).to_bytes(8, "little")):
        path.write_bytes(begin + content)
        assert valid_shard(path, HEADER) is None


@pytest.mark.parametrize("described", ["1", "[]", '"text"', "{}", '{"a": 1}', '{"a": {"data_offsets": [0]}}', "null"])
def test_header_of_another_kind_is_no_shard(tmp_path: Path, described: str) -> None:
    path = tmp_path / "shard"
    path.write_bytes(len(described).to_bytes(8, "little") + described.encode() + bytes(8))
    assert valid_shard(path, HEADER) is None


def test_missing_shard_is_named(tmp_path: Path) -> None:
    write_store(tmp_path)
    shard_path(tmp_path, 1).unlink()
    with pytest.raises(
        NmtDistillError, match=r"shard-00001\.safetensors does not exist; run `distill` again, it makes"
    ):
        Store(tmp_path)
    assert valid_shard(shard_path(tmp_path, 1), HEADER) is None
