"""Numbers that the README states are those of the reports that are kept."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import fmean

import pytest

from nmt_distill.evaluation.ablation import read_ablation
from nmt_distill.evaluation.ablation_page import write_ablation
from nmt_distill.evaluation.document import markdown
from nmt_distill.evaluation.page import report_blocks
from nmt_distill.evaluation.report import read_report
from nmt_distill.files import read_json

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "eval" / "reports" / "bergamot_en-pt"


def test_table_of_the_readme_comes_out_of_the_report() -> None:
    report = read_report(REPORT / "results.json")
    scores = {
        (test_set.name, row.system): f"{row.scores.bleu.value:.1f} / {row.scores.chrf.value:.2f}"
        for test_set in report.test_sets
        for row in test_set.systems
    }
    rows = re.findall(
        r"^\| ([\w, ]+) \| ([\d.]+ / [\d.]+) \| ([\d.]+ / [\d.]+) \|$", (ROOT / "README.md").read_text(), re.M
    )
    assert len(rows) >= 6
    for system, held_out, tatoeba in rows:
        assert (held_out, tatoeba) == (scores["held-out", system], scores["tatoeba", system])


def test_shares_of_the_readme_come_out_of_the_report() -> None:
    report = read_report(REPORT / "results.json")
    told = re.search(r"keeps ([\d.]+) % of its teacher's chrF2\+\+ on catalogue strings and ([\d.]+) %", _readme())
    assert told is not None
    for share, test_set in zip(told.groups(), report.test_sets, strict=True):
        (row,) = [row for row in test_set.systems if row.system == "quickstart int8, plain"]
        assert row.teacher_share == pytest.approx(float(share), abs=0.05)


def test_readable_report_is_made_of_the_numbers() -> None:
    report = read_report(REPORT / "results.json")
    assert (REPORT / "report.md").read_text(encoding="utf-8") == markdown(list(report_blocks(report)))


@pytest.mark.parametrize("report", ["growing", "kd_pays", "kd_pays_multilingual"])
def test_report_of_kinds_of_distillation_is_made_of_its_numbers(report: str, tmp_path: Path) -> None:
    folder = ROOT / "eval" / "reports" / report
    write_ablation(read_ablation(folder / "results.json"), tmp_path)
    for name in ("results.json", "report.md"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def _readme() -> str:
    return " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_table_of_grown_students_comes_out_of_its_report() -> None:
    content = read_json(ROOT / "eval" / "reports" / "growing" / "results.json")
    told: dict[str, list[str]] = {row["name"]: [] for row in content["rows"]}
    for test_set in content["test_sets"]:
        gains = {
            gain["row"]: f" ({gain['summary']['mean']:+.2f})"
            for gain in test_set["gains"]
            if (gain["baseline"], gain["metric"]) == ("small, trained on", "chrF2++")
        }
        for row in test_set["rows"]:
            mean = fmean(scores["chrf"]["value"] for scores in row["scores"])
            told[row["row"]].append(f"{mean:.2f}{gains.get(row['row'], '')}")
    readme = (ROOT / "recipes" / "grown_en-pt" / "README.md").read_text(encoding="utf-8")
    number = r" ([\d.]+(?: \([+-][\d.]+\))?) \|"
    rows = re.findall(rf"^\| ([\w, ]+) \|{number}{number}$", readme, re.M)
    assert {name: columns for name, *columns in rows} == told


@pytest.mark.parametrize(
    ("report", "test_sets"), [("kd_pays", ("held-out", "tatoeba")), ("kd_pays_multilingual", ("held-out",))]
)
def test_tables_of_kinds_of_distillation_come_out_of_their_reports(report: str, test_sets: tuple[str, ...]) -> None:
    """Mean chrF2++ of a row's seeds, and what it gains over the row without teacher; a column a test set."""
    content = read_json(ROOT / "eval" / "reports" / report / "results.json")
    told: dict[str, list[str]] = {row["name"]: [str(len(row["seeds"]))] for row in content["rows"]}
    shown = [test_set for test_set in content["test_sets"] if test_set["name"] in test_sets]
    for test_set in shown:
        gains = {
            gain["row"]: f" ({gain['summary']['mean']:+.2f})"
            for gain in test_set["gains"]
            if (gain["baseline"], gain["metric"]) == ("no teacher", "chrF2++")
        }
        for row in test_set["rows"]:
            mean = fmean(scores["chrf"]["value"] for scores in row["scores"])
            told[row["row"]].append(f"{mean:.2f}{gains.get(row['row'], '')}")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    number = r" ([\d.]+(?: \([+-][\d.]+\))?) \|"
    rows = re.findall(rf"^\| ([\w, -]+) \| (\d) \|{number * len(shown)}$", readme, re.M)
    assert {name: columns for name, *columns in rows} == told


