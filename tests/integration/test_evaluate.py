"""Any systems on any test sets in one report, by the command."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.cli import main
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines
from nmt_distill.scoring.trial import Trial, run_trial
from tests.integration.commands import run_command
from tests.integration.conftest import Fails

UPPER = "import sys\nfor line in sys.stdin:\n    print(line.strip().upper(), flush=True)\n"
LENGTHS = """
import json, sys
for line in sys.stdin:
    print(len(json.loads(line)["hypothesis"]))
"""


@pytest.fixture(scope="module")
def evaluated(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A report of a teacher, a student's folder, an export, a program and a file, with everything measured."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "upper.py").write_text(UPPER, encoding="utf-8")
    (folder / "lengths.py").write_text(LENGTHS, encoding="utf-8")
    corpus = finished_run / "corpus" / "en-pt-BR"
    for language in ("en", "pt-BR"):
        lines = list(read_lines(corpus / f"test.{language}"))[:20]
        (folder / f"test.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    finished = run_command(
        "evaluate",
        *("--system", f"big=teacher:{finished_run / 'recipe.yaml'}"),
        *("--system", f"small={finished_run / 'student'}"),
        *("--system", f"shouted=command:{sys.executable} {folder / 'upper.py'}"),
        *("--system", f"human={folder / 'test.pt-BR'}"),
        *("--system", f"int8={finished_run / 'export' / 'int8'}"),
        *("--test-set", f"toys={folder / 'test.en'},{folder / 'test.pt-BR'}"),
        *("--from", "en", "--to", "pt-BR", "--report", folder / "report", "--title", "Toys"),
        *("--noise", "upper_case", "--noise", "double_spaces", "--tokenizer", "char"),
        *("--metric", f"LENGTH={sys.executable} {folder / 'lengths.py'}"),
        *("--speed-repetitions", "1"),
        cwd=folder,
    )
    assert finished.status == 0, finished.stderr
    assert "LENGTH" in finished.stdout
    report = json.loads((folder / "report" / "scores.json").read_text(encoding="utf-8"))
    return folder, report


def test_every_kind_of_system_is_scored(evaluated: tuple[Path, dict[str, Any]]) -> None:
    _, report = evaluated
    (test_set,) = report["test_sets"]
    rows = {row["system"]: row for row in test_set["systems"]}
    assert list(rows) == ["big", "small", "shouted", "human", "int8"]
    assert (test_set["name"], test_set["num_sentences"], report["title"]) == ("toys", 20, "Toys")
    assert rows["human"]["scores"]["bleu"]["value"] == pytest.approx(100)
    assert "tok:char" in rows["human"]["scores"]["bleu"]["signature"]
    assert rows["shouted"]["scores"]["chrf"]["value"] < 20 < rows["small"]["scores"]["chrf"]["value"]
    assert rows["big"]["agreement"]["value"] == pytest.approx(100)
    assert [role["role"] for role in report["systems"]] == ["teacher", "student", "peer", "peer", "export"]
    assert {(test["system"], test["baseline"]) for test in test_set["comparisons"]} == {
        (name, "big") for name in list(rows)[1:]
    }


def test_efficiency_is_measured_in_a_process_of_its_own(finished_run: Path) -> None:
    trial = Trial(
        name="int8",
        what=str(finished_run / "export" / "int8"),
        beam_size=None,
        source="en",
        target="pt-BR",
        sentences=["a b c", "d e", "f"],
        num_cores=1,
        repetitions=3,
        sentencepiece=str(finished_run / "vocabulary" / "joint.spm"),
        token_unit="pieces",
    )
    found = run_trial(trial)
    assert (found.system, found.num_cores) == ("int8", 1)
    assert (found.latency.batch_rule, found.latency.num_sentences) == ("1 sentence", 3)
    assert len(found.latency.all_seconds) == len(found.throughput.all_seconds) == 3
    assert found.throughput.num_tokens == found.latency.num_tokens
    assert found.load_seconds > 0
    if sys.platform == "linux":
        assert found.peak_bytes is not None
        assert 20e6 < found.peak_bytes < 1e9  # no torch among it
    with pytest.raises(NmtDistillError, match=r"the speed of x cannot be measured: .*`nowhere` is none of them"):
        run_trial(replace(trial, name="x", what="nowhere"))


def test_outside_metric_noise_and_speed_are_there(evaluated: tuple[Path, dict[str, Any]]) -> None:
    folder, report = evaluated
    (test_set,) = report["test_sets"]
    rows = {row["system"]: row for row in test_set["systems"]}
    lengths = [len(line) for line in read_lines(folder / "test.pt-BR")]
    assert rows["human"]["outside"][0]["value"] == pytest.approx(sum(lengths) / len(lengths))
    assert [noisy["noise"] for noisy in test_set["robustness"]] == ["upper_case", "double_spaces"]
    for noisy in test_set["robustness"]:
        assert [score["system"] for score in noisy["systems"]] == ["big", "small", "shouted", "int8"]
    assert rows["human"]["speed"] is None
    assert rows["int8"]["speed"]["num_sentences"] == 20


def test_report_tells_nothing_of_this_machine(evaluated: tuple[Path, dict[str, Any]]) -> None:
    folder, report = evaluated
    page = (folder / "report" / "report.md").read_text(encoding="utf-8")
    told_by_hand = [report["command"], *(score["command"] for score in report["test_sets"][0]["systems"][0]["outside"])]
    for text in told_by_hand:
        page = page.replace(text, "")
    assert str(folder) not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--system", "x"], "evaluate with --system or --test-set needs --test-set too"),
        (["--system", "x", "--test-set", "y", "--to", "de"], "needs --from too"),
        (["--test-set", "y"], "needs --system too"),
        ([], "--system and --test-set, or --hypotheses, --references and --to; --hypotheses is missing"),
        (["--hypotheses", "a", "--references", "b", "--to", "de", "--to", "fr"], "--to must stand once"),
        (
            ["--hypotheses", "a", "--references", "b", "--to", "de", "--metric", "x=y"],
            "--metric needs --sources too",
        ),
    ],
)
def test_options_that_are_missing_are_told(fails: Fails, arguments: list[str], said: str) -> None:
    assert said in fails("evaluate", *arguments)


def test_two_systems_of_one_name_are_refused(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n", encoding="utf-8")
    system = ["--system", f"n=file:{tmp_path / 'a'}"]
    options = ["--test-set", f"{tmp_path / 'a'},{tmp_path / 'a'}", "--from", "en", "--to", "de", "--report", "r"]
    assert "two systems are called n; give each --system a name" in fails("evaluate", *system, *system, *options)


def test_files_of_outputs_are_read_before_anything_is_translated(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\ny\n", encoding="utf-8")
    (tmp_path / "short").write_text("x\n", encoding="utf-8")
    sets = [f"--test-set={name}={tmp_path / 'a'},{tmp_path / 'a'}" for name in ("one", "two")]
    options = ["--system", f"slow=command:touch {tmp_path / 'began'}", "--from", "en", "--to", "de", "--report", "r"]
    for file, said in (("short", "short has 1 line, but `one` has 2 sentences"), ("a", "says to `one` and to `two`")):
        assert said in fails("evaluate", *options, *sets, "--system", f"n=file:{tmp_path / file}")
        assert not (tmp_path / "began").exists()


@pytest.mark.parametrize(
    ("option", "given", "least"),
    [("--max-sentences", "0", 1), ("--beam-size", "0", 1), ("--speed-repetitions", "x", 0)],
)
def test_counts_are_whole_numbers(capsys: pytest.CaptureFixture[str], option: str, given: str, least: int) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", option, given])
    assert f"must be a whole number of at least {least}, but is {given} instead" in capsys.readouterr().err
