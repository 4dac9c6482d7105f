"""English prose from the descriptions of Debian's packages, through apt, which must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nmt_distill.corpus.prose import is_sentence, split_sentences
from nmt_distill.corpus.wheels import wheel_cache
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import read_lines
from nmt_distill.progress import say

UPDATE_SECONDS = 300.0
"""after so long apt is taken to hang"""


class SourceUnavailableError(NmtDistillError):
    """This machine cannot give the source; an optional one is left out."""


def fetch_descriptions(*, cache: Path | None = None) -> list[Path]:
    """Return apt's files of English package descriptions, downloaded into a folder of ours if they are not there.

    The apt of the machine keeps its own lists and settings untouched: an own configuration asks for descriptions, which
    many images switch off, and keeps them in the cache.

    :param cache: the folder that keeps wheels and lists, by default :func:`wheel_cache`
    :raises SourceUnavailableError: if there is no apt, or it cannot download
    """
    folder = (wheel_cache() if cache is None else cache).absolute() / "debian"
    if not (found := _found(folder)):
        _update(folder)
        if not (found := _found(folder)):
            raise SourceUnavailableError("apt knows no English package descriptions: its sources list none.")
    return found


def _found(folder: Path) -> list[Path]:
    return sorted((folder / "lists").glob("*_i18n_Translation-en"))


def _update(folder: Path) -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        raise SourceUnavailableError("Package descriptions need apt, which this machine does not have.")
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    configuration = folder / "apt.conf"
    configuration.write_text(
        "#clear Acquire::Languages;\n"
        'Acquire::Languages { "en"; };\n'
        'Acquire::GzipIndexes "false";\n'
        'Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";\n'
        'APT::Sandbox::User "";\n'
        f'Dir::State::lists "{folder}/lists";\n'
        f'Dir::Cache "{folder}/cache";\n',
        encoding="utf-8",
    )
    say("Downloading the package descriptions through apt ...")
    try:
        result = subprocess.run(
            [apt, "-c", str(configuration), "--quiet", "update"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=UPDATE_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise SourceUnavailableError(f"apt did not finish within {UPDATE_SECONDS:.0f} s; try again later.") from None
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.startswith("E:")] or [f"{result.returncode}"]
        raise SourceUnavailableError(f"apt could not download the package descriptions ({lines[0]}); try again online.")


def read_descriptions(paths: list[Path]) -> Iterator[str]:
    """Yield the sentences of the long descriptions in apt's Translation files.

    Paragraphs are lines indented by one space, divided by `` .``; lines indented further (lists, tables) and the
    one-line titles are left out.
    """
    for path in paths:
        paragraph: list[str] = []
        for line in read_lines(path):
            if line.startswith(" ") and not line.startswith(("  ", " .")) and line[1:2] not in "*-+#":
                paragraph.append(line)
            else:
                yield from _prose(paragraph)
                paragraph = []
        yield from _prose(paragraph)


def _prose(lines: list[str]) -> Iterator[str]:
    return (sentence for sentence in split_sentences("\n".join(lines)) if is_sentence(sentence))
