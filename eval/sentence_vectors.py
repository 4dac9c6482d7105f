"""Sentence vectors of a teacher and of students on a public test set, side by side, with what anybody gets for nothing.

    python eval/sentence_vectors.py embeddings_en-pt --suite eval/suites/tatoeba.yaml --folder TATOEBA \\
      --direction en-pt --student "translation alone"=runs/quickstart/student \\
      --student "with vectors"=runs/embeddings_en-pt/student --out vectors.json

Students are measured as int8 exports on the path of users. One that was never trained for vectors is measured by its
mean states; `untrained` has the first student's shape and random weights. Languages are told apart by a head on the
last student's states, trained on four fifths of the same sentences, beside py3langid on the rest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.embedding.head import UNKNOWN
from nmt_distill.embedding.head_training import held_out, require_scikit_learn, train_head
from nmt_distill.embedding.teacher.translation_encoder import TranslationEncoder
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from nmt_distill.evaluation.classification import macro_f1
from nmt_distill.evaluation.document import markdown
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.evaluation.sentence_vectors import EmbeddingScores
from nmt_distill.evaluation.speed import machine
from nmt_distill.evaluation.test_sets import load_suite, read_test_set
from nmt_distill.evaluation.vector_blocks import embedding_table
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.files import write_json
from nmt_distill.language_identification import SURE, identify, most_probable, named_as
from nmt_distill.languages import Direction
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import find_recipe, load_recipe
from nmt_distill.stages.vectors import embedding_teacher
from nmt_distill.student.checkpoint import save_student

Embed = Callable[[Sequence[str]], Vectors]


def main() -> None:
    """Print tables, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="recipe with a section `embedding`, by name or path")
    parser.add_argument("--suite", type=Path, required=True, help="YAML of a test set")
    parser.add_argument("--folder", type=Path, required=True, help="where its files lie")
    parser.add_argument("--direction", action="append", required=True, help="such as en-pt; once for each")
    parser.add_argument(
        "--student", action="append", default=[], metavar="NAME=FOLDER", help="`student` of a run; once for each"
    )
    parser.add_argument("--translation-teacher", action="store_true", help="mean states of the recipe's teacher too")
    parser.add_argument("--max-sentences", type=int, help="sentences to take from the beginning (default: all)")
    parser.add_argument("--out", type=Path, help="JSON to write")
    arguments = parser.parse_args()
    try:
        content = measure(arguments)
    except NmtDistillError as error:
        sys.exit(f"sentence_vectors: {error}")
    if arguments.out:
        write_json(arguments.out, content)


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure everything; return what is written."""
    if arguments.student:
        require_scikit_learn()
    recipe = load_recipe(find_recipe(arguments.recipe))
    run = Pipeline(recipe, Path("runs") / recipe.name)
    students = dict(student.split("=", 1) for student in arguments.student)
    suite = load_suite(arguments.suite)
    texts = {}
    for name in arguments.direction:
        source, _, target = name.partition("-")
        pair = read_test_set(suite, arguments.folder, Direction(source=source, target=target))
        texts[name] = tuple(side[: arguments.max_sentences] for side in pair)
    scores: list[EmbeddingScores] = []

    def score(systems: dict[str, Embed]) -> None:
        for test_set, (sources, translations) in texts.items():
            scores.extend(_score(test_set, name, embed, sources, translations) for name, embed in systems.items())

    # Before any student is loaded: CTranslate2 sets the threads of OpenMP to 1, those of some teachers too.
    score({"embedding teacher": embedding_teacher(run, run.directions[0]).embed})
    if arguments.translation_teacher:
        score({"mean states of the translation teacher": TranslationEncoder(run.teacher(run.directions[0])).embed})
    with tempfile.TemporaryDirectory(prefix="nmt-distill-") as folder:
        encoders = dict(_encoders(students, Path(folder)))
        score({name: encoder.embed for name, encoder in encoders.items()})
        print(markdown([embedding_table(scores)]))
        languages = _languages(next(reversed(encoders.values())), texts) if encoders else None
    return {
        "suite": suite.name,
        "machine": asdict(machine()),
        "scores": [asdict(each) for each in scores],
        "languages": languages,
    }


def _encoders(students: dict[str, str], folder: Path) -> Iterator[tuple[str, SentenceEncoder]]:
    if not students:
        return
    first = Path(next(iter(students.values())))
    untrained = AutoModelForSeq2SeqLM.from_config(AutoConfig.from_pretrained(first))
    save_student(untrained, first / "source.spm", folder / "untrained")
    for name, student in {"untrained": str(folder / "untrained"), **students}.items():
        place = folder / f"export {name}"
        write_encoder(Path(student), place, precision="int8", name=name)
        yield name, SentenceEncoder(place)


def _score(
    test_set: str, system: str, embed: Embed, sources: Sequence[str], translations: Sequence[str]
) -> EmbeddingScores:
    embed(sources[:1])
    began = time.monotonic()
    vectors = embed(sources), embed(translations)
    seconds = time.monotonic() - began
    return EmbeddingScores(
        test_set=test_set,
        system=system,
        scores=retrieval_scores(*vectors, sources, translations),
        sentences_per_second=round(2 * len(sources) / seconds, 1),
    )


def _languages(encoder: SentenceEncoder, texts: dict[str, tuple[list[str], ...]]) -> dict[str, float]:
    """Tell languages apart by a head and by py3langid; print and return the macro-F1 of each."""
    examples: dict[str, str] = {}
    for name, sides in texts.items():
        for language, side in zip(name.split("-", 1), sides, strict=True):
            examples |= dict.fromkeys(side, language)
    sentences, labels = list(examples), list(examples.values())
    _, scores = train_head(encoder, sentences, labels, reads="states")
    apart = [place for place, held in enumerate(held_out(labels)) if held]
    found = {"num_sentences": len(apart), "head": scores.macro_f1}
    found |= baselines([sentences[place] for place in apart], [labels[place] for place in apart])
    told = ", ".join(f"{name} {value:.3f}" for name, value in found.items() if name != "num_sentences")
    print(f"languages, macro-F1 on {len(apart):,} sentences: {told}")
    return found


def baselines(sentences: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Return the macro-F1 of py3langid: among the labels alone, among all that it knows, and where it is sure."""
    identifier = LanguageIdentifier.from_modelpath(MODEL_DIR / MODEL_FILE, norm_probs=True)
    known = sorted(set(labels))
    among_all = [named_as(known, most_probable(sentence)) or UNKNOWN for sentence in sentences]
    identifier.set_languages(sorted({label.split("-")[0] for label in labels}))
    among_these = [named_as(known, str(identifier.classify(sentence)[0])) or UNKNOWN for sentence in sentences]
    where_sure = [named_as(known, identify(sentence)) or UNKNOWN for sentence in sentences]
    return {
        "py3langid, these languages": macro_f1(among_these, labels),
        "py3langid, all languages": macro_f1(among_all, labels),
        f"py3langid, unknown below {SURE:.0%}": macro_f1(where_sure, labels),
    }


if __name__ == "__main__":
    main()
