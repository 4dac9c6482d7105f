"""Zero-shot classification: topics learned from English alone, and asked for in another language, on real text.

    python eval/topics.py runs/embeddings_en-pt/export/int8 --recipe embeddings_en-pt --language pt_BR --out topics.json

The text is the first line of the descriptions of Debian's packages, the topic is the section of the archive that
Debian's developers have put a package in. Packages whose description is translated are the test; all others, in
English, teach logistic regression on standardised vectors. Beside the student stand its embedding teacher, and counts
of words and letters, which know nothing of another language but names and foreign words. It needs apt, and a network.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nmt_distill.corpus.apt import run_apt
from nmt_distill.embedding.scikit_learn import SentenceVectorizer
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.classification import accuracy, macro_f1
from nmt_distill.evaluation.speed import machine
from nmt_distill.files import read_lines, write_json
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import find_recipe, load_recipe
from nmt_distill.stages.vectors import embedding_teacher

SECTIONS = {
    "database": "databases",
    "electronics": "electronics",
    "fonts": "fonts",
    "games": "games",
    "graphics": "pictures",
    "hamradio": "radio",
    "mail": "mail",
    "math": "mathematics",
    "science": "science",
    "sound": "sound",
    "video": "video",
}
"""sections that tell what a package is about (others tell how it is made), and what their topics are called here"""
MIN_WORDS = 3

Record = dict[str, str]


def main() -> None:
    """Print a table, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="export folder with a folder `encoder`")
    parser.add_argument("--recipe", required=True, help="its recipe, by name or path, which names the teacher")
    parser.add_argument("--language", required=True, help="of the test, as Debian names it: pt_BR, de")
    parser.add_argument("--max-train", type=int, default=4000, help="most English examples (default: 4,000)")
    parser.add_argument("--work", type=Path, default=Path("runs/topics"), help="keeps apt's lists")
    parser.add_argument("--out", type=Path, help="JSON to write")
    arguments = parser.parse_args()
    try:
        content = measure(arguments)
    except NmtDistillError as error:
        sys.exit(f"topics: {error}")
    if arguments.out:
        write_json(arguments.out, content)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and ask every system; return what is written."""
    packages = list(read_packages(arguments.work.absolute(), arguments.language))
    train = {english: topic for topic, english, foreign in packages if foreign is None}
    test = {english: (topic, foreign) for topic, english, foreign in packages if foreign and english not in train}
    texts = list(train)[:: -(-len(train) // arguments.max_train)]
    labels = [train[text] for text in texts]
    truth = [topic for topic, _ in test.values()]
    recipe = load_recipe(find_recipe(arguments.recipe))
    run = Pipeline(recipe, Path("runs") / recipe.name)
    teacher = embedding_teacher(run, run.directions[0])
    read = {
        "words and letters": make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))),
        "student": make_pipeline(SentenceVectorizer(arguments.model), StandardScaler()),
        "embedding teacher": make_pipeline(FunctionTransformer(teacher.embed), StandardScaler()),
    }
    most = Counter(labels).most_common(1)[0][0]
    rows = [score("most frequent topic", [most] * len(truth), [most] * len(truth), truth)]
    for name, features in read.items():
        model = make_pipeline(features, LogisticRegression(max_iter=2000)).fit(texts, labels)
        english = list(model.predict(list(test)))
        foreign = list(model.predict([str(translated) for _, translated in test.values()]))
        rows.append(score(name, english, foreign, truth))
    return {
        "language": arguments.language,
        "num_train": len(texts),
        "num_test": len(truth),
        "topics": dict(Counter(truth).most_common()),
        "systems": rows,
        "machine": asdict(machine()),
    }


def score(name: str, english: Sequence[str], foreign: Sequence[str], truth: Sequence[str]) -> dict[str, Any]:
    """Print and return how well the topics of the test are found in English and in the other language."""
    found = {
        side: {"macro_f1": macro_f1(answers, truth), "accuracy": accuracy(answers, truth)}
        for side, answers in (("english", english), ("other", foreign))
    }
    told = ", ".join(
        f"{side}: macro-F1 {of['macro_f1']:.3f}, accuracy {of['accuracy']:.3f}" for side, of in found.items()
    )
    print(f"{name}: {told}", flush=True)
    return {"system": name, **found}


def read_packages(folder: Path, language: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield topic, first line of the English description, and its translation if there is one, package by package."""
    translation = f"*_i18n_Translation-{language.replace('_', '%5f')}"
    if not list((folder / "lists").glob(translation)):
        settings = f'#clear Acquire::Languages;\nAcquire::Languages {{ "en"; "{language}"; }};\n'
        settings += 'Acquire::GzipIndexes "false";\n'
        run_apt("update", folder=folder, settings=settings, what="Package descriptions")
    translated = {
        record["Description-md5"]: record[f"Description-{language}"]
        for record in _records(folder, translation)
        if f"Description-{language}" in record
    }
    for record in _records(folder, "*_Packages"):
        section, english = record.get("Section", "").rpartition("/")[2], record.get("Description", "")
        if section in SECTIONS and len(english.split()) >= MIN_WORDS:
            foreign = translated.get(record.get("Description-md5", ""))
            yield SECTIONS[section], english, None if foreign == english else foreign


def _records(folder: Path, names: str) -> Iterator[Record]:
    """Yield the fields of each record, without lines that continue one."""
    found = sorted((folder / "lists").glob(names))
    if not found:
        raise NmtDistillError(f"apt has brought no `{names}`; are the mirrors of Debian among its sources?")
    for path in found:
        record: Record = {}
        for line in read_lines(path):
            if not line:
                yield record
                record = {}
            elif line[0] != " ":
                name, _, value = line.partition(": ")
                record[name] = value
        if record:
            yield record


if __name__ == "__main__":
    main()
