"""The paired bootstrap against sacreBLEU's own, and the cases that it answers wrongly."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest, Result

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.significance import Comparison, Draws, compare_means, summarize_seeds
from nmt_distill.evaluation.significance import compare as compare_in_full

WORDS = ["casa", "gato", "luz", "porta", "janela", "mesa", "água", "rua", "dia", "noite", "livro", "sol"]


def compare(
    system: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    target: str = "pt",
    names: tuple[str, str] = ("system", "baseline"),
    **draws: int,
) -> tuple[Comparison, Comparison]:
    """Compare in BLEU and chrF2++, by the bootstrap alone, which is fast."""
    bleu, chrf = compare_in_full(
        system,
        baseline,
        references,
        target=target,
        names=names,
        metrics=("BLEU", "chrF2++"),
        draws=Draws(**({"num_trials": 0} | draws)),
    )
    return bleu, chrf


def corpus(num_sentences: int, damages: list[float]) -> tuple[list[str], list[list[str]]]:
    """Make references, and systems that replace the given share of words."""
    draw = random.Random(3)
    references = [[draw.choice(WORDS) for _ in range(draw.randint(4, 12))] for _ in range(num_sentences)]
    systems = [
        [" ".join("errado" if draw.random() < damage else word for word in words) for words in references]
        for damage in damages
    ]
    return [" ".join(words) for words in references], systems


@pytest.mark.parametrize("damages", [[0.10, 0.30], [0.20, 0.21]])
def test_p_is_that_of_sacrebleu(damages: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    references, (system, baseline) = corpus(60, damages)
    ours = compare(system, baseline, references, names=("student", "plain"))
    metrics = {"BLEU": BLEU(), "chrF2++": CHRF(word_order=2)}
    _, theirs = PairedTest([("plain", baseline), ("student", system)], metrics, [references], test_type="bs")()
    for comparison in ours:
        base, better = theirs[comparison.metric]
        assert isinstance(base, Result)
        assert isinstance(better, Result)
        assert comparison.p_value == better.p_value
        assert comparison.difference == pytest.approx(better.score - base.score, abs=1e-6)
        assert (comparison.system, comparison.baseline) == ("student", "plain")
        assert comparison.lower < comparison.difference < comparison.upper
        assert not comparison.identical


@pytest.mark.parametrize("damages", [[0.10, 0.30], [0.20, 0.22]])
def test_p_of_randomisation_is_that_of_sacrebleu(damages: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    references, (system, baseline) = corpus(60, damages)  # so many differ that no trial swaps all or none of them
    metrics = {"BLEU": BLEU(), "chrF2++": CHRF(word_order=2)}
    named: list[tuple[str, Sequence[str]]] = [("plain", baseline), ("student", system)]
    _, theirs = PairedTest(named, metrics, [references], test_type="ar", n_samples=1000)()
    for comparison in compare(system, baseline, references, num_trials=1000, num_resamples=64):
        result = theirs[comparison.metric][1]
        assert isinstance(result, Result)
        assert comparison.randomization_p == result.p_value
        assert comparison.num_trials == 1000
    (bleu, _) = compare(system, baseline, references)
    assert (bleu.randomization_p, bleu.num_trials) == (None, None)


def test_randomisation_by_full_count() -> None:
    # two sentences, one of them equal: swapping the other only changes the sign, so every trial differs by as much
    references = ["um dois três quatro", "cinco seis sete oito"]
    bleu, _ = compare([references[0], "x"], ["y", "x"], references, num_trials=99)
    assert bleu.randomization_p == 1
    # five sentences of as much better ones: 2 of the 32 ways to swap differ by as much as the systems, none by more
    lines = [" ".join(line) for line in zip(*[iter(WORDS * 2)] * 4, strict=True)][:5]
    better, worse = [[*lines, "x"] for lines in (lines, ["y"] * 5)]
    _, chrf = compare(better, worse, [*lines, "z"], num_trials=4000)
    assert chrf.randomization_p == pytest.approx(2 / 32, abs=0.012)


def test_one_sentence_proves_nothing() -> None:
    for comparison in compare(["um dois três quatro"], ["um dois três x"], ["um dois três quatro"]):
        assert comparison.difference > 0
        assert comparison.p_value == 1
        assert comparison.verdict() == "no significant difference (p = 1.000)"


def test_systems_without_any_bleu_are_not_told_apart_by_it() -> None:
    references = ["um dois três"] * 9  # too short for BLEU, which is 0 in every draw
    bleu, chrf = compare(references, ["um"] * 9, references, num_trials=99)
    assert (bleu.difference, bleu.identical, bleu.p_value, bleu.randomization_p) == (0, False, 1, 1)
    assert chrf.verdict() == "better (p = 0.001)"


def test_clear_difference_in_either_direction() -> None:
    references, (good, bad) = corpus(80, [0.1, 0.5])
    for comparison in compare(good, bad, references):
        assert comparison.lower > 0
        assert comparison.verdict() == "better (p = 0.001)"
    for forth, back in zip(compare(good, bad, references), compare(bad, good, references), strict=True):
        assert back.verdict() == "worse (p = 0.001)"
        assert back.difference == -forth.difference
        assert back.lower == pytest.approx(-forth.upper)
        assert back.upper == pytest.approx(-forth.lower)


def test_interval_contains_zero_where_nothing_differs_but_luck() -> None:
    references, (one, other) = corpus(80, [0.2, 0.2])
    bleu, _ = compare(one, other, references)
    assert bleu.lower < 0 < bleu.upper
    assert bleu.verdict() == f"no significant difference (p = {bleu.p_value:.3f})"


def test_identical_systems_are_called_identical() -> None:
    references, (system,) = corpus(20, [0.2])
    trap = PairedTest([("a", system), ("b", system)], {"BLEU": BLEU()}, [references], test_type="bs")()[1]
    trapped = trap["BLEU"][1]
    assert isinstance(trapped, Result)
    assert trapped.p_value == pytest.approx(1 / 1001)  # the trap: the most significant value there is
    for comparison in compare(system, list(system), references, num_trials=9):
        assert comparison.identical
        assert (comparison.difference, comparison.lower, comparison.upper, comparison.p_value) == (0, 0, 0, 1)
        assert comparison.randomization_p == 1
        assert comparison.verdict() == "identical"


def test_outputs_that_match_alike_are_identical_too() -> None:
    references = ["um dois três quatro cinco", "seis sete oito nove dez"]
    hypotheses = ["um dois três quatro xxxxx", "seis sete oito nove dez"]
    others = ["um dois três quatro yyyyy", "seis sete oito nove dez "]
    for comparison in compare(hypotheses, others, references):
        assert comparison.identical
        assert comparison.p_value == 1


def test_seed_and_resamples_change_the_draws() -> None:
    references, (one, other) = corpus(40, [0.2, 0.25])
    usual = compare(one, other, references)[0]
    assert usual == compare(one, other, references)[0]
    assert usual.lower != compare(one, other, references, seed=1)[0].lower
    few = compare(one, other, references, num_resamples=99)[0]
    assert few.num_resamples == 99
    assert few.p_value * 100 == pytest.approx(round(few.p_value * 100))


def test_ter_is_better_where_it_is_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    references, (good, bad) = corpus(60, [0.10, 0.30])
    (found,) = compare_in_full(good, bad, references, target="pt", metrics=["TER"], draws=Draws(num_trials=1000))
    for test_type, number, p_value in (("bs", 1000, found.p_value), ("ar", 1000, found.randomization_p)):
        systems: list[tuple[str, Sequence[str]]] = [("bad", bad), ("good", good)]
        _, theirs = PairedTest(systems, {"TER": TER()}, [references], test_type=test_type, n_samples=number)()
        result = theirs["TER"][1]
        assert isinstance(result, Result)
        assert p_value == result.p_value
    assert found.difference < 0
    assert found.upper < 0
    assert found.verdict() == "better (p = 0.001)"


def test_means_of_sentences_are_compared_alike() -> None:
    draw = random.Random(1)
    ours = [draw.gauss(0.82, 0.05) for _ in range(200)]
    theirs = [draw.gauss(0.80, 0.05) for _ in range(200)]
    found = compare_means(ours, theirs, metric="COMET22", names=("a", "b"), draws=Draws(num_trials=1000))
    mean = sum(ours) / 200 - sum(theirs) / 200
    assert found.difference == pytest.approx(mean)
    assert (found.system, found.baseline, found.metric) == ("a", "b", "COMET22")
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    error = (sum((difference - mean) ** 2 for difference in differences) / 200 / 200) ** 0.5
    assert found.lower == pytest.approx(mean - 1.96 * error, abs=0.2 * error)  # by the central limit theorem
    assert found.upper == pytest.approx(mean + 1.96 * error, abs=0.2 * error)
    assert found.verdict() == "better (p = 0.001)"
    assert compare_means(theirs, ours, metric="COMET22").verdict() == "worse (p = 0.001)"
    assert compare_means(ours, list(ours), metric="COMET22").verdict() == "identical"
    with pytest.raises(NmtDistillError, match="values and baseline must be equally many, but are 200 and 1"):
        compare_means(ours, [0.5], metric="COMET22")


def test_lengths_must_agree() -> None:
    with pytest.raises(NmtDistillError, match="references and baseline must be equally many, but are 1 and 2"):
        compare(["a"], ["a", "b"], ["a"], target="en")


def test_seeds_by_hand() -> None:
    summary = summarize_seeds([1.0, 2.0, 3.0])
    assert (summary.mean, summary.spread, summary.num_seeds, summary.same_sign) == (2, 1, 3, True)
    assert not summarize_seeds([1.0, -0.1]).same_sign
    assert not summarize_seeds([0.0, 1.0]).same_sign
    assert summarize_seeds([-1.0]).spread == 0
    with pytest.raises(NmtDistillError, match="There are no differences to sum up"):
        summarize_seeds([])


def test_interval_over_seeds_is_that_of_a_paired_t_test() -> None:
    """The values are those of scipy 1.15, ``ttest_1samp(...).confidence_interval(0.95)``."""
    assert summarize_seeds([1.0, 2.0, 3.0]).interval == pytest.approx((-0.4841377, 4.4841377), abs=1e-3)
    assert summarize_seeds([-0.6, -1.07]).interval == pytest.approx((-3.820958, 2.150958), abs=1e-3)
    assert summarize_seeds([2.0]).interval == (-math.inf, math.inf)


@pytest.mark.parametrize("num_seeds", [2, 3, 9, 16, 40])
def test_quantiles_are_those_of_scipy(num_seeds: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = [math.sin(seed) for seed in range(num_seeds)]
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    lower, upper = summarize_seeds(differences).interval
    assert lower == pytest.approx(low, abs=0.02)
    assert upper == pytest.approx(high, abs=0.02)
    assert num_seeds < 17 or (lower < low and upper > high), "too wide, not too narrow"
