"""What the command says where it cannot do what was asked for: one line, and status 2."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from nmt_distill.cli import main
from nmt_distill.commands import models as models_command
from nmt_distill.translation.packaged_models import models_folder, packaged_names

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of one line, in the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("a\n")
    return Path("file")


def raise_for(number: int, file: Path) -> None:
    raise OSError(number, os.strerror(number), str(file))


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda file: file.mkdir(), "nmt-distill: file cannot be used: File exists; name another place.\n"),
        (
            lambda file: (file / "x").open(),
            "nmt-distill: file/x cannot be used: Not a directory; name another place.\n",
        ),
        (lambda file: file.parent.open(), "nmt-distill: . cannot be used: Is a directory; name another place.\n"),
        (
            lambda file: file.replace(file.parent / "folder"),
            "folder cannot be used: Is a directory; name another place.\n",
        ),
        (
            lambda file: raise_for(errno.EACCES, file),
            "nmt-distill: file cannot be used: Permission denied; name another place.\n",
        ),
        (
            lambda file: raise_for(errno.EFBIG, file),
            "nmt-distill: File too large (file); make room or name another place.\n",
        ),
    ],
)
def test_path_in_the_way_is_told_in_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, work: object, said: str
) -> None:
    Path("folder").mkdir()
    monkeypatch.setattr(models_command, "packaged_models", lambda: work(file))  # type: ignore[operator]
    assert main(["models"]) == 2
    error = capsys.readouterr().err
    assert error.endswith(said)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["quickstart", "--hypotheses", "x", "--to", "de"],
            "says what is scored itself; leave --hypotheses, --to out.",
        ),
        (["quickstart", "--system", "x", "--report", "y"], "says what is scored itself; leave --system, --report out."),
        (["quickstart", "--test-set", "x", "--title", "y"], "scored itself; leave --test-set, --title out."),
        (["--hypotheses", "x", "--set", "a=b", "--out", "y"], "what no recipe is named for; leave --set, --out out."),
        (["--system", "x", "--allow-drop"], "what no recipe is named for; leave --allow-drop out."),
        (["--system", "x", "--hypotheses", "y"], "systems on test sets; leave --hypotheses out."),
        (["--hypotheses", "y", "--report", "z"], "a file of translations; leave --report out."),
    ],
)
def test_options_of_another_evaluation_are_refused(options: list[str], said: str, capsys: Captured) -> None:
    assert main(["evaluate", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nmt-distill: evaluate was asked to score ")
    assert error.endswith(said + "\n")
    assert error.count("\n") == 1


def test_two_test_sets_of_one_name_are_refused(file: Path, capsys: Captured) -> None:
    options = ["--system", "s=file:file", "--from", "en", "--to", "de", "--report", "report"]
    assert main(["evaluate", *options, "--test-set", "a=file,file", "--test-set", "a=file,file"]) == 2
    assert "two test sets are called a; give each --test-set a name of its own." in capsys.readouterr().err
    assert not Path("report").exists()


def test_report_that_cannot_be_is_told_before_the_work(file: Path, capsys: Captured) -> None:
    options = ["--system", "s=file:file", "--test-set", "file,file", "--from", "en", "--to", "de"]
    assert main(["evaluate", *options, "--report", "file"]) == 2
    assert "nmt-distill: file is a file, but must be a folder" in capsys.readouterr().err
    assert main(["evaluate", *options, "--report", "file/report"]) == 2
    assert "file/report cannot be written, because file is a file" in capsys.readouterr().err


def command(*arguments: str, environment: dict[str, str], stdout: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start a command whose output Python keeps back until there is much of it, or the end."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-m", "nmt_distill", *arguments],
        cwd=Path(__file__).parents[2],
        env=inherited | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def test_output_that_cannot_be_written_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        process = command("models", environment={}, stdout=full)
        _, error = process.communicate(timeout=60)
    assert error.decode().splitlines() == ["nmt-distill: No space left on device; make room or name another place."]
    assert process.returncode == 2


def test_a_reader_that_has_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = command("models", environment={}, stdout=writing)
    os.close(writing)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (141, b"")


def test_output_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "ação").mkdir()
    shutil.copytree(models_folder() / packaged_names()[0], tmp_path / "ação" / "modelo")
    for name in ("ascii", "latin-1"):
        environment = {"NMT_DISTILL_MODELS": str(tmp_path / "ação"), "PYTHONIOENCODING": name}
        output, _ = command("models", "--json", environment=environment, stdout=subprocess.PIPE).communicate(timeout=60)
        assert "ação/modelo/README.md" in output.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models"], "nmt-distill: interrupted\n"),
        (["run", "recipe"], "nmt-distill: interrupted; the same command goes on where this one stopped\n"),
    ],
)
def test_only_what_goes_on_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str], said: str
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models_command, "packaged_models", interrupt)
    monkeypatch.setattr("nmt_distill.recipe.find_recipe", interrupt)
    assert main(arguments) == 130
    assert capsys.readouterr().err == said
