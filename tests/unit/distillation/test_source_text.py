from __future__ import annotations

from pathlib import Path

import pytest

from nmt_distill.distillation.source_text import Pair, Share, SourceText, read_sources, shard_texts
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import write_lines


@pytest.mark.parametrize(
    ("references", "told"),
    [
        (["a"], r"train\.pt ends after line 1, but .*train\.en goes on; they must have as many lines"),
        ([], r"train\.pt ends after line 0, but .*train\.en goes on"),
        (["a", "b", "c"], r"train\.pt goes on after line 2, the last of .*train\.en; they must have as many lines"),
    ],
)
def test_texts_of_unequal_length(tmp_path: Path, references: list[str], told: str) -> None:
    write_lines(tmp_path / "train.en", ["one", "two"])
    write_lines(tmp_path / "train.pt", references)
    with pytest.raises(NmtDistillError, match=told):
        list(read_sources([SourceText(tmp_path / "train.en", tmp_path / "train.pt")]))


def test_shares_of_all_processes_are_the_shards_of_one(tmp_path: Path) -> None:
    write_lines(tmp_path / "mono.en", [str(number) for number in range(11)])
    texts = [SourceText(tmp_path / "mono.en", None)]
    whole = list(shard_texts(texts, 2))
    assert [len(part) for part in whole] == [2, 2, 2, 2, 2, 1]
    assert whole[2] == [("4", None), ("5", None)]
    for num_shards in (1, 2, 4, 7):
        dealt: dict[int, list[Pair]] = {}
        for share in (Share(num_shards, shard_idx) for shard_idx in range(num_shards)):
            dealt |= {share.place(place): part for place, part in enumerate(shard_texts(texts, 2, share))}
        assert [dealt[index] for index in range(len(whole))] == whole
