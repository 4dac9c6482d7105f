from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt_distill.errors import NmtDistillError
from nmt_distill.export.config import VocabularyMapConfig
from nmt_distill.export.map_trial import MapTrial
from nmt_distill.export.vocabulary_map import PieceLinks, learn_links, map_lines, write_vocabulary_map
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece


def test_links_are_counted() -> None:
    links = PieceLinks(10)
    links.add(np.array([1, 1, 1, 2, 1]), np.array([5, 6, 5, 5, 7]))
    links.add(np.array([1, 3]), np.array([7, 5]))
    assert links.best(2) == {1: [5, 7], 2: [5], 3: [5]}
    assert links.best(9) == {1: [5, 7, 6], 2: [5], 3: [5]}
    assert links.best(2, left_out={5}) == {1: [7, 6], 2: [], 3: []}
    assert PieceLinks(10).best(3) == {}


def test_map_always_holds_what_copying_needs(toy_sentencepiece: Path) -> None:
    processor = load_sentencepiece(toy_sentencepiece)
    links = PieceLinks(processor.vocab_size())
    light, door = processor.piece_to_id("▁light"), processor.piece_to_id("▁door")
    links.add(np.array([light, light]), np.array([door, door]))
    config = VocabularyMapConfig(num_candidates=5, num_frequent=0)
    (source, always), *rest = map_lines(links, processor, config)
    assert source == ""
    assert {"</s>", "<unk>", "<0x41>", ".", "▁", "a", "▁a"} - {*always} <= {"▁a"}
    assert not any(len(piece.strip("▁")) > 1 and piece.strip("▁").isalpha() for piece in always)
    lines = dict(rest)
    assert lines["▁light"] == ["▁light", *(["light"] if "light" in lines else []), "▁door"]
    assert lines["▁door"][0] == "▁door", "a piece may always be copied"
    multiple = [piece for piece in map(processor.id_to_piece, range(processor.vocab_size())) if piece not in always]
    assert set(multiple) == set(lines), "what is not always tried can be copied from a source"
    assert all(" " not in piece and "\t" not in piece for pieces in (always, *lines.values()) for piece in pieces)
    links.frequencies[door] = 3
    frequent = VocabularyMapConfig(num_candidates=5, num_frequent=1)
    assert "▁door" in next(iter(map_lines(links, processor, frequent)))[1]


def test_ctranslate2_tries_only_what_the_map_names(toy_export: Path, tmp_path: Path, toy_sentences: list[str]) -> None:
    """A map that allows one letter for all, and a word for "light"."""
    folder = Path(shutil.copytree(toy_export, tmp_path / "float32"))
    (folder / "vmap.txt").write_text("\t</s> <unk> a\n▁light\tb\n", encoding="utf-8")
    found = Translator(folder).translate(["the door", "light"])
    assert set(found[0]) <= set("ab ")
    assert set("".join(found)) <= set("ab ")
    free = Translator(folder, vocabulary_map=False).translate(["the door", "light"])
    assert free == Translator(toy_export).translate(["the door", "light"])
    assert free != found


def write_pairs(folder: Path, *pairs: tuple[str, str]) -> tuple[Path, Path]:
    for name, side in (("source", 0), ("target", 1)):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return folder / "source", folder / "target"


def test_student_tells_what_it_reads_while_it_writes(toy_student: Path, tmp_path: Path) -> None:
    processor = load_sentencepiece(toy_student / "source.spm")
    texts = write_pairs(tmp_path, *[("open the door", "turn on")] * 3, ("stop", "play"))
    links = learn_links(toy_student, [(None, *texts)], num_pairs=2)
    sources, targets = processor.encode("open the door"), processor.encode("turn on")
    best = links.best(1000)
    assert not {processor.eos_id(), processor.unk_id()} & set(best), "`</s>` and padding are never read"
    read = {target for source in sources for target in best[source]}
    assert set(targets) <= read, "what stands there may follow"
    expected = np.zeros(processor.vocab_size(), dtype=int)
    np.add.at(expected, [*targets * 3, *processor.encode("play")], 1)
    assert links.frequencies.tolist() == expected.tolist(), "of all labels"


