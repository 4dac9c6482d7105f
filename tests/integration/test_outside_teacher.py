"""Teachers other than Marian's: a model of transformers, an outside program, translations that lie in a file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import torch
from sentencepiece import sentencepiece_model_pb2

from nmt_distill.student.checkpoint import load_student
from tests.integration.commands import run_command
from tests.integration.conftest import Fails, Toy

FROM_SCRATCH = (
    "distillation.shard_sentences=500",
    "vocabulary.size=336",
    "student.graph=nllb",
    "student.initialization=random",
    "training.phases=[{num_steps: 450, learning_rate: 0.004, warmup_steps: 40, batch_tokens: 600, kd_weight: 0}]",
    "training.validate_every=450",
)


def chrf_of_unseen(toy: Toy, model: Path, tmp_path: Path) -> float:
    """Translate pairs that nobody has trained on."""
    sources, references = ([pair[side] for pair in toy.unseen] for side in (0, 1))
    translated = run_command("translate", "--model", model, *sources, cwd=tmp_path)
    return float(sacrebleu.corpus_chrf(translated.stdout.splitlines(), [references]).score)


def test_student_learns_soft_targets_from_a_model_of_transformers(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    """The model is our own student: a folder in OPUS-MT's layout, whose one vocabulary is then trimmed."""
    more = tmp_path / "more.en"
    more.write_bytes((toy.folder / "more_pairs.en").read_bytes())
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: transformers, name: {finished_run / 'student'}, origin: a student, licence: none}}",
        f"corpus.sources[1].path={more}",
        f"training.seed={toy.seed % 1000}",
        *FROM_SCRATCH,
        "training.phases[0].kd_weight=0.5",
        "distillation.beam_size=2",
    )
    folder = tmp_path / "run"
    finished = run_command("run", recipe, "--out", folder, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "for CTranslate2, once" in finished.stderr
    header = json.loads((folder / "distilled" / "en-pt-BR" / "store.json").read_text(encoding="utf-8"))["header"]
    assert (header["num_kept"], header["state_dim"]) == (8, 64)
    kept = json.loads((folder / "vocabulary" / "kept_ids.json").read_text(encoding="utf-8"))
    assert len(kept) == 337, "with padding where the nllb graph needs it"
    assert kept.index(-1) == 1
    parity = json.loads((folder / ".stages" / "export.json").read_text(encoding="utf-8"))["result"]["parity"]
    assert parity["num_equal"] == parity["num_sentences"] == 40
    assert chrf_of_unseen(toy, folder / "export" / "int8", tmp_path) > 90, f"seed {toy.seed}\n{finished.stderr}"


def test_student_starts_from_a_model_of_transformers(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    """Of the same shape it knows at once what takes a random start 450 steps."""
    phase = "{num_steps: 5, learning_rate: 0.0001, batch_tokens: 500, trainable: layers}"
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: transformers, name: {finished_run / 'student'}, origin: a student, licence: none}}",
        f"training.phases=[{phase}]",
    )
    folder = tmp_path / "run"
    finished = run_command("export", recipe, "--out", folder, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert chrf_of_unseen(toy, folder / "export" / "int8", tmp_path) > 90, f"seed {toy.seed}\n{finished.stderr}"


def test_student_with_pieces_of_its_own_starts_from_those_of_the_same_name(
    toy: Toy, finished_run: Path, tmp_path: Path
) -> None:
    """The teacher's sides have a file each, as OPUS models have."""
    teacher = shutil.copytree(finished_run / "student", tmp_path / "teacher")
    messages: Any = sentencepiece_model_pb2
    pieces = messages.ModelProto.FromString((teacher / "target.spm").read_bytes())
    pieces.trainer_spec.model_prefix = "another"
    (teacher / "target.spm").write_bytes(pieces.SerializeToString())
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: transformers, name: {teacher}, origin: a student, licence: none}}",
        "vocabulary.size=336",
        "training.phases=[{num_steps: 2, learning_rate: 0.0001, batch_tokens: 500, kd_weight: 0}]",
    )
    finished = run_command("train", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    own, theirs = (
        json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        for folder in (tmp_path / "run" / "student", teacher)
    )
    shared = len(own.keys() & theirs.keys()) - 1  # the padding's row is nobody's
    assert shared > 100
    tables = [load_student(folder).get_input_embeddings().weight for folder in (tmp_path / "run" / "student", teacher)]
    for name in own.keys() & theirs.keys():
        torch.testing.assert_close(tables[0][own[name]], tables[1][theirs[name]], atol=1e-3, rtol=0, msg=name)
    assert any(own[name] != theirs[name] for name in own.keys() & theirs.keys())
    assert f"layers and embeddings come from {teacher}, {shared} of 337 rows" in finished.stderr


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("student.graph=nllb", "student.graph must be marian, but is nllb"),
        ("student.num_heads=8", "student.num_heads must be 4, for the teacher has 4 of 16, but is 8"),
    ],
)
def test_student_that_cannot_start_from_its_teacher_is_told_before_labelling(
    toy: Toy, finished_run: Path, tmp_path: Path, fails: Fails, override: str, told: str
) -> None:
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: transformers, name: {finished_run / 'student'}, origin: a student, licence: none}}",
        override,
    )
    assert told in fails("distill", recipe, "--out", tmp_path / "run")
    assert not list((tmp_path / "run" / "distilled").glob("shard*"))


