"""Package descriptions through a made-up apt."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nmt_distill.corpus.apt import SourceUnavailableError
from nmt_distill.corpus.debian import fetch_descriptions, read_descriptions

LISTS = """Package: a
Description-md5: 0
Description-en: one-line title
 This is the first sentence. This is
 the second one.
 .
 A new paragraph stands here.
  * An item that is left out.
 And a last line.

Package: b
Description-en: other
 no capital here.
"""


def test_paragraphs_become_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x_i18n_Translation-en"
    path.write_text(LISTS, encoding="utf-8")
    assert list(read_descriptions([path])) == [
        "This is the first sentence.",
        "This is the second one.",
        "A new paragraph stands here.",
        "And a last line.",
    ]


def test_no_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SourceUnavailableError, match="need apt, which this machine does not have"):
        fetch_descriptions(cache=tmp_path)


def test_lists_are_fetched_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configurations: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        configurations.append(Path(command[2]).read_text(encoding="utf-8"))
        (tmp_path / "debian" / "lists" / "mirror_i18n_Translation-en").write_text(LISTS, encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(subprocess, "run", run)
    first = fetch_descriptions(cache=tmp_path)
    assert first == fetch_descriptions(cache=tmp_path) == [tmp_path / "debian" / "lists" / "mirror_i18n_Translation-en"]
    (configuration,) = configurations
    assert f'Dir::State::lists "{tmp_path}/debian/lists";' in configuration
    assert "#clear Acquire::Languages;" in configuration


@pytest.mark.parametrize(
    ("status", "stderr", "message"),
    [
        (
            100,
            "W: noise\nE: Failed to fetch\nE: more",
            r"could not download .* \(E: Failed to fetch\); try again online",
        ),
        (0, "", "knows no English package descriptions"),
        (None, "", "did not finish"),
    ],
)
def test_what_apt_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, stderr: str, message: str
) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if status is None:
            raise subprocess.TimeoutExpired(command, 300)
        return subprocess.CompletedProcess(command, status, "", stderr)

    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SourceUnavailableError, match=message):
        fetch_descriptions(cache=tmp_path)
