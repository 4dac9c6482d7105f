"""Words of several languages in the embeddings of a teacher, and of its students before and after training.

    python eval/word_map.py "embeddings=runs/one" "random=runs/other" --languages en de --out FOLDER

How often is the nearest word of another language a translation? `FOLDER/results.json` has the shares of each run, and
how near its table is to its teacher's; `FOLDER/words.svg` draws the words of the first run. The teacher must have one
table for source and target. Words come from a table, a language a column and a meaning a row; those with a piece that
the teacher lacks are left out and counted.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.embeddings import Vectors, translations_found, word_map
from nmt_distill.files import atomic_file, read_lines, write_json
from nmt_distill.inheritance import EMBEDDINGS
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import RECIPE_NAME, load_recipe
from nmt_distill.stages.student_start import inheritance_of, new_student, teacher_ids
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import StudentModel
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

WORDS = Path(__file__).parent / "words.tsv"


@dataclass(frozen=True)
class Words:
    """Words and where they stand in the tables of a run."""

    names: tuple[str, ...]
    languages: tuple[str, ...]
    meanings: tuple[int, ...]
    vectors: dict[str, Vectors]
    """by the name of the table; the mean of the rows of a word's pieces"""

    def found(self) -> dict[str, dict[str, float]]:
        """Tell by table and language how often the nearest word of another language is a translation."""
        return {name: translations_found(rows, self.meanings, self.languages) for name, rows in self.vectors.items()}


def main() -> None:
    """Print the shares of each run, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN", help="a run, and what it is called")
    parser.add_argument("--words", type=Path, default=WORDS, help="table of words (default: eval/words.tsv)")
    parser.add_argument("--languages", nargs="+", help="columns of the table to take (default: all)")
    parser.add_argument("--out", type=Path, help="folder for the figures and the map")
    arguments = parser.parse_args()
    rows, maps = [], []
    try:
        asked = read_words(arguments.words, arguments.languages)
        for given in arguments.runs:
            name, separator, folder = given.partition("=")
            if not separator:
                raise NmtDistillError(f"a run must be NAME=RUN, but is `{given}`.")
            words, neighbours = read_run(Path(folder), asked)
            maps.append(words)
            rows.append({
                "name": name,
                "num_words": len(words.names),
                "translations_found": words.found(),
                "shared_neighbours": neighbours,
            })
            _print_row(rows[-1], len(asked))
    except NmtDistillError as error:
        sys.exit(f"word_map: {error}")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_json(arguments.out / "results.json", {"num_asked": len(asked), "rows": rows})
        with atomic_file(arguments.out / "words.svg") as stream:
            stream.write(word_map(maps[0].vectors, maps[0].names, maps[0].languages))


def _print_row(row: dict[str, Any], num_asked: int) -> None:
    print(f"{row['name']}: {row['num_words']} words of {num_asked}")
    for table, shares in row["translations_found"].items():
        print(f"  {table:24}", "  ".join(f"{language} {share:.0%}" for language, share in shares.items()))


def read_run(folder: Path, asked: list[tuple[int, str, str]]) -> tuple[Words, dict[str, Any] | None]:
    """Find words in the tables of a run, and what its student stage has told of neighbours.

    :returns: the latter None where the student began with weights just drawn
    """
    run = Pipeline(load_recipe(folder / RECIPE_NAME), folder)
    if (stamp := run.student.stamp()) is None:
        raise NmtDistillError(f"{folder} has no trained student; finish it with `nmt-distill train`.")
    tables, encoded = read_tables(run, [word for _, _, word in asked])
    kept = [place for place, rows in enumerate(encoded) if rows is not None]
    meanings, languages, names = zip(*(asked[place] for place in kept), strict=True)
    vectors = {
        name: np.stack([table[rows].mean(axis=0) for rows in encoded if rows is not None])
        for name, table in tables.items()
    }
    return Words(names, languages, meanings, vectors), stamp["result"].get("shared_neighbours")


def read_words(path: Path, chosen: list[str] | None) -> list[tuple[int, str, str]]:
    """Read (meaning, language, word) triples."""
    header, *rows = [line.split("\t") for line in read_lines(path)]
    for language in chosen or ():
        if language not in header:
            raise NmtDistillError(f"{path} has no column {language}; it has {', '.join(header)}.")
    return [
        (meaning, language, word)
        for meaning, row in enumerate(rows)
        for language, word in zip(header, row, strict=True)
        if word and (chosen is None or language in chosen)
    ]


def read_tables(run: Pipeline, words: list[str]) -> tuple[dict[str, Vectors], list[list[int] | None]]:
    """Return the tables, row by row the same pieces, and the rows of each word; None where the teacher lacks one."""
    trained = _table(load_student(run.student.path))
    beginning, _ = new_student(run)
    inheritance = inheritance_of(run)
    given = teacher_ids(run, inheritance)
    teacher = inheritance.parameters[EMBEDDINGS].detach().float().cpu().numpy()
    ids = np.arange(len(teacher)) if given is None else np.asarray(given)
    tables = {
        "teacher": teacher[np.maximum(ids, 0)],
        "student before training": _table(beginning)[: len(ids)],
        "student": trained[: len(ids)],
    }
    encoded = load_sentencepiece(run.sentencepiece_path).encode(words)
    return tables, [pieces if (ids[pieces] >= 0).all() else None for pieces in encoded]


def _table(student: StudentModel) -> Vectors:
    return np.asarray(student.get_input_embeddings().weight.detach().float().cpu().numpy())


if __name__ == "__main__":
    main()
