"""The exported encoder against transformers on the same weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_distill.embedding.encoder import SentenceEncoder, read_encoder_folder
from nmt_distill.embedding.student_vectors import SentenceVectors, project, read_description, write_description
from nmt_distill.errors import NmtDistillError
from nmt_distill.export.encoder_folder import write_encoder

SENTENCES = ["Turn on the light.", "Close the kitchen window please", "</s> >>de<< <pad>", "музыка 🎵", "Stop"]


def pooled_by_transformers(student: Path, sentence: str) -> Any:
    """Mean of the encoder's states, one sentence at a time, without padding."""
    import sentencepiece
    import torch
    from transformers import AutoModelForSeq2SeqLM

    processor = sentencepiece.SentencePieceProcessor(model_file=str(student / "source.spm"))
    encoder = AutoModelForSeq2SeqLM.from_pretrained(student).eval().get_encoder()
    ids = torch.tensor([[*processor.encode(sentence), processor.eos_id()]])
    with torch.inference_mode():
        return encoder(input_ids=ids).last_hidden_state[0].mean(dim=0).numpy()


def test_vectors_are_the_mean_states_of_transformers(toy_encoder: Path, toy_student: Path) -> None:
    encoder = SentenceEncoder(toy_encoder, threads=1)
    expected = np.stack([pooled_by_transformers(toy_student, sentence) for sentence in SENTENCES])
    assert np.abs(encoder.pooled(SENTENCES) - expected).max() < 1e-4
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(encoder.embed(SENTENCES) - expected / lengths).max() < 1e-4
    assert encoder.described.teacher == ""


def test_neighbours_and_threads_change_nothing(toy_encoder: Path, toy_sentences: list[str]) -> None:
    one, several = SentenceEncoder(toy_encoder, threads=1), SentenceEncoder(toy_encoder, threads=3)
    together = one.embed(toy_sentences)
    assert np.abs(several.embed(toy_sentences) - together).max() < 1e-5
    assert np.abs(np.concatenate([one.embed([text]) for text in toy_sentences[:20]]) - together[:20]).max() < 1e-5
    windows = list(one.embed_lines(iter(toy_sentences), window=150))
    assert [len(window) for window in windows] == [150, 150, 100]
    assert np.abs(np.concatenate(windows) - together).max() < 1e-5


def test_what_is_longer_than_the_positions_is_embedded_in_pieces(toy_encoder: Path, toy_sentences: list[str]) -> None:
    encoder = SentenceEncoder(toy_encoder, threads=1)
    text = " ".join(toy_sentences[:30])
    (vector,) = encoder.pooled([text])
    (cut,) = encoder.pooled([" ".join(toy_sentences[:3])])
    assert np.isfinite(vector).all()
    assert not np.allclose(vector, cut)


def test_empty_line_is_told_by_its_number(toy_encoder: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"line 2 is empty and so has no vector; leave it out"):
        SentenceEncoder(toy_encoder).embed(["a", " ", "b"])


def test_states_that_are_not_finite_are_told_with_their_line(
    toy_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = SentenceEncoder(toy_encoder, threads=1)
    encode = encoder._encode

    def broken(rows: list[list[str]]) -> Any:
        states = encode(rows)
        states[-1] = np.nan  # of the shortest
        return states

    monkeypatch.setattr(encoder, "_encode", broken)
    with pytest.raises(NmtDistillError, match=r"the encoder's states of line 11 are not finite; .*export it in"):
        encoder.pooled(["Turn on the light", "a", "Close the window"], first_line=10)


def test_projection_and_length_by_hand() -> None:
    projection = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], dtype=np.float32)  # the bias comes last
    described = SentenceVectors(dim=2, is_normalized=False, languages=(), teacher="", has_projection=True)
    assert project(np.array([[1.0, 2.0]]), described, projection).tolist() == [[4.0, 4.0]]
    unit = SentenceVectors(dim=2, is_normalized=True, languages=(), teacher="", has_projection=False)
    assert project(np.array([[3.0, 4.0], [0.0, 0.0]]), unit, None).tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_description_comes_back(tmp_path: Path) -> None:
    projection = np.random.default_rng().standard_normal((4, 2)).astype(np.float32)
    described = SentenceVectors(dim=2, is_normalized=True, languages=("de", "en"), teacher="x", has_projection=True)
    write_description(tmp_path, described, projection)
    found, matrix = read_description(tmp_path)
    assert found == described
    assert matrix is not None
    assert np.array_equal(matrix, projection)
    np.save(tmp_path / "sentence_projection.npy", np.where(projection > 0, np.nan, projection))
    with pytest.raises(NmtDistillError, match=r"sentence_projection.npy holds numbers that are not finite; train"):
        read_description(tmp_path)
    np.save(tmp_path / "sentence_projection.npy", projection[:, :1])
    with pytest.raises(NmtDistillError, match=r"has shape \(4, 1\), but vectors have 2 numbers"):
        read_description(tmp_path)


