"""Risk measures against counts made by hand."""

from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation import risks as risks_module
from nmt_distill.evaluation.risks import measure_risks
from nmt_distill.repetition import repeats


def test_nothing_wrong() -> None:
    risks = measure_risks(["Turn on", "Turn off"], ["Ligar", "Desligar"], ["Ligar", "Desligar"])
    assert (risks.empty_rate, risks.copy_rate, risks.oscillation_rate) == (0, 0, 0)
    assert (risks.repeated_five_gram_rate, risks.natural_hallucination_rate, risks.length_ratio) == (0, 0, 1)


def test_empty_counts_only_where_the_source_says_something() -> None:
    assert measure_risks(["a", "b", "", "d"], ["", " \t", "", "d"]).empty_rate == 2 / 4


def test_copy_counts_only_where_there_is_a_letter() -> None:
    risks = measure_risks(["Wi-Fi", "42", "Turn on", " Turn off"], ["Wi-Fi", "42", "Ligar", "Turn off"])
    assert risks.copy_rate == 2 / 4


@pytest.mark.parametrize(("repetitions", "found"), [(9, False), (10, True), (11, True)])
def test_oscillation_begins_at_ten_times(repetitions: int, found: bool) -> None:
    output = "so and " * repetitions  # "so and" so often, "and so" once less
    assert (measure_risks(["He spoke"], [output]).oscillation_rate == 1) is found


def test_oscillation_of_the_source_is_no_fault() -> None:
    source = "ha ho " * 10
    assert measure_risks([source], ["rá ró " * 10]).oscillation_rate == 0
    assert measure_risks(["ha ho " * 9], ["rá ró " * 10]).oscillation_rate == 1


def test_oscillation_of_a_script_without_spaces() -> None:
    assert measure_risks(["He spoke"], ["他说" * 10]).oscillation_rate == 1
    assert measure_risks(["He spoke"], ["他说" * 9]).oscillation_rate == 0


def test_repeated_five_gram() -> None:
    assert repeats("x", "a b c d e f a b c d e", order=5, times=2)
    assert not repeats("x", "a b c d e f a b c d", order=5, times=2)
    assert not repeats("1 2 3 4 5 1 2 3 4 5", "a b c d e a b c d e", order=5, times=2)
    assert measure_risks(["x", "y"], ["a b c d e a b c d e", "b"]).repeated_five_gram_rate == 1 / 2


def test_natural_hallucination_needs_five_distinct_sources() -> None:
    four = measure_risks(["a", "b", "c", "d", "a"], ["x"] * 5)
    assert four.natural_hallucination_rate == 0
    five = measure_risks(["a", "b", "c", "d", "e", "e", "f"], ["x"] * 6 + ["y"])
    assert five.natural_hallucination_rate == 6 / 7
    assert measure_risks(["a", "b", "c", "d", "e"], [""] * 5).natural_hallucination_rate == 0


def test_length_ratio_prefers_references() -> None:
    assert measure_risks(["abcd"], ["abcdef"]).length_ratio == 6 / 4
    assert measure_risks(["abcd"], ["abcdef"], ["abc"]).length_ratio == 2
    assert measure_risks([""], ["ab"]).length_ratio == 2  # no division by nothing


def test_outputs_of_a_wrong_length() -> None:
    reference = "a" * 12
    outputs = ["a" * 24, "a" * 25, "a" * 6, "a", "a" * 12]
    risks = measure_risks(["x"] * 5, outputs, [reference] * 5)
    assert risks.too_long_rate == 1 / 5  # more than twice, and more than 10 beyond
    assert risks.too_short_rate == 1 / 5  # 6 is not less than half; 1 is, and lacks 11
    short = measure_risks(["x"] * 2, ["abcdefghijk", "abcdefghijkl"], ["a"] * 2)
    assert short.too_long_rate == 1 / 2  # 10 beyond are no fault, 11 are
    bare = measure_risks(["x"], ["y" * 99])
    assert (bare.too_long_rate, bare.too_short_rate) == (None, None)


def test_outputs_in_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    languages = {"olá": "pt", "hello": "en", "OK": None}
    monkeypatch.setattr(risks_module, "identify", languages.get)
    outputs = ["olá", "hello", "OK", "olá", ""]
    risks = measure_risks(["x"] * 5, outputs, target="pt-BR")
    assert (risks.off_target_rate, risks.unknown_language_rate) == (1 / 5, 2 / 5)
    assert measure_risks(["x"] * 5, outputs).off_target_rate is None  # nobody said which language is wanted
    assert measure_risks(["x"] * 5, outputs, target="tlh").off_target_rate is None  # the identifier knows none
    monkeypatch.setattr(risks_module, "is_installed", lambda: False)
    assert measure_risks(["x"] * 5, outputs, target="pt-BR").unknown_language_rate is None


def test_real_sentences_in_another_language() -> None:
    english, german = "Where can we have dinner tonight with our friends?", "Wo können wir heute zu Abend essen?"
    risks = measure_risks(["a", "b", "c"], [german, english, "OK"], target="de-AT")
    assert (risks.off_target_rate, risks.unknown_language_rate) == (1 / 3, 1 / 3)


def test_what_is_lost_is_counted_where_there_is_something_to_lose() -> None:
    sources = ["Hi {name}", "Hi {name} and {name}", "Pay 1,000.50 now", "See https://a.org/x.", "Stop"]
    outputs = ["Olá {name}", "Olá {name}", "Pague 1.000,50 já", "Veja https://a.org/", "Pare"]
    risks = measure_risks(sources, outputs)
    assert (risks.num_with_placeholders, risks.lost_placeholder_rate) == (2, 1 / 2)
    assert (risks.num_with_numbers, risks.lost_number_rate) == (1, 0)
    assert (risks.num_with_urls, risks.lost_url_rate) == (1, 1)
    nothing = measure_risks(["Stop"], ["Pare"])
    assert (nothing.num_with_numbers, nothing.lost_number_rate) == (0, None)


def test_single_words_that_run_on() -> None:
    sources = ["Stop", "Go", "Back", "two words", "42"]
    outputs = ["Pare", "Vá por ali agora", "", "a b c d e f g", "1 2 3 4 5"]
    risks = measure_risks(sources, outputs, ["Parar", "Ir", "Voltar", "duas palavras", "42"])
    assert (risks.num_single_words, risks.single_word_failure_rate) == (3, 2 / 3)
    at_the_edge = measure_risks(["Go"], ["Vá por ali"], ["Ir"])
    assert at_the_edge.single_word_failure_rate == 0
    assert measure_risks(["two words"], ["b"]).single_word_failure_rate is None
    # of scripts without spaces between words a sentence is no single word, and each character counts
    assert measure_risks(["我喜欢猫"], ["I like cats a lot"], ["I like cats"]).num_single_words == 0
    assert measure_risks(["Stop"], ["停停停停停"], ["停止"]).single_word_failure_rate == 1


def test_counts_that_differ_are_refused() -> None:
    with pytest.raises(NmtDistillError, match="sources and hypotheses must be equally many, but are 2 and 1"):
        measure_risks(["a", "b"], ["a"])
    with pytest.raises(NmtDistillError, match="sources and references must be equally many, but are 1 and 2"):
        measure_risks(["a"], ["a"], ["a", "b"])
    with pytest.raises(NmtDistillError, match="There are no sources to score"):
        measure_risks([], [])
