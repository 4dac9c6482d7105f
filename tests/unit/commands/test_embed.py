"""Where vectors and pairs are written; an encoder that counts letters stands in for a model."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nmt_distill.cli import build_parser
from nmt_distill.commands import embed as embed_command
from nmt_distill.commands import search as search_command
from nmt_distill.commands import train_head as train_head_command
from nmt_distill.embedding.vectors import Vectors
from nmt_distill.errors import NmtDistillError
from tests.pipes import read_pipe


class Counter:
    """Makes a vector of two numbers: letters, and their square."""

    dim = 2
    num_unread = 0

    def reads(self, line: str) -> bool:
        return True

    def embed(self, lines: Sequence[str]) -> Vectors:
        return np.array([[len(line), len(line) ** 2] for line in lines], dtype=np.float32)

    def embed_lines(self, lines: Iterable[str]) -> Iterator[Vectors]:
        yield self.embed(list(lines))

    def pooled(self, lines: Sequence[str], *, first_line: int = 1) -> Vectors:
        return self.embed(lines)

    def project(self, vectors: Vectors) -> Vectors:
        return vectors


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two sentences; no model is loaded."""
    for module in (embed_command, search_command):
        monkeypatch.setattr(module, "open_encoder", lambda arguments: Counter())
    (tmp_path / "text").write_text("a\nbcd\n")
    return tmp_path / "text"


def call(*arguments: object) -> int:
    parsed = build_parser().parse_args([*map(str, arguments), "--model", "m"])
    status: int = parsed.run(parsed)
    return status


