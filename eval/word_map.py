"""Words of several languages in a teacher's table of embeddings and in its student's: who is near whom, and a map.

    python eval/word_map.py runs/quickstart --languages en pt-BR --out words.svg

The run must have a student that began with its teacher's embeddings. Words come from a table, a language a column and a
meaning a row; those with a piece that the teacher lacks are left out and counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.embeddings import Vectors, translations_found, word_map
from nmt_distill.files import atomic_file, read_lines
from nmt_distill.inheritance import EMBEDDINGS
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import RECIPE_NAME, load_recipe
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student_start import inheritance_of, teacher_ids
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

WORDS = Path(__file__).parent / "words.tsv"


def main() -> None:
    """Print how often the nearest word of another language is a translation, and draw the map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--words", type=Path, default=WORDS, help="table of words (default: eval/words.tsv)")
    parser.add_argument("--languages", nargs="+", help="columns of the table to take (default: all)")
    parser.add_argument("--out", type=Path, help="SVG to write")
    arguments = parser.parse_args()
    try:
        words = read_words(arguments.words, arguments.languages)
        tables, encoded = read_tables(arguments.run, [word for _, _, word in words])
    except NmtDistillError as error:
        sys.exit(f"word_map: {error}")
    kept = [place for place, rows in enumerate(encoded) if rows is not None]
    meanings, languages, names = (tuple(words[place][column] for place in kept) for column in range(3))
    vectors = {
        name: np.stack([table[rows].mean(axis=0) for rows in encoded if rows is not None])
        for name, table in tables.items()
    }
    print(f"{len(kept)} words of {len(words)}; the nearest word of another language is a translation:")
    for name, rows in vectors.items():
        found = translations_found(rows, meanings, languages)
        print(f"{name:8}", "  ".join(f"{language} {share:.0%}" for language, share in found.items()))
    if arguments.out:
        with atomic_file(arguments.out) as stream:
            stream.write(word_map(vectors, names, languages))


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


def read_tables(folder: Path, words: list[str]) -> tuple[dict[str, Vectors], list[list[int] | None]]:
    """Return the tables, row by row the same pieces, and the rows of each word; None where the teacher lacks one."""
    run = Pipeline(load_recipe(folder / RECIPE_NAME), folder)
    inheritance = inheritance_of(run)
    student = load_student(run.student.path).get_input_embeddings().weight.detach().float().numpy()
    given = teacher_ids(run, inheritance)
    table = inheritance.parameters[EMBEDDINGS].detach().float().cpu().numpy()
    ids = np.arange(len(table)) if given is None else np.asarray(given)
    encoded = load_sentencepiece(run.sentencepiece_path).encode(words)
    rows = [pieces if (ids[pieces] >= 0).all() else None for pieces in encoded]
    return {"teacher": table[np.maximum(ids, 0)], "student": student[: len(ids)]}, rows


if __name__ == "__main__":
    main()
