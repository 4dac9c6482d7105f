from __future__ import annotations

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.progress import job, say, silence
from nmt_distill.ranks import Ranks


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, Ranks()),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Ranks()),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Ranks(2, 4)),
        ({"RANK": "1"}, Ranks()),
        ({"RANK": "", "WORLD_SIZE": "x"}, Ranks()),
    ],
)
def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], ranks: Ranks) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Ranks.of_environment() == ranks
    assert ranks.is_main == (ranks.rank == 0)


def test_alone_nothing_is_exchanged() -> None:
    ranks = Ranks()
    ranks.join()
    ranks.call("a fingerprint")
    assert ranks.from_main("x") == "x"
    assert ranks.gather("x") == ["x"]
    ranks.leave()


def test_lost_process_is_told_and_other_errors_are_not_touched() -> None:
    lost = RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer\nmore")
    for ranks, whose in ((Ranks(0, 2), "another process of"), (Ranks(1, 2), "the main process, or another one, of")):
        with (
            pytest.raises(NmtDistillError, match=rf"^{whose} this training has ended \(.*by peer\); what it said"),
            ranks.watched(),
        ):
            raise lost
        with pytest.raises(RuntimeError, match=r"^shapes$"), ranks.watched():
            raise RuntimeError("shapes")
    with pytest.raises(RuntimeError, match="gloo"), Ranks().watched():
        raise lost


def test_processes_that_do_not_come_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says where they meet."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NmtDistillError, match=r"^the 2 processes of this training do not find each other \(.*torchrun"):
        Ranks(0, 2).join()


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the teachers of all of them would be on the first one, and their students elsewhere."""
    chosen: list[int] = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr("torch.distributed.init_process_group", lambda backend: None)
    monkeypatch.setattr("torch.distributed.new_group", lambda **options: "group")
    Ranks(5, 8).join()
    Ranks(0, 1).join()
    assert chosen == [1]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with silence(), job("work", total=2) as running:
        say("one")
        running.advance(2)
    say("two")
    assert capsys.readouterr().err == "two\n"
