"""Each filter drops what it names and nothing else, and all is counted."""

from __future__ import annotations

import pytest

from nmt_distill.corpus.filters import FILTERS, NUM_SAMPLES, Drops, FilterConfig, reason_to_drop
from tests.faults import faulty_keys

CASES: list[tuple[str, str, str | None]] = [
    ("empty", "", "x"),
    ("empty", "x", ""),
    ("empty", "", None),
    ("not_text", "a\x00", None),
    ("not_text", "a", "\ud83d"),
    ("too_long", "a" * 1001, None),
    ("too_long", "a", "bc " * 151),
    ("no_letters", "1 + 2", "1 + 2"),
    ("no_letters", "{name} <b>3</b> %s", None),
    ("no_letters", "word", "%s"),
    ("message_format", "{n, plural, one {a dog} other {# dogs}}", None),
    ("unresolved_key", "Piano", "[%key_id:12%]"),
    ("identical", "Kimchi", "Kimchi"),
    ("length_ratio", "word", "a" * 29),
    ("length_ratio", "a" * 29, "word"),
    ("placeholders", "Set {name}", "Setze {nome}"),
    ("placeholders", "Set %s", "Setze"),
]


@pytest.mark.parametrize(("reason", "source", "target"), CASES)
def test_a_filter_drops_what_it_names(reason: str, source: str, target: str | None) -> None:
    assert reason_to_drop(source, target, FilterConfig()) == reason


def test_every_filter_has_a_case() -> None:
    assert {reason for reason, _, _ in CASES} == set(FILTERS)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("On", "Ligado"),
        ("Set {name} to [this](https://a.b)", "Setze {name} auf [das](https://a.b)"),
        ("%(n)s of %(m)s", "von %(m)s %(n)s"),
        ("100% sure", "100% sicher"),
        ("Kimchi", None),
        ("a" * 1000, None),
        ("é " * 150, None),
        ("word", "a" * 28),
    ],
)
def test_what_is_kept(source: str, target: str | None) -> None:
    assert reason_to_drop(source, target, FilterConfig()) is None


@pytest.mark.parametrize(
    ("config", "source", "target"),
    [
        (FilterConfig(max_characters=2000), "a" * 1001, None),
        (FilterConfig(max_words=200), "bc " * 151, None),
        (FilterConfig(max_ratio=9), "word", "a" * 29),
        (FilterConfig(drop_identical=False), "Kimchi", "Kimchi"),
        (FilterConfig(drop_message_format=False), "{n, plural, one {a dog} other {# dogs}}", None),
        (FilterConfig(drop_unequal_placeholders=False), "Set %s", "Setze"),
    ],
)
def test_every_setting_changes_something(config: FilterConfig, source: str, target: str | None) -> None:
    assert reason_to_drop(source, target, FilterConfig()) is not None
    assert reason_to_drop(source, target, config) is None


def test_faults_name_their_field() -> None:
    wrong = {"max_characters": 0, "max_words": -1, "max_ratio": 0.9}
    assert faulty_keys(FilterConfig, wrong) == list(wrong)
    assert faulty_keys(FilterConfig, dict.fromkeys(wrong, 1)) == []


def test_drops_are_counted_with_a_few_samples() -> None:
    drops = Drops()
    for number in range(100):
        drops.add("ratio", f"s{number}" + "x" * 999, f"t{number}")
    drops.add("empty", "", None)
    assert (drops.count("ratio"), drops.count("empty"), drops.count("none"), drops.total) == (100, 1, 0, 101)
    report = drops.report()
    assert report["empty"] == {"dropped": 1, "samples": [[""]]}
    samples = report["ratio"]["samples"]
    assert len(samples) == NUM_SAMPLES
    assert all(source.startswith(target.replace("t", "s")) and len(source) <= 160 for source, target in samples)
    assert len({target for _, target in samples}) == NUM_SAMPLES
