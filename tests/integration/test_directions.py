"""One student of two teachers: one shows its probabilities, of the other there are translations alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sacrebleu

from tests.integration.commands import Finished, run_command
from tests.integration.conftest import Fails, Toy

BOTH = [("en", "pt-BR"), ("pt-BR", "en")]


@pytest.fixture(scope="module")
def both_ways(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both directions: the toy's teacher for one, what people wrote for the other."""
    folder = tmp_path_factory.mktemp("both")
    candidates = folder / "back.tsv"
    sides = [(toy.folder / f"more_pairs.{language}").read_text(encoding="utf-8").splitlines() for language in BOTH[1]]
    candidates.write_text(
        "".join(f"{source}\t{target}\n" for source, target in zip(*sides, strict=True)), encoding="utf-8"
    )
    back = f"{{kind: candidates, path: {candidates}, origin: people, licence: CC0-1.0}}"
    recipe = toy.write_recipe(
        folder,
        f"directions=[{{source: en, target: pt-BR}}, {{source: pt-BR, target: en, teacher: {back}}}]",
        f"corpus.sources[0].source={toy.folder / 'more_pairs.en'}",
        f"corpus.sources[0].target={toy.folder / 'more_pairs.pt-BR'}",
        "corpus.sources[0].source_language=en",
        "corpus.sources[0].target_language=pt-BR",
        "corpus.sources[1].language=en",
        f"training.seed={toy.seed % 1000}",
        "training.balance_exponent=0.5",
        "training.phases=[{num_steps: 500, learning_rate: 0.004, warmup_steps: 40, batch_tokens: 800, kd_weight: 0.5, "
        "state_weight: 0.2}]",
        "training.validate_every=250",
        "evaluation.speed_repetitions=0",
        name="both",
    )
    finished = run_command("run", recipe, "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    (folder / "run" / "log").write_text(finished.stderr + finished.stdout, encoding="utf-8")
    return folder / "run"


def translate(model: Path, lines: list[str], *options: object) -> Finished:
    return run_command("translate", "--model", model, *options, *lines, cwd=model)


def test_one_model_learns_both_directions(toy: Toy, both_ways: Path) -> None:
    for source, target in BOTH:
        side = BOTH[0].index(source)
        lines, references = [pair[side] for pair in toy.unseen], [pair[1 - side] for pair in toy.unseen]
        answers = translate(both_ways / "export" / "int8", lines, "--from", source, "--to", target).stdout.splitlines()
        chrf = sacrebleu.corpus_chrf(answers, [references]).score
        assert chrf > 80, f"{source} to {target}: seed {toy.seed}"


def test_target_alone_says_which_direction(toy: Toy, both_ways: Path) -> None:
    model = both_ways / "export" / "int8"
    there = translate(model, [toy.unseen[0][0]], "--to", "pt").stdout
    assert there == translate(model, [toy.unseen[0][0]], "--from", "en").stdout
    assert "translates en-pt-BR, pt-BR-en; choose one with --to" in translate(model, ["a"]).error


def test_every_direction_is_checked_and_scored(both_ways: Path) -> None:
    report = json.loads((both_ways / "scores.json").read_text(encoding="utf-8"))
    scored = {(entry["name"], entry["source"], entry["target"]) for entry in report["test_sets"]}
    assert scored == {(f"held-out {source}-{target}", source, target) for source, target in BOTH}
    asked = {entry["target"]: [row["system"] for row in entry["systems"]] for entry in report["test_sets"]}
    exports = ["student float32", "student int8"]
    both = ["teacher", *exports, "student int8, plain"]
    assert asked == {"pt-BR": both, "en": exports}, "a file of translations cannot be asked"
    compared = {entry["target"]: len(entry["comparisons"]) for entry in report["test_sets"]}
    assert compared["pt-BR"] > compared["en"] == 0
    parity = json.loads((both_ways / ".stages" / "export.json").read_text(encoding="utf-8"))["result"]["parity"]
    assert parity["num_equal"] == parity["num_sentences"] == 40
    languages = json.loads((both_ways / "export" / "int8" / "languages.json").read_text(encoding="utf-8"))
    assert languages["directions"] == [
        {"source": source, "target": target, "tag": f">>{target}<<"} for source, target in BOTH
    ]


def test_log_says_what_is_learned_at_sequence_level(both_ways: Path) -> None:
    log = (both_ways / "log").read_text(encoding="utf-8")
    assert "pt-BR-en: teacher and student share no ids, so it is learned at sequence level" in log
    assert "en-pt-BR, vocabulary the teacher's with new pieces: all " in log
    assert "teacher: a toy teacher; licence: CC0-1.0" in log
    assert "teacher: people; licence: CC0-1.0" in log
    assert (both_ways / "distilled" / "en-pt-BR" / "store.json").is_file()
    assert not (both_ways / "distilled" / "pt-BR-en" / "store.json").exists()


def test_text_whose_language_nobody_says_is_refused(toy: Toy, fails: Fails, tmp_path: Path) -> None:
    recipe = toy.write_recipe(tmp_path, "directions=[{source: en, target: pt-BR}, {source: en, target: de}]")
    told = fails("run", recipe, "--out", tmp_path / "run")
    assert "corpus.sources[0].source_language must be given where the recipe has several directions" in told
    assert "corpus.sources[1].language must be given where the recipe has several directions" in told
