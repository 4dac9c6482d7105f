"""Sets of hashes against Python's own, their memory, and quotas against sorting."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.corpus.hashes import HashSet, Quota

HASHES = st.integers(min_value=1, max_value=2**64 - 1)


@settings(deadline=None)
@given(st.lists(st.one_of(HASHES, st.integers(min_value=1, max_value=40)), max_size=400))
def test_a_hash_set_is_a_set(values: list[int]) -> None:
    ours, theirs = HashSet(), set[int]()
    for value in values:
        assert ours.add(value) is (value not in theirs)
        theirs.add(value)
        assert len(ours) == len(theirs)
    assert all(value in ours for value in theirs)
    assert [value in ours for value in range(1, 60)] == [value in theirs for value in range(1, 60)]


def test_zero_is_a_hash_too() -> None:
    hashes = HashSet()
    assert 0 not in hashes
    assert hashes.add(0)
    assert not hashes.add(0)


def test_a_hash_takes_16_bytes_at_most() -> None:
    hashes, draw = HashSet(), random.Random(0)
    for count in range(1, 60_001):
        hashes.add(draw.getrandbits(64))
        if count >= 10_000 and count % 5_000 == 0:
            assert hashes.num_bytes <= 16 * count


@settings(max_examples=25, deadline=None)
@given(st.lists(HASHES, unique_by=lambda value: value >> 48, max_size=60), st.integers(min_value=0, max_value=70))
def test_a_quota_admits_the_lowest_hashes(values: list[int], limit: int) -> None:
    quota = Quota(limit)
    for value in values:
        quota.count(value)
    quota.close()
    assert [value for value in values if quota.admit(value)] == [
        value for value in values if value in sorted(values)[:limit]
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=2**49 - 1), max_size=60), st.integers(min_value=0, max_value=70))
def test_a_quota_admits_exactly_its_limit(values: list[int], limit: int) -> None:
    quota = Quota(limit)
    for value in values:
        quota.count(value)
    quota.close()
    assert sum(quota.admit(value) for value in values) == min(limit, len(values))


def test_quotas_of_sources_fill_a_common_one() -> None:
    draw = random.Random(1)
    values = [draw.getrandbits(64) for _ in range(300)]
    part, everything = Quota(100), Quota(40)
    for value in values:
        part.count(value)
    part.close()
    part.add_to(everything)
    everything.close()
    admitted = [value for value in values if part.admit(value) and everything.admit(value)]
    assert len(admitted) == 40
    assert max(admitted) >> 48 <= sorted(values)[39] >> 48


def test_no_limit_admits_all() -> None:
    quota = Quota(None)
    quota.count(7)
    quota.close()
    assert quota.admit(7)
