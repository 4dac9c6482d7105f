"""Make the folder that `eval/suites/tatoeba.yaml` names: fetch the release's test files, and draw the samples.

    python eval/draw_tatoeba.py FOLDER [en-pt en-de ...]

Fetches the file of each pair of languages, 100 kB to 1 MB, from the repository of the Tatoeba-Challenge, unless it lies
in FOLDER already, then writes `en-pt.en` and `en-pt.pt` there, and compares both with the SHA-256 of the suite.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import langcodes

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.test_sets import TestPair, draw_sample, load_suite, read_test_set
from nmt_distill.files import atomic_file
from nmt_distill.languages import Direction

SUITE = Path(__file__).parent / "suites" / "tatoeba.yaml"
RELEASE = "https://raw.githubusercontent.com/Helsinki-NLP/Tatoeba-Challenge/master/data/release/test/v2021-08-07/"
SEED = 7
Pairs = Iterator[tuple[str, str]]


def main() -> None:
    """Make the files of some pairs, by default of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", nargs="*", help="such as en-pt (default: all of the suite)")
    parser.add_argument("--release", default=RELEASE, help="where the files of the release lie")
    arguments = parser.parse_args()
    suite = load_suite(SUITE)
    known = {f"{pair.first}-{pair.second}": pair for pair in suite.pairs}
    try:
        if unknown := sorted({*arguments.pairs} - known.keys()):
            raise NmtDistillError(f"the suite lacks {', '.join(unknown)}; it has {', '.join(known)}.")
        for name in arguments.pairs or known:
            pair = known[name]
            fetched = fetch(pair, arguments.folder, arguments.release)
            write(pair, draw_sample(read_pairs(fetched), count=suite.num_sentences, seed=SEED), arguments.folder)
            read_test_set(suite, arguments.folder, Direction(source=pair.first, target=pair.second))
            print(f"{name}: the {suite.num_sentences:,} sentences of the suite", flush=True)
    except NmtDistillError as error:
        print(f"draw_tatoeba: {error}", file=sys.stderr)
        sys.exit(2)


def fetch(pair: TestPair, folder: Path, release: str) -> Path:
    """Return the path of the release's file of a pair, which is fetched where it is missing."""
    codes = "-".join(sorted(langcodes.get(language).to_alpha3() for language in (pair.first, pair.second)))
    name = f"tatoeba-test-v2021-08-07.{codes}.txt.gz"
    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with urllib.request.urlopen(release + name, timeout=60) as response, atomic_file(path, "wb") as stream:
                stream.write(response.read())
        except OSError as error:
            raise NmtDistillError(
                f"{release}{name} cannot be fetched ({error}); fetch it in another way and put it into {folder}."
            ) from None
    return path


def read_pairs(path: Path) -> Pairs:
    """Yield (English, other language) of a file of the release: two codes of languages and two sentences in columns.

    :raises NmtDistillError: if a line is otherwise, or the file is damaged
    """
    try:
        for number, line in enumerate(gzip.decompress(path.read_bytes()).decode("utf-8").split("\n"), start=1):
            columns = line.split("\t")
            if line and (len(columns) != 4 or (columns[0] == "eng") == (columns[1] == "eng")):
                raise NmtDistillError(
                    f"{path}, line {number}: not two codes of languages, one of them `eng`, and text."
                )
            if line:
                yield (columns[2], columns[3]) if columns[0] == "eng" else (columns[3], columns[2])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise NmtDistillError(f"{path} is damaged ({error}); delete it, so that it is fetched again.") from None


def write(pair: TestPair, sample: list[tuple[str, str]], folder: Path) -> None:
    """Write a sample as the two files of the suite, a sentence a line."""
    for side, language in enumerate(("en", pair.second if pair.first == "en" else pair.first)):
        with atomic_file(folder / pair.files[language].name) as stream:
            stream.writelines(f"{texts[side]}\n" for texts in sample)


if __name__ == "__main__":
    main()
