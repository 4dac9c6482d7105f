"""English prose from the descriptions of Debian's packages, through apt, which must be there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmt_distill.corpus.apt import SourceUnavailableError, run_apt
from nmt_distill.corpus.prose import is_sentence, split_sentences
from nmt_distill.corpus.wheels import wheel_cache
from nmt_distill.files import read_lines
from nmt_distill.progress import say

SETTINGS = (
    "#clear Acquire::Languages;\n"
    'Acquire::Languages { "en"; };\n'
    'Acquire::GzipIndexes "false";\n'
    'Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";\n'
)
"""apt fetches the English descriptions, which many images switch off, and no lists of packages"""


def fetch_descriptions(*, cache: Path | None = None) -> list[Path]:
    """Return apt's files of English package descriptions, downloaded into a folder of ours if they are not there.

    The apt of the machine keeps its own lists and settings untouched: an own configuration asks for descriptions, which
    many images switch off, and keeps them in the cache.

    :param cache: the folder that keeps wheels and lists, by default :func:`wheel_cache`
    :raises SourceUnavailableError: if there is no apt, or it cannot download
    """
    folder = (wheel_cache() if cache is None else cache).absolute() / "debian"
    if not (found := _found(folder)):
        say("Downloading the package descriptions through apt ...")
        run_apt("update", folder=folder, settings=SETTINGS, what="Package descriptions")
        if not (found := _found(folder)):
            raise SourceUnavailableError("apt knows no English package descriptions: its sources list none.")
    return found


def _found(folder: Path) -> list[Path]:
    return sorted((folder / "lists").glob("*_i18n_Translation-en"))


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
