"""Metrics of outside programs, by programs that the test writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.outside_metrics import (
    OutsideMetricConfig,
    parse_outside_metric,
    sentence_scores,
)

LENGTHS = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    assert set(row) == {"source", "hypothesis", "reference"}
    print(len(row["hypothesis"]) + 100 * len(row["reference"]) + 10000 * len(row["source"]))
"""


def program(folder: Path, text: str) -> OutsideMetricConfig:
    path = folder / "metric program.py"
    path.write_text(text, encoding="utf-8")
    return OutsideMetricConfig(name="LENGTH", command=f"{sys.executable} '{path}'")


def test_every_line_gets_its_own_score(tmp_path: Path) -> None:
    metric = program(tmp_path, LENGTHS)
    sources, hypotheses, references = ["abc", "d\u2028\x85e"], ["a", "日本"], ["ab", ""]
    found = sentence_scores(metric, sources, hypotheses, references)
    assert found.values == (30201, 40002)
    score = found.mean()
    assert score.value == (30201 + 40002) / 2
    assert score.lower == 30201  # of two sentences a quarter of the draws hold one of them alone
    assert score.upper == 40002
    assert (score.metric, score.command) == ("LENGTH", metric.command)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit('no such model')", "LENGTH ended with status 1: no such model"),
        ("while True: print(1)", "LENGTH answered 2 lines with more; it must print one number for each line"),
        ("print(0.5)", "LENGTH answered 2 lines with 1; it must print one number for each line"),
        ("print(0.5); print('good')", "LENGTH answered line 2 with 'good', not a number"),
        ("print('nan'); print(1)", "LENGTH answered line 1 with 'nan', not a number"),
    ],
)
def test_programs_that_fail_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NmtDistillError, match=said):
        sentence_scores(program(tmp_path, text), ["a", "b"], ["a", "b"], ["a", "b"])


def test_missing_program_is_told() -> None:
    metric = OutsideMetricConfig(name="COMET", command="/nowhere/python scores.py")
    with pytest.raises(NmtDistillError, match=r"COMET cannot be started: .*its command is /nowhere/python scores"):
        sentence_scores(metric, ["a"], ["a"], ["a"])


def test_command_line_form() -> None:
    assert parse_outside_metric("COMET22=python a.py --b=c") == OutsideMetricConfig(
        name="COMET22", command="python a.py --b=c"
    )
    for text in ("COMET22", "=x", "COMET22= "):
        with pytest.raises(NmtDistillError, match="--metric must be NAME=COMMAND"):
            parse_outside_metric(text)


def test_comets_program_answers_by_the_protocol(tmp_path: Path) -> None:
    """``eval/comet_scores.py`` with a package that has COMET's names."""
    (tmp_path / "comet.py").write_text(
        "class Model:\n"
        "    def predict(self, data, batch_size, gpus, progress_bar):\n"
        "        class Found:\n"
        "            scores = [len(row['src']) + len(row['mt']) / 10 + len(row['ref']) / 100 for row in data]\n"
        "        print('talk')\n"
        "        return Found\n"
        "def download_model(name): return 'path of ' + name\n"
        "def load_from_checkpoint(path):\n"
        "    assert path == 'path of Unbabel/wmt22-comet-da'\n"
        "    return Model()\n",
        encoding="utf-8",
    )
    script = Path(__file__).parents[3] / "eval" / "comet_scores.py"
    command = f"env PYTHONPATH={tmp_path} {sys.executable} {script}"
    metric = OutsideMetricConfig(name="COMET22", command=command)
    found = sentence_scores(metric, ["ab", "c"], ["d", "ef"], ["g", "hij"])
    assert found.values == pytest.approx([2.11, 1.23])
    assert json.loads(json.dumps(metric.command)) == command
