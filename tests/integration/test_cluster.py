"""Labelling by workers of a Ray cluster leaves the bytes of labelling in one process, whoever is lost."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt_distill.cluster.slots import Slot
from nmt_distill.cluster.worker import LabellingWorker
from nmt_distill.distillation.source_text import shard_texts
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.pipeline import Pipeline
from nmt_distill.recipe import load_recipe
from nmt_distill.stages.distilled import source_texts
from tests.integration.commands import Command, Finished, run_command
from tests.integration.conftest import RAY_SECRET, Fails, Toy
from tests.integration.test_kill import bytes_of, leftovers

SHORT = (
    "corpus.max_train_sentences=600",
    "distillation.shard_sentences=40",
    "corpus.split.references=teacher",
)
DIRECTION = Direction(source="en", target="pt-BR")
WHOLE_MACHINE = Slot("here", 0, os.cpu_count() or 1, 0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray of two processor cores on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY_SECRET.items():
            patch.setenv(name, value)
        import ray  # reads the secret

        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest.fixture(scope="module")
def undisturbed(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that one process has labelled."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finished = run_command("distill", toy.write_recipe(folder, *SHORT), "--out", folder / "run", cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder / "run"


def distill(toy: Toy, folder: Path, cluster: str, *options: object) -> Command:
    """Begin to label on a cluster, with a worker a core."""
    recipe, run = toy.write_recipe(folder, *SHORT), folder / "run"
    return Command("distill", recipe, "--out", run, "--ray", cluster, "--cpus-per-worker", 1, *options, cwd=folder)


def told(folder: Path) -> str:
    """Read what a command under way has said so far."""
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob(".stderr-*"))


def assert_labelled(finished: Finished, run: Path, undisturbed: Path) -> None:
    assert (finished.status, finished.stdout) == (0, f"{run / 'distilled'}\n"), finished.stderr
    ours, theirs = bytes_of(run, "distilled"), bytes_of(undisturbed, "distilled")
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert leftovers(run) == []


@pytest.mark.ray
def test_lost_worker_is_replaced_and_its_shard_done_again(
    toy: Toy, cluster: str, undisturbed: Path, tmp_path: Path
) -> None:
    command = distill(toy, tmp_path, cluster)
    killed: list[str] = []

    def kill_worker() -> bool:
        if any(tmp_path.glob("run/distilled/en-pt-BR/shard-*.safetensors")):
            killed.append(re.findall(r"a worker has started: \S+, process (\d+)", told(tmp_path))[0])
            os.kill(int(killed[0]), signal.SIGKILL)
        return bool(killed)

    assert command.sees(kill_worker), "the labelling ended before a worker could be killed"
    finished = command.wait()
    assert_labelled(finished, tmp_path / "run", undisturbed)
    assert re.search(r"a worker is lost over shard \d+, and another takes its place: ", finished.stderr)
    assert len(re.findall("a worker has started", finished.stderr)) >= 2
    assert "labelling on Ray, 2 workers with processor cores each" in finished.stderr
    assert re.search(r"distilling: (\d+)/\1 sentences, .* took", finished.stderr)
    assert re.search(r"\nlabels: \d+ for \d+ sentences; ", finished.stderr)


@pytest.mark.ray
def test_killed_labelling_goes_on(toy: Toy, cluster: str, undisturbed: Path, tmp_path: Path) -> None:
    command = distill(toy, tmp_path, cluster)
    assert command.kill_when(lambda: (tmp_path / "run/distilled/en-pt-BR/shard-00002.safetensors").exists())
    begun = {path: path.stat().st_mtime_ns for path in tmp_path.glob("run/distilled/en-pt-BR/shard-*.safetensors")}
    finished = distill(toy, tmp_path, cluster).wait()
    assert_labelled(finished, tmp_path / "run", undisturbed)
    assert {path: path.stat().st_mtime_ns for path in begun} == begun, "what is whole is not made again"


def test_workers_make_together_what_one_process_makes(
    toy: Toy, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = toy.write_recipe(tmp_path, *SHORT), tmp_path / "run"
    assert run_command("prepare-data", recipe, "--out", run, cwd=tmp_path).status == 0
    pipeline = Pipeline(load_recipe(recipe), run)
    pipeline.distilled.begin()
    workers = [LabellingWorker(pipeline.recipe, run, Path.cwd(), DIRECTION, WHOLE_MACHINE) for _ in range(2)]
    for worker in workers:
        assert f"process {os.getpid()}" in worker.start()
    workers[0].prepare()
    parts = list(shard_texts(source_texts(pipeline, DIRECTION), 40))
    assert workers[0].forecast(2) is None, "so little text is labelled at once"
    monkeypatch.setattr("nmt_distill.distillation.labelling.WORTH_A_SAMPLE", 200)
    (run / "distilled" / "en-pt-BR" / ".sample.x.partial").mkdir()  # of a worker that was killed over it
    expected = workers[0].forecast(2)
    assert expected is not None
    assert (expected.num_sentences, expected.num_workers) == (sum(map(len, parts)), 2)
    labelled = [workers[index % 2].label(index, part) for index, part in enumerate(parts)]
    assert workers[1].forecast(2) is None, "labelling has begun"
    assert workers[0].label(1, parts[1]) == (labelled[1][0], False), "the other worker has made it"
    assert all(is_new for _, is_new in labelled)
    for worker in workers:
        worker.close()
    summary = workers[1].put_together([num_labels for num_labels, _ in labelled])
    assert summary["counts"]["labels"] == sum(num_labels for num_labels, _ in labelled)
    ours, theirs = bytes_of(run, "distilled"), bytes_of(undisturbed, "distilled")
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_worker_that_sees_another_disk_says_so(toy: Toy, tmp_path: Path) -> None:
    recipe = load_recipe(toy.write_recipe(tmp_path))
    worker = LabellingWorker(recipe, tmp_path / "run", Path.cwd(), DIRECTION, WHOLE_MACHINE)
    with pytest.raises(NmtDistillError, match=r"does not see this run in /.*/run, or another teacher; put the run"):
        worker.start()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--ray", "--num-shards", 2), "--ray deals out the shards itself; leave --num-shards and --shard-idx out."),
        (("--ray", "--shard-idx", 0), "--ray deals out the shards itself; leave --num-shards and --shard-idx out."),
        (("--cpus-per-worker", 2), "--cpus-per-worker is for labelling on a Ray cluster; give --ray with it."),
    ],
)
def test_options_that_do_not_go_together(
    toy: Toy, tmp_path: Path, fails: Fails, options: tuple[object, ...], told: str
) -> None:
    assert fails("distill", toy.write_recipe(tmp_path), "--out", tmp_path / "run", *options) == told
