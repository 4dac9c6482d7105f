from __future__ import annotations

import json
from pathlib import Path

import pytest
import sacrebleu

import nmt_distill
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.ablation import CLAIM_RULE, Ablation, AblationSet, Gain, Row, read_ablation, score_rows
from nmt_distill.evaluation.ablation_page import summary, write_ablation
from nmt_distill.evaluation.significance import Comparison, summarize_seeds
from nmt_distill.evaluation.speed import machine
from nmt_distill.languages import Direction

REFERENCES = [f"o gato número {number} dorme na casa azul" for number in range(60)]
GOOD = [line if number % 10 else "" for number, line in enumerate(REFERENCES)]
POOR = [line if number % 3 else "o cão" for number, line in enumerate(REFERENCES)]
WORSE = [line if number % 2 else "" for number, line in enumerate(REFERENCES)]


def scored(
    outputs: dict[str, dict[int, list[str]]], *baselines: str, target: str = "pt-BR", tokenizer: str = "auto"
) -> AblationSet:
    return score_rows(
        outputs,
        REFERENCES,
        name="toy",
        direction=Direction(source="en", target=target),
        baselines=baselines,
        origin="a test",
        licence="CC0-1.0",
        tokenizer=tokenizer,
    )


def report(test_set: AblationSet, rows: dict[str, tuple[int, ...]], *others: AblationSet) -> Ablation:
    return Ablation(
        title="What pays",
        rows=tuple(
            Row(name=name, description=f"{name} <b>", seeds=seeds, num_parameters=1234567, hours=0.25)
            for name, seeds in rows.items()
        ),
        baselines=("none",),
        test_sets=(test_set, *others),
        machine=machine(),
        command="sh make.sh",
        notes=("small",),
    )


def test_differences_are_those_of_sacrebleu_seed_by_seed() -> None:
    test_set = scored({"none": {1: POOR, 2: WORSE}, "all": {2: GOOD, 1: GOOD}}, "none")
    bleu, chrf = test_set.gains
    assert (bleu.metric, chrf.metric, chrf.row, chrf.baseline) == ("BLEU", "chrF2++", "all", "none")
    expected = [
        sacrebleu.corpus_chrf(GOOD, [REFERENCES], word_order=2).score
        - sacrebleu.corpus_chrf(other, [REFERENCES], word_order=2).score
        for other in (WORSE, POOR)
    ]
    assert [one.difference for one in chrf.comparisons] == pytest.approx(expected)
    assert chrf.summary.mean == pytest.approx(sum(expected) / 2)


@pytest.mark.parametrize(
    ("differences", "p_values", "verdict"),
    [
        ((1.1, 0.8, 1.4), (0.01, 0.04, 0.001), "gain: 3 seeds, 95 % interval +0.35 to +1.85"),
        ((-1.1, -0.8, -1.4), (0.01, 0.04, 0.001), "loss: 3 seeds, 95 % interval -1.85 to -0.35"),
        ((1.1, 0.8, 1.4), (0.01, 0.05, 0.001), "no claim: 2 of 3 seeds significant"),
        ((2.1, 0.2, 0.9), (0.01, 0.04, 0.001), "no claim: 3 seeds, 95 % interval -1.32 to +3.45"),
        ((2.0, 1.7), (0.001, 0.001), "no claim: 2 seeds, 95 % interval -0.06 to +3.76"),
        ((1.1, -0.8, 1.4), (0.01, 0.04, 0.001), "no claim: 3 seeds disagree in sign"),
    ],
)
def test_a_claim_needs_every_seed_and_their_interval(
    differences: tuple[float, ...], p_values: tuple[float, ...], verdict: str
) -> None:
    comparisons = tuple(
        Comparison(
            system="all", baseline="none", metric="BLEU", difference=difference, lower=0, upper=0, p_value=p_value,
            identical=False,
        )
        for difference, p_value in zip(differences, p_values, strict=True)
    )  # fmt: skip
    gain = Gain(
        row="all", baseline="none", metric="BLEU", comparisons=comparisons, summary=summarize_seeds(differences)
    )
    assert gain.verdict() == verdict


def test_the_rule_of_the_code_is_that_of_the_document() -> None:
    document = " ".join(
        (Path(nmt_distill.__file__).parents[1] / "eval" / "README.md").read_text(encoding="utf-8").split()
    )
    for condition in (
        "all seeds, and at least two, agree in sign",
        "the 95 % interval of the mean over seeds (paired t) leaves 0 out",
        "p is below 0.05 by paired bootstrap within each seed",
    ):
        assert condition in CLAIM_RULE
        assert condition in document


def test_one_seed_is_called_one() -> None:
    test_set = scored({"none": {1: POOR, 2: POOR}, "all": {2: GOOD}}, "none")
    assert test_set.gains[0].verdict().startswith("one seed: better (p = 0.0")
    same = scored({"none": {1: POOR}, "all": {1: POOR}}, "none")
    assert {gain.verdict() for gain in same.gains} == {"one seed: identical"}
    same = scored({"none": {1: POOR, 2: GOOD}, "all": {1: POOR, 2: GOOD}}, "none")
    assert {gain.verdict() for gain in same.gains} == {"identical"}