def test_links_are_those_of_transformers(toy_student: Path, tmp_path: Path) -> None:
    """By hand: one sentence, of which the two places with the largest weights count, and every word's piece alone."""
    from nmt_distill.student.checkpoint import load_student

    processor = load_sentencepiece(toy_student / "source.spm")
    source, target = processor.encode("close the window"), processor.encode("play music")
    student = load_student(toy_student)
    student.set_attn_implementation("eager")
    with torch.inference_mode():
        read = student(
            input_ids=torch.tensor([[*source, 0]]),
            decoder_input_ids=torch.tensor([[student.config.decoder_start_token_id, *target[:-1]]]),
            output_attentions=True,
        )
    weights = torch.stack(read.cross_attentions).mean(dim=(0, 2))[0, :, :-1]
    expected = {
        (source[place], piece)
        for row, logits, label in zip(weights, read.logits[0, :, :-1], target, strict=True)
        for place in row.argsort(descending=True)[:2].tolist()
        for piece in [label, *logits.argsort(descending=True)[:8].tolist()]
    }
    words = [
        index
        for index in range(processor.vocab_size())
        if not processor.is_byte(index) and len(processor.id_to_piece(index).lstrip("▁")) > 1 and index > 1
    ]
    with torch.inference_mode():
        first = student(
            input_ids=torch.tensor([[index, 0] for index in words]),
            decoder_input_ids=torch.full((len(words), 1), student.config.decoder_start_token_id),
        ).logits[:, 0, :-1]
    for index, row in zip(words, first.argsort(dim=1, descending=True)[:, :8].tolist(), strict=True):
        expected |= {(index, index), *((index, piece) for piece in row)}
    links = learn_links(toy_student, [(None, *write_pairs(tmp_path, ("close the window", "play music")))], num_pairs=1)
    assert {(one, other) for one, found in links.best(1000).items() for other in found} == expected


def test_source_of_one_piece_has_no_second(toy_student: Path, tmp_path: Path) -> None:
    processor = load_sentencepiece(toy_student / "source.spm")
    assert len(processor.encode("light")) == 1
    links = learn_links(toy_student, [(None, *write_pairs(tmp_path, ("light", "play music")))], num_pairs=1)
    assert {*processor.encode("play music")} <= {*links.best(1000)[processor.encode("light")[0]]}
    assert processor.pad_id() not in links.best(1000)
    assert processor.eos_id() not in links.best(1000)


def test_pairs_are_taken_from_the_whole_corpus(toy_student: Path, tmp_path: Path) -> None:
    light = load_sentencepiece(toy_student / "source.spm").encode("light")[0]
    pairs = [("stop", "turn on")] * 5
    without, with_fourth = (
        learn_links(toy_student, [(None, *write_pairs(tmp_path, *pairs[:3], fourth, pairs[4]))], num_pairs=3)
        for fourth in (pairs[3], ("light", "play music"))
    )
    assert without.best(1000)[light] != with_fourth.best(1000)[light]  # the first, second and fourth of five are read


def test_no_text_no_map(toy_student: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NmtDistillError, match=r"empty is empty, so no vocabulary map can be learned; leave"):
        learn_links(toy_student, [(None, tmp_path / "empty", tmp_path / "empty")], num_pairs=5)


def test_map_is_a_line_a_source(toy_sentencepiece: Path, tmp_path: Path) -> None:
    processor = load_sentencepiece(toy_sentencepiece)
    links = PieceLinks(processor.vocab_size())
    write_vocabulary_map(tmp_path / "vmap.txt", links, processor, VocabularyMapConfig())
    lines = (tmp_path / "vmap.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("\t")
    assert all(line.count("\t") == 1 for line in lines)


def test_trial_says_what_became_of_the_map() -> None:
    trial = MapTrial(speedup=1.2, num_changed=3, num_sentences=20, max_drop=0.1, kept=True)
    assert trial.in_words() == "with a vocabulary map 1.20 times as fast, 3 of 20 translations changed: kept"
