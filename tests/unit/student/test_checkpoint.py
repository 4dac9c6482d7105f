from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5Config, T5ForConditionalGeneration

from nmt_distill.errors import NmtDistillError
from nmt_distill.student.checkpoint import load_student, save_student, special_ids
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import StudentModel, build_student

SHAPE = {"model_dim": 16, "ffn_inner_dim": 24, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1}


@pytest.fixture(params=["marian", "nllb"])
def vocabulary(request: pytest.FixtureRequest, toy_sentencepiece: Path, padded_sentencepiece: Path) -> tuple[str, Path]:
    """A graph and the SentencePiece model that suits it."""
    return request.param, toy_sentencepiece if request.param == "marian" else padded_sentencepiece


@pytest.fixture
def student(vocabulary: tuple[str, Path]) -> StudentModel:
    graph, path = vocabulary
    return build_student(
        StudentConfig(graph=graph, max_positions=48, **SHAPE),  # type: ignore[arg-type]
        special_ids(path),
    ).eval()


def test_folder_loads_with_transformers_alone(
    vocabulary: tuple[str, Path], student: StudentModel, tmp_path: Path, toy_sentences: list[str]
) -> None:
    save_student(student, vocabulary[1], tmp_path / "student")
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    assert type(model) is type(student)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary[1]))
    for sentence in toy_sentences[:20]:
        assert tokenizer(sentence).input_ids == [*processor.encode(sentence), 0]
    batch = tokenizer(toy_sentences[:4], return_tensors="pt", padding=True)
    assert batch.input_ids.max() < student.config.vocab_size
    start = torch.tensor([[student.config.decoder_start_token_id, 7, 8]] * 4)
    one, other = (
        network(input_ids=batch.input_ids, attention_mask=batch.attention_mask, decoder_input_ids=start).logits
        for network in (student, model)
    )
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    generated = [network.generate(**batch, max_new_tokens=8, max_length=None) for network in (student, model)]
    assert torch.equal(*generated)


def test_what_is_saved_is_loaded_bit_by_bit(
    vocabulary: tuple[str, Path], student: StudentModel, tmp_path: Path
) -> None:
    save_student(student, vocabulary[1], tmp_path / "student")
    loaded = load_student(tmp_path / "student")
    assert not loaded.training
    for name, value in student.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert loaded.model.encoder.embed_tokens.weight.data_ptr() == loaded.lm_head.weight.data_ptr()
    config = loaded.config
    assert (config.max_position_embeddings, config.tie_word_embeddings, config.scale_embedding) == (48, True, True)


def test_vocabulary_has_every_piece_at_its_id(
    vocabulary: tuple[str, Path], student: StudentModel, tmp_path: Path
) -> None:
    save_student(student, vocabulary[1], tmp_path / "student")
    pieces = json.loads((tmp_path / "student" / "vocab.json").read_text(encoding="utf-8"))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary[1]))
    assert pieces == {processor.id_to_piece(token): token for token in range(processor.vocab_size())} | {
        "<pad>": student.config.pad_token_id
    }
    for name in ("source.spm", "target.spm"):
        assert (tmp_path / "student" / name).read_bytes() == vocabulary[1].read_bytes()
    assert not [path for path in (tmp_path / "student").iterdir() if path.suffix in (".bin", ".pt")]


def test_same_student_gives_the_same_bytes(vocabulary: tuple[str, Path], student: StudentModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_student(student, vocabulary[1], tmp_path / name)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_saving_replaces_the_old_folder_and_leaves_no_trace(
    vocabulary: tuple[str, Path], student: StudentModel, tmp_path: Path
) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "old.txt").write_text("old")
    save_student(student, vocabulary[1], tmp_path / "student")
    assert not (tmp_path / "student" / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


def test_folder_without_student(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"holds no student \(no config\.json\)"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("config.json", b"{", r"student cannot be loaded as a student \(.*\); name the folder `student` of a run"),
        ("config.json", b"{}", r"cannot be loaded as a student \(Unrecognized model"),
        ("config.json", b'{"model_type": "bert"}', r"cannot be loaded as a student \("),
        ("model.safetensors", b"no weights", r"cannot be loaded as a student \("),
        ("model.safetensors", None, r"cannot be loaded as a student \(.*no file named model\.safetensors"),
    ],
)
def test_damaged_folder_is_told_in_one_line(
    toy_student: Path, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    folder = Path(shutil.copytree(toy_student, tmp_path / "student"))
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(NmtDistillError, match=told) as raised:
        load_student(folder)
    assert "\n" not in str(raised.value)


def test_another_model_is_no_student(tmp_path: Path) -> None:
    config = T5Config(vocab_size=8, d_model=4, d_kv=2, d_ff=4, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(NmtDistillError, match=r"holds no student, but a T5ForConditionalGeneration; name one of a run"):
        load_student(tmp_path)