def test_tokenizer_reaches_scores_and_tests_and_is_told(tmp_path: Path) -> None:
    rows = {"none": {1: POOR}, "all": {1: WORSE}}
    by_word, by_character, thai = (
        scored(rows, "none", target=target, tokenizer=tokenizer)
        for target, tokenizer in (("pt-BR", "auto"), ("pt-BR", "char"), ("th", "auto"))
    )
    assert "|tok:char|" in by_character.rows[1].scores[0].bleu.signature
    assert by_character.gains[0].summary.mean != by_word.gains[0].summary.mean
    write_ablation(report(by_word, {"none": (1,), "all": (1,)}, thai), tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page.count("Note: BLEU for `th` counts characters") == 1
    for scores in (by_word.rows[0].scores[0], thai.rows[0].scores[0]):
        assert scores.bleu.signature in page


def test_rows_are_compared_with_every_baseline_before_them() -> None:
    rows = {"none": {1: POOR}, "some": {1: WORSE}, "all": {1: GOOD}}
    pairs = [(gain.row, gain.baseline) for gain in scored(rows, "none", "some").gains if gain.metric == "BLEU"]
    assert pairs == [("some", "none"), ("all", "none"), ("all", "some")]


def test_unknown_baseline_and_rows_without_a_common_seed_are_refused() -> None:
    with pytest.raises(NmtDistillError, match=r"have no `other` to compare with; they are none"):
        scored({"none": {1: POOR}}, "other")
    with pytest.raises(NmtDistillError, match=r"The rows `all` and `none` have no seed in common"):
        scored({"none": {1: POOR}, "all": {2: GOOD}}, "none")


def test_report_tells_every_seed(tmp_path: Path) -> None:
    test_set = scored({"none": {1: POOR, 2: POOR}, "all": {1: GOOD, 2: GOOD}}, "none")
    made = report(test_set, {"none": (1, 2), "all": (1, 2)})
    write_ablation(made, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert (results["kind"], results["baselines"]) == ("ablation", ["none"])
    assert read_ablation(tmp_path / "results.json") == made
    (tmp_path / "other.json").write_text(json.dumps(results | {"kind": "report"}), encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"other\.json is not what `compare --row` of this version writes"):
        read_ablation(tmp_path / "other.json")
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    chrf = next(gain for gain in test_set.gains if gain.metric == "chrF2++")
    for comparison in chrf.comparisons:
        assert f"{comparison.difference:+.2f}" in page
    assert chrf.verdict().startswith("gain: 2 seeds, 95 % interval +")
    assert chrf.verdict() in page
    assert CLAIM_RULE in page
    assert "1,234,567" in page
    assert "none \\<b\\>" in page
    assert summary(made) == [f"all, against none: {chrf.summary.mean:+.1f} chrF2++ on toy ({chrf.verdict()})."]


def test_overview_has_every_test_set_with_its_direction_where_there_are_several(tmp_path: Path) -> None:
    outputs = {"none": {1: POOR, 2: WORSE}, "all": {1: GOOD, 2: GOOD}}
    portuguese, german = (scored(outputs, "none", target=target) for target in ("pt-BR", "de"))
    rows: dict[str, tuple[int, ...]] = {"none": (1, 2), "all": (1, 2)}
    write_ablation(report(portuguese, rows), tmp_path / "one")
    assert "| chrF2++ | seeds | toy |" in (tmp_path / "one" / "report.md").read_text(encoding="utf-8")
    write_ablation(report(portuguese, rows, german), tmp_path / "two")
    page = (tmp_path / "two" / "report.md").read_text(encoding="utf-8")
    assert "| chrF2++ | seeds | toy en-pt-BR | toy en-de |" in page
    (told,) = summary(report(portuguese, rows, german))
    kind = portuguese.gains[1].verdict().partition(":")[0]
    assert told.endswith(f" chrF2++ on toy (mean of 2 directions: {kind} in 2).")
    good, poor, worse = (
        sacrebleu.corpus_chrf(lines, [REFERENCES], word_order=2).score for lines in (GOOD, POOR, WORSE)
    )
    baseline = (poor + worse) / 2
    cell = f"{good:.2f} ({good - baseline:+.2f})"
    assert f"| none | 2 | {baseline:.2f} | {baseline:.2f} |" in page
    assert f"| all | 2 | {cell} | {cell} |" in page
    assert "toy en-de: chrF2++ against none" in (tmp_path / "two" / "plots" / "gains_2.svg").read_text(encoding="utf-8")


def test_plots_show_every_row_and_name_what_they_are(tmp_path: Path) -> None:
    test_set = scored({"none": {1: GOOD, 2: GOOD}, "up": {1: GOOD, 2: REFERENCES}, "down": {1: POOR, 2: POOR}}, "none")
    write_ablation(report(test_set, {"none": (1, 2), "up": (1, 2), "down": (1, 2)}), tmp_path)
    svg = (tmp_path / "plots" / "gains_1.svg").read_text(encoding="utf-8")
    for words in ("toy: chrF2++ against none", ">up<", ">down<"):
        assert words in svg
    assert svg in (tmp_path / "report.html").read_text(encoding="utf-8")