def test_converted_folder_is_a_teacher_too(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    model = finished_run / "export" / "float32"
    teacher = f"kind: ctranslate2, folder: {model}, vocabulary: {model / 'joint.spm'}, origin: an export, licence: none"
    recipe = toy.write_recipe(tmp_path, f"teacher={{{teacher}}}", *FROM_SCRATCH)
    finished = run_command("distill", recipe, "--out", tmp_path / "run", cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    files = sorted((tmp_path / "run" / "distilled" / "en-pt-BR").glob("distilled.*"))
    assert [path.name for path in files] == ["distilled.en", "distilled.json", "distilled.pt-BR"]
    sources, labels = (path.read_text(encoding="utf-8").splitlines() for path in (files[0], files[2]))
    again = run_command("translate", "--model", model, *sources[:50], cwd=tmp_path)
    same = sum(one == other for one, other in zip(again.stdout.splitlines(), labels, strict=False))
    assert same >= 48, "but for `<unk>`, which `translate` rules out"


def test_student_learns_from_a_program(toy: Toy, finished_run: Path, tmp_path: Path) -> None:
    """The program is our own ``translate`` with an export: an engine that somebody has, seen from outside."""
    model = finished_run / "export" / "int8"
    command = f"{sys.executable} -m nmt_distill translate --model {model} --threads 1"
    more = tmp_path / "more.en"
    more.write_bytes((toy.folder / "more_pairs.en").read_bytes())
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: command, command: '{command}', num_processes: 2, origin: a program, licence: none}}",
        f"corpus.sources[1].path={more}",
        f"training.seed={toy.seed % 1000}",
        *FROM_SCRATCH,
    )
    folder = tmp_path / "run"
    finished = run_command("export", recipe, "--out", folder, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    assert "teacher: a program; licence: none" in finished.stderr
    distilled = sorted(path.name for path in (folder / "distilled" / "en-pt-BR").iterdir())
    assert distilled[:3] == ["distilled.en", "distilled.json", "distilled.pt-BR"]
    assert not any(name.startswith("shard") for name in distilled)
    hypotheses = folder / "distilled" / "en-pt-BR" / "hypotheses-00000.jsonl"
    first = hypotheses.read_text(encoding="utf-8").splitlines()[0]
    entry = json.loads(first)
    alone = run_command("translate", "--model", model, entry["source"], cwd=tmp_path)
    assert entry["candidates"][0]["text"] == alone.stdout.rstrip("\n")
    assert chrf_of_unseen(toy, folder / "export" / "int8", tmp_path) > 90, f"seed {toy.seed}\n{finished.stderr}"


def test_student_learns_from_a_file_of_translations(toy: Toy, tmp_path: Path) -> None:
    """The file has two hypotheses for each source, of which the one with the better score is right."""
    sides = [(toy.folder / f"more_pairs.{tag}").read_text(encoding="utf-8").splitlines() for tag in ("en", "pt-BR")]
    lines = [
        json.dumps({"source": source, "hypotheses": [target[::-1], target], "scores": [-2.0, -1.0]})
        for source, target in zip(*sides, strict=True)
    ]
    (tmp_path / "made.jsonl").write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    (tmp_path / "more.en").write_text("\n".join([*sides[0], "nobody has translated this"]), encoding="utf-8")
    recipe = toy.write_recipe(
        tmp_path,
        f"teacher={{kind: candidates, path: {tmp_path / 'made.jsonl'}, origin: somebody, licence: none}}",
        f"corpus.sources[1].path={tmp_path / 'more.en'}",
        f"training.seed={toy.seed % 1000}",
        "distillation.num_candidates=2",
        *FROM_SCRATCH,
    )
    folder = tmp_path / "run"
    finished = run_command("run", recipe, "--out", folder, cwd=tmp_path)
    assert finished.status == 0, finished.stderr
    summary = json.loads((folder / "distilled" / "en-pt-BR" / "distilled.json").read_text(encoding="utf-8"))
    assert 1 <= summary["dropped"]["no_translation"] <= 4
    assert "teacher" not in finished.stdout, "nothing is known of it on the test text"
    assert "student int8" in finished.stdout
    assert chrf_of_unseen(toy, folder / "export" / "int8", tmp_path) > 90, f"seed {toy.seed}\n{finished.stderr}"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (FROM_SCRATCH[2:], "vocabulary.size must be given where teacher.kind is command"),
        (
            (*FROM_SCRATCH, "distillation.beam_size=4"),
            "distillation.beam_size must be 1 where teacher.kind is command, which searches in its own way",
        ),
        (("vocabulary.size=400",), "student.initialization must be random where teacher.kind is command"),
        (
            (*FROM_SCRATCH, "training.phases[0].kd_weight=0.5"),
            "training.phases[0].kd_weight must be 0 where teacher.kind is command: it shows translations alone",
        ),
        (
            (*FROM_SCRATCH, "training.phases[0].state_weight=1"),
            "training.phases[0].state_weight must be 0 where teacher.kind is command: it shows translations alone",
        ),
    ],
)
def test_what_translations_alone_cannot_give_is_told(
    toy: Toy, tmp_path: Path, fails: Fails, overrides: tuple[str, ...], told: str
) -> None:
    recipe = toy.write_recipe(
        tmp_path, "teacher={kind: command, command: cat, origin: a program, licence: none}", *overrides
    )
    assert told in fails("run", recipe)
