"""Noise by hand, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.noise import NOISES, add_noise

SOURCES = ["Turn on {name} at https://a.org/Home now.", "it's a Dog's life?", "Go", "", "Wait ... "]
REFERENCES = ["Ligue {name} em https://a.org/Home já.", "é vida de cão?", "Vá", "", "Espere ... "]


def noisy(noise: str) -> tuple[list[str], list[str], int]:
    text = add_noise(noise, SOURCES, REFERENCES)
    return text.sources, text.references, text.num_changed


def test_upper_case_spares_what_must_be_kept() -> None:
    sources, references, num_changed = noisy("upper_case")
    assert sources[:3] == ["TURN ON {name} AT https://a.org/Home NOW.", "IT'S A DOG'S LIFE?", "GO"]
    assert references[0] == "LIGUE {name} EM https://a.org/Home JÁ."
    assert num_changed == 4


def test_title_case_changes_the_source_alone() -> None:
    sources, references, _ = noisy("title_case")
    assert sources[:2] == ["Turn On {name} At https://a.org/Home Now.", "It's A Dog's Life?"]
    assert references == REFERENCES


def test_final_punctuation_goes_on_both_sides() -> None:
    sources, references, num_changed = noisy("no_final_punctuation")
    assert sources == ["Turn on {name} at https://a.org/Home now", "it's a Dog's life", "Go", "", "Wait"]
    assert references == ["Ligue {name} em https://a.org/Home já", "é vida de cão", "Vá", "", "Espere"]
    assert num_changed == 3
    assert add_noise("no_final_punctuation", ["Go on. {name}"], ["x"]).sources == ["Go on. {name}"]


def test_doubled_spaces_change_the_source_alone() -> None:
    text = add_noise("double_spaces", ["a b c d e f g h"] * 50, ["a b"] * 50)
    assert {line.replace("  ", " ") for line in text.sources} == {"a b c d e f g h"}
    doubled = sum(line.count("  ") for line in text.sources)
    assert 50 <= doubled <= 160  # 350 spaces, of which 30 % are doubled: 105 +- 5 standard deviations
    assert text.references == ["a b"] * 50


def test_typos_are_one_slip_in_some_long_words() -> None:
    words = ["window"] * 1000
    text = add_noise("typos", words, ["janela"] * 1000)
    assert set(text.sources) - {"window"} <= {
        *("wnidow", "widnow", "winodw", "windwo"),  # swapped
        *("wndow", "widow", "winow", "windw"),  # left out
        *("wiindow", "winndow", "winddow", "windoow"),  # twice
    }
    assert 50 <= text.num_changed <= 150  # 10 % of 1,000 +- 5 standard deviations
    assert text.references == ["janela"] * 1000
    assert add_noise("typos", ["the cat"] * 200, ["x"] * 200).num_changed == 0


def test_seed_decides_and_lines_are_drawn_by_themselves() -> None:
    long = ["several words of many letters stand here together"] * 40
    whole = add_noise("typos", long, long)
    assert whole.sources == add_noise("typos", long, long).sources
    assert whole.sources[:10] == add_noise("typos", long[:10], long[:10]).sources
    assert whole.sources != add_noise("typos", long, long, seed=1).sources


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\n"), max_size=40), max_size=4), st.sampled_from(list(NOISES))
)
def test_any_text_keeps_its_lines(lines: list[str], noise: str) -> None:
    text = add_noise(noise, lines, lines)
    assert len(text.sources) == len(text.references) == len(lines)
    assert 0 <= text.num_changed <= len(lines)


def test_unknown_noise_is_told() -> None:
    with pytest.raises(NmtDistillError, match="`loud` is no noise; choose one of: upper_case, title_case, typos"):
        add_noise("loud", [], [])
