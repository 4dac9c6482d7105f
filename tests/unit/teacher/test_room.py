from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.base import Sampling, check_request
from nmt_distill.teacher.room import Room, target_limits

ROOM = Room("a model", 20, (7, 8), num_forced=2)
ENDLESS = Room("a model", None, (), num_forced=1)


def test_short_sources_may_have_long_translations() -> None:
    assert target_limits([[1] * 3, [1] * 10, [1] * 11], 1.5) == [16, 16, 16]
    assert target_limits([[1] * 11, [1] * 20], 2.5) == [28, 50]


def test_tags_take_positions_of_the_source() -> None:
    assert (ROOM.longest_source, ENDLESS.longest_source) == (18, None)
    assert ROOM.with_prefix([[1] * 18, []]) == [[7, 8, *[1] * 18], [7, 8]]
    assert ENDLESS.with_prefix([[1] * 999]) == [[1] * 999]
    told = r"sentence 2 of 2 has 19 source tokens, but a model takes 18 at most; set distillation\.max_source_tokens"
    with pytest.raises(NmtDistillError, match=told):
        ROOM.with_prefix([[1], [1] * 19])


def test_forced_tokens_take_positions_of_the_target() -> None:
    assert ROOM.target_limits([[1], [1] * 17], 2.0) == [16, 18]
    assert ROOM.target_limits([[1] * 17], 2.0, reserved=3) == [15]
    assert ENDLESS.target_limits([[1] * 17], 2.0) == [34]
    ROOM.check_targets([[1], [1] * 19])
    ENDLESS.check_targets([[1] * 999])
    with pytest.raises(NmtDistillError, match=r"a target has 21 tokens with its tag, but a model has 20 positions\."):
        ROOM.check_targets([[1], [1] * 20])


def test_requests_that_cannot_be() -> None:
    check_request(3, 1, Sampling())
    check_request(2, 2, None)
    with pytest.raises(NmtDistillError, match=r"num_candidates must be at most beam_size \(2\), but is 3\."):
        check_request(3, 2, None)
    with pytest.raises(NmtDistillError, match="beam_size must be 1 where candidates are drawn by sampling, but is 2"):
        check_request(3, 2, Sampling())