def test_folder_without_an_encoder_is_refused(toy_export: Path, tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"has no folder `encoder`.*section `embedding`"):
        SentenceEncoder(toy_export)
    with pytest.raises(NmtDistillError, match=r"does not exist; name the export folder of a run"):
        SentenceEncoder(tmp_path / "missing")


def test_damaged_encoder_is_noticed(toy_encoder: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_encoder, tmp_path / "copy")
    (tmp_path / "copy" / "encoder" / "sentence_vectors.json").write_text(
        (toy_encoder / "encoder" / "sentence_vectors.json").read_text().replace("16", "16 ")
    )
    with pytest.raises(NmtDistillError, match=r"sentence_vectors.json damaged or missing"):
        SentenceEncoder(tmp_path / "copy")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_int8_is_near(toy_student: Path, toy_encoder: Path, tmp_path: Path, precision: str) -> None:
    write_encoder(toy_student, tmp_path, precision=precision, name="toy")
    assert read_encoder_folder(tmp_path).precision == precision
    vectors, expected = (SentenceEncoder(folder).embed(SENTENCES) for folder in (tmp_path, toy_encoder))
    assert (vectors * expected).sum(axis=1).min() > (0.9999 if precision == "float32" else 0.95)
    with pytest.raises(NmtDistillError, match=r"encoder exists; give --force"):
        write_encoder(toy_student, tmp_path, precision=precision, name="toy")


def test_commands_need_neither_torch_nor_transformers(toy_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("turn on the light\nstop music\n", encoding="utf-8")
    program = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'safetensors', 'sklearn'):\n    sys.modules[name] = None\n"
        "from nmt_distill.cli import main\n"
        "model = ['--model', sys.argv[1], '--threads', '1']\n"
        "assert main(['embed', *model, 'text', '--index', 'index']) == 0\n"
        "assert main(['search', 'index', 'stop music', *model, '--top', '1']) == 0\n"
        "assert main(['mine', 'text', 'text', *model, '--min-margin', '0']) == 0\n"
    )
    command = [sys.executable, "-c", program, str(toy_encoder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    index, hit, *pairs = result.stdout.splitlines()
    assert (index, hit.split("\t")[1:]) == ("index", ["2", "stop music"])
    assert sorted(pair.split("\t")[0] for pair in pairs) == ["stop music", "turn on the light"]
    assert "was never trained for sentence vectors" in result.stderr


def test_a_single_text_is_not_taken_for_its_letters(toy_encoder: Path) -> None:
    encoder = SentenceEncoder(toy_encoder, threads=1)
    for embed in (encoder.embed, encoder.pooled, lambda text: list(encoder.embed_lines(text))):
        with pytest.raises(TypeError, match=r"must be several texts, such as a list; for one write \[text\]"):
            embed("abc")
    missing: list[Any] = ["abc", float("nan")]  # as pandas has it
    with pytest.raises(TypeError, match=r"every sentence must be a str, but one is nan"):
        encoder.embed(missing)


@pytest.mark.parametrize("threads", [0, 257])
def test_threads_out_of_range_are_refused(toy_encoder: Path, threads: int) -> None:
    with pytest.raises(NmtDistillError, match=rf"`threads` must be from 1 to 256, but is {threads} instead"):
        SentenceEncoder(toy_encoder, threads=threads)


@pytest.mark.parametrize(
    "content", ['{"format": 1}', '{"format": 1, "name": "a", "precision": "b", "max_tokens": "c"}']
)
def test_damaged_description_of_an_encoder_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "encoder.json").write_text(content, encoding="utf-8")
    with pytest.raises(NmtDistillError, match=r"encoder\.json lacks what describes an encoder; export the model again"):
        read_encoder_folder(tmp_path)


def test_sentences_without_a_known_piece_are_counted(toy_encoder: Path) -> None:
    encoder = SentenceEncoder(toy_encoder, threads=1)
    encoder.embed(["Turn on the light", "\u200b", "\u200b\u200b", "light \u200b"])
    assert encoder.num_unread == 2
    assert [encoder.reads(text) for text in ("light \u200b", "\u200b \u200b")] == [True, False]
    assert [encoder._pieces.has_any(tokens) for tokens in (["\u2581", "<unk>"], ["<unk>", "a"])] == [False, True]
