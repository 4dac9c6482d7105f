from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import MarianMTModel

from nmt_distill.errors import NmtDistillError
from nmt_distill.languages import Direction
from nmt_distill.teacher.base import Hypothesis, Sampling, Teacher, TeacherOutput, WhiteBoxTeacher
from nmt_distill.teacher.ctranslate2.folder import converted
from nmt_distill.teacher.ctranslate2.search import CTranslate2Search
from nmt_distill.teacher.ctranslate2.teacher import CTranslate2Teacher, agreement
from nmt_distill.teacher.transformers.checkpoint import load_tokenizer, quiet
from nmt_distill.teacher.transformers.hub import find_model
from nmt_distill.teacher.transformers.teacher import TransformersTeacher
from nmt_distill.teacher.transformers.tokenization import vocabulary_of

FAMILIES = ["nllb", "m2m100", "small100", "mbart50", "marian", "marian_tagged", "t5", "mt5", "madlad400"]
NOTHING_FOUND_OUT = {"small100": "small100", "t5": "t5"}
"""families that the names of pieces do not tell"""
TIE = 1e-4
"""scores and probabilities that are closer are the same but for rounding"""
FACTS: dict[str, Any] = {"origin": "drawn by a test", "licence": "none"}
EN_DE = Direction(source="en", target="de")


def load(folder: Path, **settings: Any) -> TransformersTeacher:
    prefix = "Turn the " if folder.name == "mt5" else None
    settings = {"direction": EN_DE, "prefix": prefix, "max_length_factor": 1.0} | FACTS | settings
    return TransformersTeacher(str(folder), **settings)


def convert(teacher: TransformersTeacher, folder: Path, cache: Path) -> Path:
    found = converted(
        folder,
        cache,
        hashes=[str(folder)],
        start_id=teacher.graph.forced_ids[0],
        end_id=teacher.end_id,
    )
    assert found is not None
    return found


class ConvertedTeacher(TransformersTeacher):
    """A teacher that lets CTranslate2 search."""

    engine_folder: Path

    def translate(
        self, sentences: Sequence[str], *, num_candidates: int = 1, beam_size: int = 1, sampling: Sampling | None = None
    ) -> list[list[Hypothesis]]:
        sources = [[*self.room.source_prefix, *ids] for ids in self.encode(sentences)]
        results = CTranslate2Search(self.engine_folder).search(
            sources, limits=[30] * len(sources), target_prefix=self.graph.forced_ids[1:]
        )
        return [[self._hypothesis(found) for found in candidates] for candidates in results]


