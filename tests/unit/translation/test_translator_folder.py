from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_distill.errors import NmtDistillError
from nmt_distill.translation.engine import Pieces
from nmt_distill.translation.model_folder import verify_checksums, write_checksums
from nmt_distill.translation.translator import Translator

HEAVY = ("torch", "transformers", "rich", "sacrebleu", "yaml")


@pytest.mark.parametrize("setting", ["threads", "beam_size"])
def test_settings_that_cannot_be(toy_export: Path, setting: str) -> None:
    for value in (0, 100_000):
        message = rf"`{setting}` must be a whole number from 1 to 256, but is {value} instead"
        with pytest.raises(NmtDistillError, match=message):
            Translator(
                toy_export, threads=value if setting == "threads" else 1, beam_size=1 if setting == "threads" else value
            )


@pytest.fixture
def damaged(toy_export: Path, tmp_path: Path) -> Path:
    """A copy of the export that a test may damage."""
    return Path(shutil.copytree(toy_export, tmp_path / "model"))


@pytest.mark.parametrize("size", [0, 3, 100, 5000])
def test_a_truncated_model_is_told(damaged: Path, size: int) -> None:
    content = (damaged / "model.bin").read_bytes()
    (damaged / "model.bin").write_bytes(content[:size])
    with pytest.raises(NmtDistillError, match=r"model\.bin cannot be loaded \([^\n]+\); copy or export"):
        Translator(damaged, threads=1)


def test_a_model_without_its_last_byte_is_told(damaged: Path) -> None:
    content = (damaged / "model.bin").read_bytes()
    (damaged / "model.bin").write_bytes(content[:-1])
    with pytest.raises(NmtDistillError, match=r"model\.bin cannot be loaded"):
        Translator(damaged, threads=1)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 5000])
def test_a_damaged_sentencepiece_model_is_told(damaged: Path, content: bytes) -> None:
    (damaged / "joint.spm").write_bytes(content)
    with pytest.raises(NmtDistillError, match=r"joint\.spm is not a SentencePiece model, or damaged"):
        Translator(damaged, threads=1)


def test_a_vocabulary_of_another_model_is_told(damaged: Path) -> None:
    pieces = json.loads((damaged / "shared_vocabulary.json").read_text())
    (damaged / "shared_vocabulary.json").write_text(json.dumps([piece.upper() for piece in pieces]))
    with pytest.raises(NmtDistillError, match=r"joint\.spm does not belong to this model: \d+ of its pieces, such as"):
        Translator(damaged, threads=1)


def test_a_damaged_vocabulary_is_told(damaged: Path) -> None:
    (damaged / "shared_vocabulary.json").write_text("[")
    with pytest.raises(NmtDistillError, match=r"shared_vocabulary\.json is not valid JSON"):
        Translator(damaged, threads=1)


def test_a_tag_that_the_vocabulary_lacks_is_told(damaged: Path) -> None:
    content = json.loads((damaged / "languages.json").read_text())
    content["directions"][0]["tag"] = ">>pt-BR<<"
    (damaged / "languages.json").write_text(json.dumps(content))
    with pytest.raises(NmtDistillError, match=r"shared_vocabulary\.json lacks the language tag `>>pt-BR<<`"):
        Translator(damaged, threads=1)


def test_a_tag_that_text_could_make_is_told(damaged: Path, toy_sentences: list[str]) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(toy_sentences),
        model_prefix=str(damaged / "joint"),
        vocab_size=120,
        hard_vocab_limit=False,
        user_defined_symbols=[">>pt-BR<<"],
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    (damaged / "joint.model").rename(damaged / "joint.spm")
    pieces = [*Pieces(damaged / "joint.spm").names, "<pad>"]
    (damaged / "shared_vocabulary.json").write_text(json.dumps(pieces))
    content = json.loads((damaged / "languages.json").read_text())
    content["directions"][0]["tag"] = ">>pt-BR<<"
    (damaged / "languages.json").write_text(json.dumps(content))
    with pytest.raises(NmtDistillError, match=r"joint\.spm makes the special `>>pt-BR<<` out of text"):
        Translator(damaged, threads=1)


FILES = ("model.bin", "config.json", "shared_vocabulary.json", "languages.json", "joint.spm", "vmap.txt")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["flipped", "cut"])
def test_a_damaged_file_is_named(damaged: Path, name: str, harm: str) -> None:
    (damaged / "vmap.txt").write_text("\t</s> <unk> a\n")
    write_checksums(damaged)
    Translator(damaged, threads=1)
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(content if harm == "flipped" else content[:-1])
    with pytest.raises(NmtDistillError, match=rf"{name} (damaged or missing; copy or export|is not valid JSON)"):
        Translator(damaged, threads=1)


def test_a_damaged_list_of_checksums_is_told(damaged: Path) -> None:
    write_checksums(damaged)
    sums = (damaged / "checksums.json").read_text()
    for harm, message in (
        (sums[:-3], r"checksums\.json is not valid JSON"),
        (sums.replace("model.bin", "mopel.bin"), r"checksums\.json does not name model\.bin; copy or export the model"),
        (sums.translate({ord("1"): "2"}), r"model\.bin.* damaged or missing"),
    ):
        (damaged / "checksums.json").write_text(harm)
        with pytest.raises(NmtDistillError, match=message):
            Translator(damaged, threads=1)


def test_what_is_not_read_may_be_edited(damaged: Path) -> None:
    (damaged / "README.md").write_text("a card")
    write_checksums(damaged)
    (damaged / "README.md").write_text("a better card")
    Translator(damaged, threads=1)
    with pytest.raises(NmtDistillError, match=r"README\.md damaged or missing"):
        verify_checksums(damaged)


def test_an_unknown_language_is_told(toy_export: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"`de` is not a language of this model; choose one of: pt-BR\."):
        Translator(toy_export, threads=1).translate(["Stop"], target="de")


def test_nothing_heavy_is_imported(toy_export: Path) -> None:
    program = (
        "import sys; from nmt_distill import Translator; import nmt_distill.commands.translate; "
        f"Translator({str(toy_export)!r}, threads=1).translate(['Stop']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
