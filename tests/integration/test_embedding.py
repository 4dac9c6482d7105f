"""A toy student learns sentence vectors beside translation, and the commands that use them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nmt_distill.embedding.encoder import SentenceEncoder
from nmt_distill.evaluation.retrieval import retrieval_scores
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.files import read_json, read_lines
from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy

PHASE = "num_steps: 400, learning_rate: 0.004, warmup_steps: 15, batch_tokens: 500, kd_weight: 0.5"
LEARNS_VECTORS = (
    "embedding={teacher: {kind: translation_teacher}, projection: always, shard_sentences: 500}",
    f"training.phases=[{{{PHASE}, embedding_weight: 100}}]",
    "training.validate_every=200",
    "evaluation.speed_repetitions=0",
)


@pytest.fixture(scope="module")
def run(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a recipe with a section `embedding`; look, don't touch."""
    folder = tmp_path_factory.mktemp("embedding")
    finished = run_command("run", toy.write_recipe(folder, *LEARNS_VECTORS), "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def texts(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sentences that nobody has trained on, and their translations, a file each."""
    folder = tmp_path_factory.mktemp("texts")
    paths = [folder / f"unseen.{tag}" for tag in ("en", "pt-BR")]
    for side, path in enumerate(paths):
        path.write_text("".join(pair[side] + "\n" for pair in toy.unseen), encoding="utf-8")
    return paths


def test_unseen_sentences_find_their_translations(toy: Toy, run: Path, finished_run: Path, tmp_path: Path) -> None:
    sources, translations = ([pair[side] for pair in toy.unseen] for side in (0, 1))

    def accuracy(folder: Path) -> float:
        encoder = SentenceEncoder(folder)
        scores = retrieval_scores(encoder.embed(sources), encoder.embed(translations), sources, translations)
        return (scores.forward + scores.backward) / 2

    write_encoder(finished_run / "student", tmp_path, precision="int8", name="translation alone")
    trained, untrained = accuracy(run / "export" / "int8"), accuracy(tmp_path)
    assert trained > 0.8, f"seed {toy.seed}"
    assert trained > untrained + 0.3, f"seed {toy.seed}"


def test_run_tells_what_vectors_are_worth(run: Path) -> None:
    stages = [path.name for path in (run / ".stages").iterdir()]
    assert "vectors.json" in stages
    assert read_json(run / "vectors" / "en-pt-BR" / "vectors.json")["header"]["dim"] == 64
    report = read_json(run / "scores.json")
    measured = {row["system"]: row["scores"] for row in report["embeddings"]}
    assert set(measured) == {"embedding teacher", "student float32", "student int8"}
    assert measured["student int8"]["forward"] > 0.8
    told_apart = {row["system"]: row["macro_f1"] for row in report["languages"]["scores"]}
    assert report["languages"]["languages"] == ["en", "pt-BR"]
    assert set(told_apart) == {"student float32", "student int8", "py3langid"}
    assert 0.5 < told_apart["student int8"] <= 1
    assert "## Sentence vectors" in (run / "report.md").read_text(encoding="utf-8")
    assert (run / "plots" / "sentence_map_1.svg").read_text(encoding="utf-8").startswith("<svg")
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert 0 < last["embedding"] < 0.1
    assert last["retrieval"] > 50
    assert last["chrf"] > 50
    assert (run / "export" / "sentence-transformers" / "modules.json").is_file()


LETTERS = """
import json, sys
for line in sys.stdin:
    print(json.dumps([line.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]))
"""


def test_vectors_of_a_program_where_there_is_no_teacher(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text(LETTERS, encoding="utf-8")
    program = f"{sys.executable} {tmp_path / 'letters.py'}"
    recipe = toy.write_recipe(
        tmp_path,
        "teacher=null", "distillation.targets=human", "vocabulary.size=320", "student.initialization=random",
        f"embedding={{teacher: {{kind: command, command: '{program}', origin: letters, licence: none}}}}",
        "training.phases=[{num_steps: 4, learning_rate: 0.001, batch_tokens: 300, kd_weight: 0, embedding_weight: 1}]",
        "training.validate_every=4", "evaluation.speed_repetitions=0", "export.precisions=[int16]",
        "export.num_parity_sentences=4",
        "export.max_drop=100",
    )  # fmt: skip
    finished = run_command("run", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    report = read_json(tmp_path / "run" / "scores.json")
    assert [row["system"] for row in report["embeddings"]] == ["embedding teacher", "student int16"]
    assert SentenceEncoder(tmp_path / "run" / "export" / "int16").dim == 26
    card = (tmp_path / "run" / "export" / "int16" / "README.md").read_text(encoding="utf-8")
    assert "Teacher of sentence vectors (`encoder/`): letters. Licence of its weights: none." in card


def test_a_second_run_has_nothing_to_do(toy: Toy, run: Path, tmp_path: Path) -> None:
    finished = run_command("run", toy.write_recipe(tmp_path, *LEARNS_VECTORS), "--out", run, "--plan", cwd=tmp_path)
    assert finished.stdout.count(" valid") == 7, finished.stdout
    changed = toy.write_recipe(tmp_path, *LEARNS_VECTORS, "embedding.distance=cosine")
    finished = run_command("run", changed, "--out", run, "--plan", cwd=tmp_path)
    assert [line.split()[0] for line in finished.stdout.splitlines() if line.endswith("runs")] == [
        "student",
        "export",
        "scores",
    ]


def test_search_finds_the_translation(run: Path, texts: list[Path], tmp_path: Path) -> None:
    model = run / "export" / "int8"
    finished = run_command("embed", "--model", model, texts[1], "--index", tmp_path / "index", cwd=tmp_path)
    assert (finished.status, finished.stdout.strip()) == (0, str(tmp_path / "index")), finished.stderr
    queries = list(read_lines(texts[0]))[:20]
    finished = run_command("search", tmp_path / "index", *queries, "--model", model, "--top", 1, "--json", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    hits = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [hit["query"] for hit in hits] == queries
    assert sum(hit["line"] == number for number, hit in enumerate(hits, start=1)) >= 15


def test_mining_finds_pairs_that_prepare_data_reads(run: Path, texts: list[Path], tmp_path: Path) -> None:
    shuffled = tmp_path / "shuffled.txt"
    translations = list(read_lines(texts[1]))
    shuffled.write_text("".join(line + "\n" for line in reversed(translations)), encoding="utf-8")
    finished = run_command(
        "mine", texts[0], shuffled, "--model", run / "export" / "int8", "--output", tmp_path / "mined.tsv", cwd=tmp_path
    )
    assert finished.status == 0, finished.stderr
    mined = [line.split("\t") for line in read_lines(tmp_path / "mined.tsv")]
    truth = dict(zip(read_lines(texts[0]), translations, strict=True))
    right = sum(truth[source] == target for source, target, _ in mined)
    assert len(mined) > 50
    assert right > 0.8 * len(mined)
    assert all(float(margin) >= 1.06 for _, _, margin in mined)


def test_vectors_to_files(run: Path, texts: list[Path], tmp_path: Path) -> None:
    model = run / "export" / "float32"
    for name in ("v.npy", "v.jsonl"):
        finished = run_command("embed", "--model", model, texts[0], "--output", tmp_path / name, cwd=tmp_path)
        assert finished.status == 0, finished.stderr
    table = np.load(tmp_path / "v.npy")
    lines = list(read_lines(texts[0]))
    assert table.shape == (len(lines), 64)
    assert table.dtype == np.float32
    rows = [json.loads(line) for line in read_lines(tmp_path / "v.jsonl")]
    assert [row["text"] for row in rows] == lines
    assert np.abs(np.array([row["vector"] for row in rows]) - table).max() < 1e-6
    assert np.abs(SentenceEncoder(model).embed(lines) - table).max() < 1e-5


def test_head_of_languages(run: Path, texts: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    model, head = run / "export" / "int8", tmp_path / "head"
    corpus = run / "corpus" / "en-pt-BR"  # what is unseen is too little to learn a language from
    classes = [f"{tag}={corpus / f'train.{tag}'}" for tag in ("en", "pt-BR")]
    examples = [word for each in classes for word in ("--examples", each)]
    finished = run_command("train-head", "--model", model, "--out", head, "--on", "states", *examples, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    scores = json.loads(finished.stdout)["held_out"]
    assert scores["macro_f1"] > scores["baseline"] + 0.15, "states still know the language, though vectors do not"
    finished = run_command("embed", "--model", model, texts[1], "--head", head, cwd=tmp_path)
    answers = [line.split("\t")[0] for line in finished.stdout.splitlines()]
    assert answers.count("pt-BR") > 0.7 * len(answers)


def test_head_trained_in_one_language_serves_the_other(toy: Toy, run: Path, texts: list[Path], tmp_path: Path) -> None:
    """Zero-shot: which verb a sentence has, learned on the source language alone."""
    pytest.importorskip("sklearn")
    pairs = toy.unseen
    endings = [target.split()[-1] for _, target in pairs]  # the verb stands at the end of a translation
    common = sorted(set(endings), key=endings.count)[-2:]
    chosen = [(pair, ending) for pair, ending in zip(pairs, endings, strict=True) if ending in common]
    for side, name in enumerate(("train.tsv", "test.tsv")):
        (tmp_path / name).write_text("".join(f"{ending}\t{pair[side]}\n" for pair, ending in chosen), encoding="utf-8")
    finished = run_command(
        "train-head", "--model", run / "export" / "int8", "--out", tmp_path / "head",
        "--tsv", tmp_path / "train.tsv", "--test-tsv", tmp_path / "test.tsv", cwd=tmp_path,
    )  # fmt: skip
    assert finished.status == 0, finished.stderr
    scores = json.loads(finished.stdout)["test"]
    assert scores["accuracy"] > max(0.8, scores["baseline"]), f"seed {toy.seed}"


class TestBadInput:
    def test_model_without_an_encoder(self, finished_run: Path, texts: list[Path], fails: Fails) -> None:
        error = fails("embed", "--model", finished_run / "export" / "int8", texts[0])
        assert "has no folder `encoder`" in error

    def test_language_that_was_not_learned(self, run: Path, texts: list[Path], fails: Fails) -> None:
        error = fails("embed", "--model", run / "export" / "int8", "--language", "ja", texts[0])
        assert "`ja`" in error
        assert "en" in error

    def test_empty_line(self, run: Path, tmp_path: Path, fails: Fails) -> None:
        (tmp_path / "text").write_text("a\n\nb\n", encoding="utf-8")
        for options in (["--output", tmp_path / "x.npy"], ["--index", tmp_path / "index"]):
            error = fails("embed", "--model", run / "export" / "int8", tmp_path / "text", *options)
            assert "line 2 is empty" in error
        assert sorted(path.name for path in tmp_path.iterdir()) == ["text"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--output", "x.npy", "--index", "y"], "embed writes one thing"),
            (["--approximate"], "--approximate is for an index"),
            (["--output", "x.txt"], "--output must end in .npy or .jsonl"),
        ],
    )
    def test_options_that_do_not_go_together(
        self, run: Path, texts: list[Path], fails: Fails, options: list[str], message: str
    ) -> None:
        assert message in fails("embed", "--model", run / "export" / "int8", texts[0], *options)

    def test_head_without_examples(self, run: Path, tmp_path: Path, fails: Fails) -> None:
        options = ["train-head", "--model", run / "export" / "int8", "--out", tmp_path / "head"]
        assert "needs --examples LABEL=FILE" in fails(*options)
        assert "--examples must be LABEL=FILE, but is x instead" in fails(*options, "--examples", "x")
        bad = tmp_path / "bad.tsv"
        bad.write_text("no tab\n", encoding="utf-8")
        assert "bad.tsv, line 1: must be a label, a tab and a sentence" in fails(*options, "--tsv", bad)
        error = fails(*options, "--tsv", bad, "--unknown-share", 1)
        assert "--unknown-share must be from 0 to below 1" in error