@pytest.fixture(scope="module", params=FAMILIES)
def original(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> tuple[TransformersTeacher, Path]:
    """A teacher of each family, and its folder."""
    folder = checkpoints[request.param]
    return load(folder), folder


def named(teacher: TransformersTeacher, folder: Path, copy: Path) -> Path:
    """Convert a model with the names of its own tokenizer, as CTranslate2's program does."""
    shutil.copytree(convert(teacher, folder, copy.parent / "cache"), copy)
    with quiet():
        tokenizer = load_tokenizer(find_model(str(folder)), teacher.family.load_with)
    tokens = {index: token for token, index in vocabulary_of(tokenizer).items()}
    numbers = json.loads((copy / "shared_vocabulary.json").read_text())
    tokens[teacher.graph.pad_id] = "<pad>"  # MADLAD's is called <s>; a trained model would not predict it
    names = [tokens.get(index, f"unnamed {index}") for index in range(len(numbers))]
    (copy / "shared_vocabulary.json").write_text(json.dumps(names))
    config = json.loads((copy / "config.json").read_text())
    specials = ("bos_token", "eos_token", "decoder_start_token")
    config |= {key: names[numbers.index(config[key])] for key in specials if config[key] in numbers}
    config["unk_token"] = str(tokenizer.unk_token)
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def fast(copy: Path, folder: Path, **settings: Any) -> CTranslate2Teacher:
    source, target = (next(folder.glob(names)) for names in ("s*.*m*", "[ts][aep][rni]*.*m*"))
    if folder.name == "marian":
        settings |= {"target_vocabulary": target}
    if folder.name == "mt5":
        settings |= {"prefix": "Turn the "}
    family = NOTHING_FOUND_OUT.get(folder.name)
    settings = {"direction": EN_DE, "family": family, "threads": 1, "max_length_factor": 1.0} | FACTS | settings
    return CTranslate2Teacher(copy, source, **settings)


def test_a_converted_copy_is_the_same_model(
    original: tuple[TransformersTeacher, Path], tmp_path: Path, toy_sentences: list[str]
) -> None:
    teacher, folder = original
    engine = CTranslate2Search(convert(teacher, folder, tmp_path), threads=1)
    sources = teacher.encode(toy_sentences[:40])
    with_tags = [[*teacher.room.source_prefix, *ids] for ids in sources]
    found = engine.search(with_tags, limits=[12] * 40, target_prefix=teacher.graph.forced_ids[1:])
    output = teacher.teacher_output(sources, [candidates[0][0] for candidates in found], num_kept=2)
    first = 0
    for [(ids, score)] in found:
        rows = slice(first, first + len(ids))
        first = rows.stop
        chosen = output.token_ids[rows] == np.array(ids)[:, None]
        probs = np.where(chosen[:, 0], output.probs[rows, 0], output.probs[rows, 1])
        assert (chosen[:, 0] | chosen[:, 1] & (output.probs[rows, 0] - probs < TIE)).all()
        assert score == pytest.approx(float(np.log(probs).mean()), abs=TIE)


def test_a_folder_and_its_pieces_translate_as_the_original(
    original: tuple[TransformersTeacher, Path], tmp_path: Path, toy_sentences: list[str]
) -> None:
    teacher, folder = original
    copy = fast(named(teacher, folder, tmp_path / "copy"), folder)
    sentences = [*toy_sentences[:30], "</s> __de__ deu_Latn <2pt> Ωmega"]
    assert copy.encode(["", *sentences]) == teacher.encode(["", *sentences])
    assert copy.max_source_tokens == teacher.max_source_tokens
    expected = teacher.translate(sentences)
    for [ours], [theirs] in zip(copy.translate(sentences), expected, strict=True):
        assert ours.token_ids.tolist() == theirs.token_ids.tolist()
        assert ours.text.strip() == theirs.text.strip()
        assert ours.finished == theirs.finished


@pytest.fixture(scope="module")
def marian(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A Marian model, and its CTranslate2 folder with names."""
    copy = tmp_path_factory.mktemp("marian") / "copy"
    return checkpoints["marian"], named(load(checkpoints["marian"]), checkpoints["marian"], copy)


@pytest.fixture(scope="module")
def teacher(marian: tuple[Path, Path]) -> CTranslate2Teacher:
    return fast(marian[1], marian[0])


def test_it_is_a_teacher_of_translations_alone(teacher: CTranslate2Teacher) -> None:
    told: Teacher = teacher
    assert told.engine.startswith("CTranslate2 ")
    assert told.engine.endswith(" in float32")
    assert "padded source tokens" in told.batch_rule
    assert told.num_parameters is not None
    assert told.num_parameters > len(teacher._search.model.target_names) * 16
    assert not isinstance(teacher, WhiteBoxTeacher)
    told.close()
    assert teacher.translate(["Stop"])[0]


def test_candidates_and_samples(teacher: CTranslate2Teacher, toy_sentences: list[str]) -> None:
    for candidates in teacher.translate(toy_sentences[:10], num_candidates=3, beam_size=4):
        assert len(candidates) == 3
        assert all(hypothesis.finished == (hypothesis.token_ids[-1] == 0) for hypothesis in candidates)
    drawn = teacher.translate(toy_sentences[:10], num_candidates=2, sampling=Sampling(seed=3))
    texts = [[hypothesis.text for hypothesis in candidates] for candidates in drawn]
    again = teacher.translate(toy_sentences[:10], num_candidates=2, sampling=Sampling(seed=3))
    assert texts == [[hypothesis.text for hypothesis in candidates] for candidates in again]


def test_what_is_cut_is_not_finished(marian: tuple[Path, Path], tmp_path: Path, toy_sentences: list[str]) -> None:
    model = MarianMTModel.from_pretrained(marian[0])
    model.final_logits_bias[0, 0] = -1e4
    model.save_pretrained(shutil.copytree(marian[0], tmp_path / "marian"))
    endless = load(tmp_path / "marian")
    copy = fast(named(endless, tmp_path / "marian", tmp_path / "copy"), tmp_path / "marian", max_length_factor=1.5)
    limits = [max(16, round(1.5 * len(ids))) for ids in copy.encode(toy_sentences[:10])]
    for [hypothesis], limit in zip(copy.translate(toy_sentences[:10]), limits, strict=True):
        assert not hypothesis.finished
        assert len(hypothesis.token_ids) == limit


def test_fingerprints_tell_settings_apart(marian: tuple[Path, Path], teacher: CTranslate2Teacher) -> None:
    assert fast(marian[1], marian[0], threads=2, batch_tokens=77).fingerprint == teacher.fingerprint
    for settings in ({"max_length_factor": 2.0}, {"ends_source": False}, {"prefix": "Stop "}, {"length_penalty": 0.5}):
        assert fast(marian[1], marian[0], **settings).fingerprint != teacher.fingerprint


def test_the_end_of_a_source_is_put_once(
    marian: tuple[Path, Path], teacher: CTranslate2Teacher, tmp_path: Path
) -> None:
    [ids] = teacher.encode(["Stop"])
    assert ids[-1] == 0
    assert fast(marian[1], marian[0], ends_source=False).encode(["Stop"]) == [ids[:-1]]
    copy = Path(shutil.copytree(marian[1], tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text()) | {"add_source_eos": True}
    (copy / "config.json").write_text(json.dumps(config))
    ending = fast(copy, marian[0])
    assert ending.encode(["Stop"]) == [ids[:-1]]
    assert ending.translate(["Stop"])[0][0].text == teacher.translate(["Stop"])[0][0].text


def test_a_source_that_is_too_long_is_refused(teacher: CTranslate2Teacher) -> None:
    with pytest.raises(NmtDistillError, match=r"sentence 2 of 2 has .* positions; lower distillation\.max_source"):
        teacher.translate(["Stop", "Turn on the light in the kitchen " * 20])


def test_what_does_not_belong_together_is_refused(
    checkpoints: dict[str, Path], marian: tuple[Path, Path], toy_export: Path, tmp_path: Path
) -> None:
    with pytest.raises(NmtDistillError, match=r"joint\.spm and .*copy do not belong together: of \d+ pieces"):
        CTranslate2Teacher(marian[1], toy_export / "joint.spm", direction=EN_DE, **FACTS)
    with pytest.raises(NmtDistillError, match="is not a SentencePiece model"):
        CTranslate2Teacher(marian[1], marian[1] / "model.bin", direction=EN_DE, **FACTS)
    with pytest.raises(NmtDistillError, match=r"teacher\.family must be one of nllb, .*, but is opus"):
        fast(marian[1], marian[0], family="opus")
    copy = named(load(checkpoints["nllb"]), checkpoints["nllb"], tmp_path / "copy")
    with pytest.raises(NmtDistillError, match="`tlh` is not a language"):
        fast(copy, checkpoints["nllb"], direction=Direction(source="en", target="tlh"))


def test_an_export_of_ours_is_a_teacher(toy_export: Path) -> None:
    teacher = CTranslate2Teacher(toy_export, toy_export / "joint.spm", direction=EN_DE, **FACTS)
    [[hypothesis]] = teacher.translate(["Turn on the light"])
    assert hypothesis.text
    assert not hypothesis.finished


def test_agreement_tells_another_model(checkpoints: dict[str, Path], tmp_path: Path, toy_sentences: list[str]) -> None:
    folder = Path(shutil.copytree(checkpoints["marian"], tmp_path / "marian"))
    model = MarianMTModel.from_pretrained(folder)
    model.final_logits_bias.zero_()
    model.final_logits_bias[0, 0] = 1e3  # every translation is empty, and its score 0
    model.save_pretrained(folder)
    teacher = ConvertedTeacher(str(folder), direction=EN_DE, **FACTS)
    teacher.engine_folder = convert(teacher, folder, tmp_path)
    assert agreement(teacher, toy_sentences[:10]) == 1
    assert teacher.graph._bias is not None
    teacher.graph._bias[0, 0] = -1e3
    assert agreement(teacher, toy_sentences[:10]) == 0


@pytest.mark.parametrize(("score", "share"), [(-1.0, 1.0), (-1.04, 1.0), (-1.1, 0.0), (-0.9, 0.0)])
def test_agreement_reads_scores(score: float, share: float) -> None:
    class Reader:
        """Reads one sentence and its translation of two tokens, as any white-box teacher would."""

        def encode(self, sentences: Sequence[str]) -> list[list[int]]:
            return [[3, 0] for _ in sentences]

        def translate(self, sentences: Sequence[str]) -> list[list[Hypothesis]]:
            return [[Hypothesis("text", score, np.array([4, 0]))] for _ in sentences]

        def teacher_output(self, *_: Any, **__: Any) -> TeacherOutput:
            probs = np.exp(np.array([[-0.5], [-1.5]], dtype=np.float32))
            return TeacherOutput(np.array([[4], [0]]), probs, 1 - probs[:, 0], None)

    teacher: Any = Reader()
    assert agreement(teacher, ["one"]) == share