def test_table_of_embedding_teachers_comes_out_of_its_report() -> None:
    report = read_json(ROOT / "eval" / "reports" / "embedding_teachers" / "results.json")
    ways = ("forward", "backward")
    told = {
        (row["test_set"], row["system"]): " / ".join(f"{100 * row['scores'][way]:.1f}" for way in ways)
        for row in report["scores"]
    }
    readme = (ROOT / "recipes" / "embeddings_en-pt" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w\w) \| ([\d.]+ / [\d.]+) \| ([\d.]+ / [\d.]+) \|$", readme, re.M)
    systems = ("embedding teacher", "mean states of the translation teacher")
    assert len(rows) == len(told) / 2 == 4
    for language, *shares in rows:
        assert shares == [told[f"en-{language}", system] for system in systems]


@pytest.mark.parametrize(("recipe", "has_cosine"), [("embeddings_en-pt", False), ("embeddings_e5_en-pt", True)])
def test_tables_of_sentence_vectors_come_out_of_their_reports(recipe: str, has_cosine: bool) -> None:
    report = read_json(ROOT / "eval" / "reports" / recipe / "results.json")
    told = set()
    for row in report["scores"]:
        scores = row["scores"]
        ways = [
            " / ".join(f"{100 * scores[f'{way}{measure}']:.1f}" for way in ("forward", "backward"))
            for measure in ("", "_xsim")
        ]
        cosine = [f"{scores['mean_cosine']:.2f}"] if has_cosine else []
        told.add((
            row["system"],
            *ways,
            f"{100 * scores['mining_f1']:.1f}",
            *cosine,
            f"{row['sentences_per_second']:,.0f}",
        ))
    readme = (ROOT / "recipes" / recipe / "README.md").read_text(encoding="utf-8")
    pattern = r"^\| ([\w ]+) \|" + r" ([\d.]+ / [\d.]+) \|" * 2 + r" ([\d.]+) \|" * (1 + has_cosine) + r" ([\d,]+) \|$"
    rows = set(re.findall(pattern, readme, re.M))
    assert len(rows) >= 4
    assert rows <= told
    for heads in re.findall(r"macro-F1 of (0[.]\d+)", readme):
        assert heads == f"{report['languages']['head']:.3f}"


def test_cost_of_vectors_comes_out_of_its_report() -> None:
    report = read_report(ROOT / "eval" / "reports" / "embeddings_en-pt" / "translation" / "scores.json")
    told = {
        row.system: tuple(
            f"{scored.scores.bleu.value:.1f} / {scored.scores.chrf.value:.2f}"
            for test_set in report.test_sets
            for scored in test_set.systems
            if scored.system == row.system
        )
        for row in report.test_sets[0].systems
    }
    readme = (ROOT / "recipes" / "embeddings_en-pt" / "README.md").read_text(encoding="utf-8")
    cost = readme[readme.index("**What becomes of translation**") : readme.index("Every difference from `quickstart`")]
    rows = re.findall(r"^\| ([\w ]+) \| ([\d.]+ / [\d.]+) \| ([\d.]+ / [\d.]+) \|$", cost, re.M)
    assert {system: scores for system, *scores in rows} == {system: [*scores] for system, scores in told.items()}


@pytest.mark.parametrize("recipe", ["embeddings_en-pt", "embeddings_e5_en-pt"])
def test_table_of_topics_comes_out_of_its_report(recipe: str) -> None:
    report = read_json(ROOT / "eval" / "reports" / recipe / "topics.json")
    told = {
        row["system"]: tuple(
            f"{row[language]['macro_f1']:.3f} / {row[language]['accuracy']:.3f}" for language in ("english", "other")
        )
        for row in report["systems"]
    }
    readme = (ROOT / "recipes" / recipe / "README.md").read_text(encoding="utf-8")
    num_train, num_test = report["num_train"], report["num_test"]
    assert f"{num_train:,} of Debian's package descriptions, asked for in {num_test:,} others" in " ".join(
        readme.split()
    )
    rows = re.findall(r"^\| ([\w ]+) \| (0[\d.]+ / [\d.]+) \| (0[\d.]+ / [\d.]+) \|$", readme, re.M)
    assert {system: (english, other) for system, english, other in rows} == told


def test_table_of_words_across_languages_comes_out_of_its_report() -> None:
    report = read_json(ROOT / "eval" / "reports" / "embedding_transfer" / "results.json")
    found = {row["name"]: row["translations_found"] for row in report["rows"]}
    started = found["hybrid, embeddings"]
    told = [
        *(started[table] for table in ("teacher", "student before training", "student")),
        *(found[name]["student"] for name in ("hybrid", "sequence level", "no teacher")),
    ]
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = re.findall(r"^  \| [\w ',:()]+ \| (\d+ %) \| (\d+ %) \| (\d+ %) \| (\d+ %) \|$", methods, re.M)
    assert rows == [
        tuple(f"{shares[language]:.0%}".replace("%", " %") for language in ("en", "de", "es", "fr")) for shares in told
    ]
