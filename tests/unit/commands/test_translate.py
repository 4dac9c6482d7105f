from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nmt_distill.commands.translate import run
from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.model_folder import write_checksums
from tests.translate_arguments import PROGRAM, parse

Feed = Callable[[bytes], None]
Captured = pytest.CaptureFixture[bytes]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Put bytes on standard input."""
    return lambda content: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def start(toy_export: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the verb in a process of its own, which ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, "--model", str(toy_export), "--threads", "1", *arguments]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_arguments_are_a_line_each(mute_export: Path, capfdbinary: Captured) -> None:
    assert run(parse("--model", str(mute_export), "Stop it", "42")) == 0
    assert capfdbinary.readouterr() == (b"Stop it\n42\n", b"1 segment was left untranslated: line 1.\n")


def test_lines_that_were_left_are_numbered_through_all_windows(
    mute_export: Path, feed: Feed, capfdbinary: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt_distill.commands.line_reader.BLOCK_BYTES", 16)
    feed(b"42\nStop\nStop. Go.\n\n43\nStop\n" * 40)
    assert run(parse("--model", str(mute_export))) == 0
    assert capfdbinary.readouterr().err == (b"160 segments were left untranslated: lines 2, 3, 6, 8, 9 and 115 more.\n")


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"one\ntwo\n", b"one\ntwo\n"),
        (b"no end", b"no end\n"),
        (b"one\r\n\r\n  \n", b"one\r\n\r\n  \n"),
        ("a\u2028b\u0085c\n".encode(), "a\u2028b\u0085c\n".encode()),
        (b"\x00\n\x00\x00", b"\x00\n\x00\x00\n"),
        ("\U0001f600\n".encode(), "\U0001f600\n".encode()),
    ],
)
def test_a_mute_model_copies_standard_input(
    mute_export: Path, feed: Feed, capfdbinary: Captured, content: bytes, answer: bytes
) -> None:
    feed(content)
    assert run(parse("--model", str(mute_export))) == 0
    assert capfdbinary.readouterr().out == answer


def test_strict_fails_where_something_is_left(mute_export: Path, toy_export: Path, capfdbinary: Captured) -> None:
    assert run(parse("--model", str(mute_export), "--strict", "42")) == 0
    assert run(parse("--model", str(mute_export), "--strict", "one", "two")) == 3
    assert capfdbinary.readouterr().err == b"2 segments were left untranslated: lines 1 and 2.\n"
    assert run(parse("--model", str(toy_export), "--strict", "one")) == 3
    assert capfdbinary.readouterr().err == b"1 translation was cut at the greatest length: line 1.\n"


def test_bad_bytes_are_replaced_counted_and_answered(mute_export: Path, feed: Feed, capfdbinary: Captured) -> None:
    feed(b"fine\n\xff\n1 \xfe\n")
    assert run(parse("--model", str(mute_export))) == 0
    captured = capfdbinary.readouterr()
    assert captured.out.decode() == "fine\n\ufffd\n1 \ufffd\n"
    assert b"2 lines were not valid UTF-8 (first: standard input, line 2); bad bytes replaced." in captured.err


def test_a_bad_argument_is_replaced(mute_export: Path, capfdbinary: Captured) -> None:
    assert run(parse("--model", str(mute_export), os.fsdecode(b"1 \xff"))) == 0
    assert capfdbinary.readouterr().out.decode() == "1 \ufffd\n"


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_stream_that_is_closed_is_told(mute_export: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    monkeypatch.setattr(f"sys.{stream}", None)
    with pytest.raises(NmtDistillError, match=r"standard (in|out)put is closed; give "):
        run(parse("--model", str(mute_export), *(["text"] if stream == "stdout" else [])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "{here}/none"], r"none does not exist\."),
        (["--in-place", "--file", ""], r"a path of --file or --output is empty; name a file or a folder"),
        (["--output", "", "--file", "{here}/empty"], r"a path of --file or --output is empty"),
        (["--file", "{here}"], r"holds no file of a known format; name its files, with --format\."),
        (["--in-place", "text"], r"--in-place is for files; name them with --file\."),
        (["--format", "json", "text"], r"--format is for files"),
        (["--column", "2", "text"], r"--column is for files"),
        (["--num-candidates", "2", "text"], r"--num-candidates needs --json"),
        (["--json", "--format", "html", "--file", "{here}/empty"], r"--json answers lines, but the files are doc"),
        (["--format", "tsv", "--file", "{here}/empty"], r"empty is a table; name the column"),
        (["--glossary", "{here}/none", "text"], r"none does not exist\."),
        (["--file", "{here}/empty", "--", "text"], r"translate takes text or --file, but was given both"),
        (["--output", "{here}", "text"], r"is a folder, but --output must be a file\."),
        (["--output", "{here}/none/", "text"], r"is a folder, but --output must be a file\."),
        (["--column", "2", "--file", "{here}/empty"], r"--column is of tables, but none of the files is one"),
        (["--output", "{here}/empty/out", "text"], r"empty/out cannot be written: "),
        (["--output", "/dev/full", "text"], r"/dev/full cannot be written: No space left on device\."),
        (["--to", "de", "text"], r"`de` is not a language of this model"),
        (["--from", "de", "text"], r"`de` is not a language of this model"),
        (["--verify", "text"], r"has no checksums\.json to compare its files with"),
    ],
)
def test_what_is_wrong_is_told(mute_export: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NmtDistillError, match=message):
        run(parse("--model", str(mute_export), *(argument.format(here=tmp_path) for argument in arguments)))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_all_checksums_are_compared_on_demand(mute_export: Path, tmp_path: Path, capfdbinary: Captured) -> None:
    folder = Path(shutil.copytree(mute_export, tmp_path / "model"))
    (folder / "README.md").write_text("a card")
    with pytest.raises(NmtDistillError, match=r"has no checksums\.json to compare its files with"):
        run(parse("--model", str(folder), "--verify", "42"))
    write_checksums(folder)
    assert run(parse("--model", str(folder), "--verify", "42")) == 0
    (folder / "README.md").write_text("another card")
    with pytest.raises(NmtDistillError, match=r"README\.md damaged or missing; copy or export"):
        run(parse("--model", str(folder), "--verify", "42"))
    assert run(parse("--model", str(folder), "42")) == 0
    assert capfdbinary.readouterr().out == b"42\n42\n"


def test_a_packaged_model_needs_no_name(
    mute_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured
) -> None:
    monkeypatch.setenv("NMT_DISTILL_MODELS", str(tmp_path))
    with pytest.raises(NmtDistillError, match=r"no model is packaged in .*; give --model the folder of an export\."):
        run(parse("42"))
    shutil.copytree(mute_export, tmp_path / "mute")
    for options in ([], ["--model", "mute"]):
        assert run(parse(*options, "--to", "pt", "Stop it")) == 0
    assert capfdbinary.readouterr().out == b"Stop it\n" * 2


@pytest.mark.parametrize("option", ["--beam-size", "--threads"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_counts_must_be_whole(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--model", "m", option, value)
    assert "must be a whole number of at least 1" in capsys.readouterr().err or value == "-1"


def test_a_line_is_answered_before_the_next_is_there(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):
        process.stdin.write(b"Stop\n42\n")
        process.stdin.flush()
        assert process.stdout.readline().strip()
        assert process.stdout.readline() == b"42\n"
    process.stdin.close()
    assert process.wait(20) == 0


def test_a_reader_that_leaves_is_no_error(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"42\n" * 100)
    process.stdin.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == b""


def test_a_full_disk_is_told_once(mute_export: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "--model", str(mute_export), "42"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert "NmtDistillError: standard output cannot be written: No space left on device." in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 1


def test_input_that_cannot_be_read_is_told(mute_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def isatty(self) -> bool:
            return False

        @property
        def buffer(self) -> Broken:
            return self

        def read1(self, size: int, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stdin", Broken())
    with pytest.raises(NmtDistillError, match=r"standard input cannot be read: Input/output error\."):
        run(parse("--model", str(mute_export)))


def test_an_interrupt_is_no_error(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start()
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"42\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"42\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read() == b""


def test_a_line_of_100000_characters_is_answered(mute_export: Path, feed: Feed, capfdbinary: Captured) -> None:
    content = b"word " * 20_000 + b"\n" + b"x" * 100_000 + b"\n"
    feed(content)
    assert run(parse("--model", str(mute_export))) == 0
    assert capfdbinary.readouterr().out == content


def test_json_tells_text_and_score(mute_export: Path, toy_export: Path, capfdbinary: Captured) -> None:
    assert run(parse("--model", str(mute_export), "--json", "42")) == 0
    assert capfdbinary.readouterr().out == b'{"source": "42", "text": "42", "score": null}\n'
    assert run(parse("--model", str(toy_export), "--json", "--num-candidates", "2", "Stop the music")) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert [answer["candidates"][0][key] for key in ("text", "score")] == [answer["text"], answer["score"]]
    assert len(answer["candidates"]) == 2


def test_json_tells_what_went_wrong(mute_export: Path, toy_export: Path, capfdbinary: Captured) -> None:
    assert run(parse("--model", str(mute_export), "--json", "Stop it", "42")) == 0
    first, second = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert (first["problems"], "problems" in second) == (["untranslated"], False)
    assert run(parse("--model", str(toy_export), "--json", "--num-candidates", "2", "Stop the music")) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert answer["problems"] == answer["candidates"][0]["problems"] == ["cut"]