@pytest.mark.parametrize("name", ["v.npy", "v.jsonl"])
def test_vectors_go_through_links_and_into_pipes(text: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / f"link-{name}").symlink_to(name)
    assert call("embed", text, "--output", tmp_path / f"link-{name}") == 0
    assert (tmp_path / f"link-{name}").is_symlink()
    with read_pipe(tmp_path / f"pipe-{name}") as content:
        assert call("embed", text, "--output", tmp_path / f"pipe-{name}") == 0
    assert content == [(tmp_path / name).read_bytes()]
    assert (tmp_path / f"pipe-{name}").is_fifo()
    if name == "v.npy":
        assert np.load(tmp_path / name).tolist() == [[1, 1], [3, 9]]
    else:
        rows = [json.loads(line) for line in content[0].splitlines()]
        assert rows == [{"text": "a", "vector": [1, 1]}, {"text": "bcd", "vector": [3, 9]}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "text", "text", "--output", "folder"], r"folder is a folder, but must be a file"),
        (["mine", "text", "text", "--output", "text/x"], r"text/x cannot be written, because \S*text is a file"),
        (["embed", "text", "--output", "text/x.npy"], r"text/x\.npy cannot be written, because \S*text is a file"),
        (["embed", "text", "--output", "folder.npy"], r"folder\.npy is a folder, but must be a file"),
        (["embed", "text", "--index", "text"], r"text is a file, but must be a folder"),
        (["embed", "text", "--index", "text/a/b"], r"text/a/b cannot be written, because text is a file"),
        (["train-head", "--tsv", "text", "--out", "text"], r"text is a file, but must be a folder"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    text: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(text.parent)
    for module in (embed_command, search_command, train_head_command):
        monkeypatch.setattr(module, "open_encoder", None)
    for name in ("folder", "folder.npy"):
        Path(name).mkdir()
    with pytest.raises(NmtDistillError, match=message):
        call(*arguments)


def test_pairs_go_into_pipes(text: Path, tmp_path: Path) -> None:
    with read_pipe(tmp_path / "pipe") as content:
        assert call("mine", text, text, "--aligned", "--min-margin", 0, "--output", tmp_path / "pipe") == 0
    assert [line.split(b"\t")[:2] for line in content[0].splitlines()] == [[b"a", b"a"], [b"bcd", b"bcd"]]
    assert (tmp_path / "pipe").is_fifo()


def test_a_table_of_what_can_be_read_once_is_whole(text: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, text.read_bytes())
    os.close(writing)
    try:
        assert call("embed", f"/dev/fd/{reading}", "--output", tmp_path / "v.npy") == 0
    finally:
        os.close(reading)
    assert np.load(tmp_path / "v.npy").tolist() == [[1, 1], [3, 9]]


def test_classes_of_a_later_window_know_their_lines(
    text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Numbers:
        """Answers every sentence with the number of its line."""

        def classify(self, encoder: Counter, sentences: Sequence[str], *, first_line: int) -> list[tuple[str, float]]:
            return [(str(number), 1.0) for number, _ in enumerate(sentences, start=first_line)]

    monkeypatch.setattr("nmt_distill.embedding.head.load_head", lambda folder: Numbers())
    monkeypatch.setattr("nmt_distill.translation.translator.WINDOW_LINES", 1)
    assert call("embed", text, "--head", "head") == 0
    assert capsys.readouterr().out == "1\t1.000\n2\t1.000\n"


def test_a_byte_order_mark_is_no_part_of_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"
    (tmp_path / "marked").write_bytes(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    for path in (tmp_path / "marked", None):
        assert list(embed_command.input_lines(path)) == ["a", "\ufeffb"]
    assert train_head_command._sentences(tmp_path / "marked") == ["a", "\ufeffb"]


def test_a_byte_order_mark_is_no_part_of_a_pair(text: Path, tmp_path: Path) -> None:
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbfa\nbcd\n")
    options = ["--aligned", "--min-margin", 0, "--output", tmp_path / "pairs.tsv"]
    assert call("mine", tmp_path / "marked", text, *options) == 0
    assert [line.split("\t")[0] for line in (tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()] == [
        "a",
        "bcd",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "text", "text", "--min-margin", "nan"], r"--min-margin must be a number, but is nan instead\."),
        (["train-head", "--examples", "a=text", "--examples", "b=none", "--out", "h"], r"none does not exist\."),
        (
            ["train-head", "--examples", "a=text", "--examples", "b=blank", "--out", "h"],
            r"blank is empty, but must hold",
        ),
        (["train-head", "--examples", "a=text", "--outside", "none", "--out", "h"], r"none does not exist\."),
        (["train-head", "--examples", "a=text", "--outside", "blank", "--out", "h"], r"blank is empty, but must hold"),
        (["train-head", "--tsv", "tsv", "--test-tsv", "text", "--out", "h"], r"text, line 1: must be a label, a tab"),
        (["train-head", "--tsv", "tsv", "--test-tsv", "test", "--out", "h"], r"test has the label A, which no example"),
        (["train-head", "--tsv", "tsv", "--out", "folder"], r"folder exists, but is no head; name another folder\."),
    ],
)
def test_what_cannot_be_read_is_told_before_the_work(
    text: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(text.parent)
    for module in (embed_command, search_command, train_head_command):
        monkeypatch.setattr(module, "open_encoder", None)
    Path("folder").mkdir()
    Path("blank").write_text("\n \n")
    Path("tsv").write_text("a\tb\n")
    Path("test").write_text("a\tb\nA\tb\nunknown\tb\n")
    with pytest.raises(NmtDistillError, match=message):
        call(*arguments)


def test_a_query_that_is_no_text_is_told(text: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"query 2 is not valid UTF-8; convert it with iconv\."):
        call("search", "index", "a", os.fsdecode(b"\xff"))


def test_a_model_that_has_learned_no_vectors_knows_no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    untrained = SimpleNamespace(described=SimpleNamespace(teacher="", languages=()))
    monkeypatch.setattr("nmt_distill.embedding.encoder.SentenceEncoder", lambda folder, threads: untrained)
    with pytest.raises(NmtDistillError, match=r"^m has learned vectors of no language, so not of `de` either\.$"):
        call("embed", "text", "--language", "de")


def test_output_does_not_replace_its_input(text: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x\n")
    for words in (("embed", tmp_path / "t.jsonl"), ("mine", text, tmp_path / "t.jsonl")):
        (tmp_path / "t.jsonl").write_text("a\nbcd\n")
        with pytest.raises(NmtDistillError, match=r"t\.jsonl would be written over while it is read"):
            call(*words, "--output", tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_text() == "a\nbcd\n"


def test_line_ends_of_windows_are_no_text(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text.write_bytes("\ufeffa\r\nb\rcd\r\n".encode())
    assert call("embed", text) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["a", "b\rcd"]
    assert call("mine", text, text, "--min-margin", "-9") == 0
    assert "\r\t" not in capsys.readouterr().out
    assert train_head_command.read_examples(_written(text, b"x\ta b\r\n")) == (["a b"], ["x"])


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_text_that_grows_while_it_is_read_makes_no_table(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Growing(Counter):
        def embed_lines(self, lines: Iterable[str]) -> Iterator[Vectors]:
            yield self.embed([*lines, "more"])

    monkeypatch.setattr(embed_command, "open_encoder", lambda arguments: Growing())
    with pytest.raises(NmtDistillError, match=r"had 2 lines, and then 3: it changed while it was read; embed it again"):
        call("embed", text, "--output", tmp_path / "v.npy")
    assert not (tmp_path / "v.npy").exists()


def test_lines_that_say_nothing_to_the_model_are_counted(
    text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = Counter()
    encoder.num_unread = 2
    monkeypatch.setattr(embed_command, "open_encoder", lambda arguments: encoder)
    assert call("embed", text) == 0
    assert "2 lines of which the model's vocabulary has no piece" in capsys.readouterr().err
