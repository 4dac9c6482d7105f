"""``export/check_release.sh``, driven as a person drives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_distill.export.config import ExportConfig
from nmt_distill.export.model_card import Origin
from nmt_distill.export.release import Text, export_student
from nmt_distill.languages import Direction
from nmt_distill.translation.model_folder import write_checksums

ROOT = Path(__file__).resolve().parents[3]
DIRECTION = Direction(source="en", target="pt-BR")
TRANSLATE = """
import sys
from pathlib import Path
from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.model_folder import verify_checksums

assert sys.argv[1:6] == ["translate", "--model", sys.argv[3], "--verify", "--strict"]
assert sys.argv[6:] in ([], ["--to", "pt"])
try:
    verify_checksums(Path(sys.argv[3]))
except NmtDistillError as error:
    sys.exit(str(error))
for line in sys.stdin:
    print("Ligue a luz" if line.strip() else "")
"""
"""stands for the verb, since a toy that nobody trained has no translation that would pass"""


@pytest.fixture
def release(toy_student: Path, tmp_path: Path, toy_sentences: list[str]) -> Path:
    """An export that may be given away, with its encoder."""
    export_student(
        toy_student,
        tmp_path / "export",
        config=ExportConfig(precisions=("int8",), encoder=True),
        tags={DIRECTION: None},
        name="toy",
        teachers=[Origin("a teacher", "a licence")],
        corpus={"directions": {}},
        texts={DIRECTION: Text(held_out=(toy_sentences[:2], toy_sentences[:2]), distilled=(tmp_path, tmp_path))},
    )
    return tmp_path / "export" / "int8"


def check(folder: Path, tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Run the script with a command ``nmt-distill`` that verifies like ours; return its status and what it says."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "nmt-distill"
    program.write_text(f"#!{sys.executable}\n{TRANSLATE}", encoding="utf-8")
    program.chmod(0o755)
    script = tmp_path / "export.sh" / "check_release.sh"  # away from the checkout, whose .venv it would take
    script.parent.mkdir(exist_ok=True)
    script.write_bytes((ROOT / "export" / "check_release.sh").read_bytes())
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", str(script), str(folder), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_whole_export_is_fit(release: Path, tmp_path: Path) -> None:
    status, told = check(release, tmp_path)
    assert status == 0, told
    assert "fit for release, as far as a program can tell" in told
    assert "encoder/model.bin" in told


def test_the_file_that_the_card_names_for_the_licence_is_there(release: Path, tmp_path: Path) -> None:
    (release / "LICENSE.md").unlink()
    write_checksums(release)
    status, told = check(release, tmp_path)
    assert status == 2
    assert "README.md names LICENSE.md, which is missing or empty" in told


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(("--to", "pt"), "Turn on the light"), (("Stop", "--to", "pt"), "Stop"), (("Stop",), "Stop")],
)
def test_text_and_options_are_told_apart(arguments: tuple[str, ...], text: str, release: Path, tmp_path: Path) -> None:
    status, told = check(release, tmp_path, *arguments)
    assert status == 0, told
    assert told.splitlines()[:2] == [text, "Ligue a luz"]


def test_teacher_is_named_where_there_was_one(release: Path, tmp_path: Path) -> None:
    card = release / "README.md"
    card.write_text("".join(line for line in card.read_text().splitlines(True) if "teacher" not in line.lower()))
    write_checksums(release)
    status, told = check(release, tmp_path)
    assert (status, "README.md does not name the teacher" in told) == (2, True)
    card.write_text(card.read_text().replace("- distillation\n", ""))  # as of one that people's translations taught
    write_checksums(release)
    status, told = check(release, tmp_path)
    assert status == 0, told


def test_every_fault_is_told(release: Path, tmp_path: Path) -> None:
    (release / "README.md").write_text("# a card without a head, a teacher's licence in it\n")
    (release / "encoder" / "notes.txt").write_text("mine")
    status, told = check(release, tmp_path)
    assert status == 2
    assert "README.md lacks the head that the hub reads" in told
    write_checksums(release)
    (release / "README.md").write_text("---\nlicense: other\n---\nof the teacher, with its licence\n")
    status, told = check(release, tmp_path)
    assert status == 2
    assert "README.md damaged or missing" in told
