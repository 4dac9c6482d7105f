from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.distillation.reverse import worst_labels
from nmt_distill.files import write_lines

Scores = Sequence[Sequence[float | None]]
"""of each sentence, the scores of its labels"""


def write_files(folder: Path, files: Sequence[Scores]) -> list[Path]:
    paths = []
    for number, sentences in enumerate(files):
        path = folder / f"hypotheses-{number}.jsonl"
        entries = [{"chosen": [*range(len(scores))], "reverse": [*scores]} for scores in sentences]
        write_lines(path, [json.dumps(entry if entry["chosen"] else {"chosen": []}) for entry in entries])
        paths.append(path)
    return paths


def test_worst_share_of_all_files_is_left_out(tmp_path: Path) -> None:
    paths = write_files(tmp_path, [[[-1], [], [-9, -2]], [], [[-3], [-8], [-7], [-4], [-5], [-6], [-0.5]]])
    for share, expected, threshold in (
        (0.1, [[1], [], []], -9),
        (0.2, [[1], [], [1]], -8),
        (0.26, [[1], [], [1, 2]], -7),
        (0.9, [[0, 1, 2], [], [0, 1, 2, 3, 4, 5]], -1),
    ):
        left_out = worst_labels(paths, share)
        assert (left_out.places, left_out.threshold) == (expected, threshold)
        number = sum(map(len, expected))
        assert left_out.summary() == {"labels": 10, "left_out": number, "threshold": threshold}


def test_of_equal_labels_those_that_come_first_are_left_out(tmp_path: Path) -> None:
    paths = write_files(tmp_path, [[[-1], [-2], [-1]], [[-2], [-2]]])
    assert worst_labels(paths, 0.4).places == [[1], [0]]
    assert worst_labels(paths, 0.6).places == [[1], [0, 1]]
    assert worst_labels(paths, 0.8).places == [[0, 1], [0, 1]]


def test_what_a_reverse_model_has_no_room_for_is_the_worst(tmp_path: Path) -> None:
    left_out = worst_labels(write_files(tmp_path, [[[-1], [None], [-50]]]), 0.3)
    assert left_out.places == [[1]]
    assert left_out.summary() == {"labels": 3, "left_out": 1, "threshold": None}


@pytest.mark.parametrize("files", [[], [[]], [[[]]], [[[-1], [-2]]]])
def test_of_few_labels_none_is_left_out(tmp_path: Path, files: Sequence[Scores]) -> None:
    left_out = worst_labels(write_files(tmp_path, files), 0.05)
    assert left_out.places == [[] for _ in files]
    assert left_out.threshold is None


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 0), max_size=60), st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_share_is_exact_and_no_better_label_is_left_out(
    tmp_path_factory: pytest.TempPathFactory, scores: list[int], share: float, seed: int
) -> None:
    cuts = sorted(random.Random(seed).choices(range(len(scores) + 1), k=2))
    parts = (scores[: cuts[0]], scores[cuts[0] : cuts[1]], scores[cuts[1] :])
    files = [[[float(score)] for score in part] for part in parts]
    places = worst_labels(write_files(tmp_path_factory.mktemp("files"), files), share).places
    starts = (0, *cuts)
    gone = {start + place for start, part in zip(starts, places, strict=True) for place in part}
    assert len(gone) == round(share * len(scores))
    expected = sorted(range(len(scores)), key=lambda place: (scores[place], place))[: len(gone)]
    assert gone == set(expected)
