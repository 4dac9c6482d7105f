"""``eval/draw_tatoeba.py``: the release's files become those of the suite."""

from __future__ import annotations

import gzip
import runpy
import sys
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_sets import TestFile, TestPair

SCRIPT = Path(__file__).parents[3] / "eval" / "draw_tatoeba.py"
LINES = ["deu\teng\tHallo.\tHello.", "deu\teng\tGuten Tag.\tHello.", "deu\teng\tDanke.\tThanks."]
PAIR = TestPair(
    first="de",
    second="en",
    files={"en": TestFile(name="en-de.en", sha256=""), "de": TestFile(name="en-de.de", sha256="")},
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder with one file of a release."""
    folder = tmp_path / "release"
    folder.mkdir()
    content = gzip.compress("".join(f"{line}\n" for line in LINES).encode())
    (folder / "tatoeba-test-v2021-08-07.deu-eng.txt.gz").write_bytes(content)
    return folder


def test_pairs_are_fetched_read_and_written(release: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(SCRIPT))
    fetched = script["fetch"](PAIR, tmp_path / "suite", f"{release.as_uri()}/")
    pairs = list(script["read_pairs"](fetched))
    assert pairs == [("Hello.", "Hallo."), ("Hello.", "Guten Tag."), ("Thanks.", "Danke.")]
    script["write"](PAIR, pairs[1:], tmp_path / "suite")
    assert (tmp_path / "suite" / "en-de.en").read_text(encoding="utf-8") == "Hello.\nThanks.\n"
    assert (tmp_path / "suite" / "en-de.de").read_text(encoding="utf-8") == "Guten Tag.\nDanke.\n"


def test_what_is_no_file_of_the_release_is_told(release: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(SCRIPT))
    (file,) = release.iterdir()
    file.write_bytes(gzip.compress(b"deu\teng\tHallo.\tHello.\ndeu\tfra\ta\tb\n"))
    with pytest.raises(NmtDistillError, match=r"deu-eng\.txt\.gz, line 2: not two codes of languages"):
        list(script["read_pairs"](file))
    file.write_bytes(b"<html>")
    with pytest.raises(NmtDistillError, match=r"deu-eng\.txt\.gz is damaged \(.*\); delete it"):
        list(script["read_pairs"](file))
    with pytest.raises(NmtDistillError, match=r"deu-eng\.txt\.gz cannot be fetched .*; fetch it in another way"):
        script["fetch"](PAIR, tmp_path / "suite", (tmp_path / "none").as_uri() + "/")


def test_another_sample_than_the_suite_names_is_refused(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["draw_tatoeba", str(tmp_path / "suite"), "--release", f"{release.as_uri()}/"]
    for more, told in ((["en-xx"], "the suite lacks en-xx; it has en-cs"), (["en-de"], "en-de.en has sha256 ")):
        monkeypatch.setattr(sys, "argv", [*words[:2], *more, *words[2:]])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
