"""The export stage: one folder a precision, with card, checksums and what it is worth beside the student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_distill.export.config import ExportConfig
from nmt_distill.export.ctranslate2_converter import computed_in, convert_student
from nmt_distill.export.encoder_folder import write_encoder
from nmt_distill.export.fairseq2_checkpoint import write_fairseq2
from nmt_distill.export.half_precision import write_half_precision
from nmt_distill.export.map_trial import try_vocabulary_map
from nmt_distill.export.model_card import CardFacts, Origin, encoder_card, licence_notice, model_card
from nmt_distill.export.onnx import load_onnx, write_onnx
from nmt_distill.export.parity import HeldOut, StudentAnswers
from nmt_distill.export.precision_result import PrecisionResult
from nmt_distill.export.sentence_transformers_folder import SENTENCE_TRANSFORMERS, write_sentence_transformers
from nmt_distill.export.vocabulary_map import PieceLinks, learn_links, write_vocabulary_map
from nmt_distill.files import atomic_file, size_of
from nmt_distill.languages import Direction
from nmt_distill.progress import say
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import count_parameters
from nmt_distill.translation.model_folder import CARD_FILE, LICENCE_FILE, VOCABULARY_MAP_FILE, write_checksums
from nmt_distill.translation.translator import Translator
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece

BEAM_SIZE = 4
"""of the beam search that is compared where the recipe's own is greedy"""


@dataclass(frozen=True, kw_only=True)
class Text:
    """What an export is made and judged with, of one direction."""

    held_out: tuple[Sequence[str], Sequence[str]]
    """sources and human translations that training has not seen"""
    distilled: tuple[Path, Path]
    """files of sources and of their labels, which training has seen"""


def export_student(
    student_folder: Path,
    folder: Path,
    *,
    config: ExportConfig,
    tags: Mapping[Direction, str | None],
    name: str,
    teachers: Sequence[Origin],
    corpus: dict[str, Any],
    texts: Mapping[Direction, Text],
    making: Sequence[str] = (),
    vectors_of: Origin | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Convert a student to each precision and format, and compare what comes out with the student.

    :param folder: gets a folder for each precision, and for each other format
    :param tags: the directions, and the piece that is put before the source
    :param texts: of each direction
    :param making: how the student was made, a sentence each, for the card
    :param vectors_of: the model whose sentence vectors it has learned; its encoder is then written too
    :param force: whether folders that stand may be replaced
    :returns: ``num_parameters``, ``parity`` (greedy ids in float32, None without it), ``precisions`` with the result of
        each, ``formats``
    """
    held_out = [
        HeldOut(direction=direction, tag=tags[direction], sources=text.held_out[0], references=text.held_out[1])
        for direction, text in texts.items()
    ]
    answers = StudentAnswers(student_folder, held_out)
    links = None
    if config.vocabulary_map is not None:
        pairs = [(tags[direction], *text.distilled) for direction, text in texts.items()]
        links = learn_links(student_folder, pairs, num_pairs=config.vocabulary_map.num_pairs)
    results: dict[str, PrecisionResult] = {}
    for precision in config.ordered_precisions:
        convert_student(
            student_folder,
            folder / precision,
            precision=precision,
            tags=tags,
            name=name,
            beam_size=config.beam_size,
            force=force,
        )
        if config.encoder or vectors_of is not None:
            write_encoder(student_folder, folder / precision, precision=precision, name=name)
        results[precision] = _check(precision, folder / precision, answers, config, links)
        say(results[precision].in_words())
    card = _card_facts(student_folder, name, tags, teachers, corpus, making, vectors_of)
    if vectors_of is not None:
        write_sentence_transformers(student_folder, folder / SENTENCE_TRANSFORMERS, force=force)
        _document(folder / SENTENCE_TRANSFORMERS, encoder_card(card), card)
    for done, result in results.items():
        _document(folder / done, model_card(card, result, float32=results.get("float32")), card)
    parity = results["float32"].greedy if "float32" in results else None
    return {
        "num_parameters": card.num_parameters,
        "parity": None if parity is None else parity.content(),
        "precisions": {precision: result.content() for precision, result in results.items()},
        "formats": {kind: _write_format(kind, student_folder, folder / kind, answers, name) for kind in config.formats},
    }


def _document(folder: Path, card: str, facts: CardFacts) -> None:
    """Put card, licence and checksums into a folder that is whole otherwise."""
    for name, text in ((CARD_FILE, card), (LICENCE_FILE, licence_notice(facts))):
        with atomic_file(folder / name) as stream:
            stream.write(text)
    write_checksums(folder)


def _check(
    precision: str, folder: Path, answers: StudentAnswers, config: ExportConfig, links: PieceLinks | None
) -> PrecisionResult:
    greedy = answers.compare(folder)
    beam = answers.compare(folder, beam_size=config.beam_size if config.beam_size > 1 else BEAM_SIZE)
    drops = tuple(answers.drops(Translator(folder)))
    trial = None
    if links is not None and config.vocabulary_map is not None:
        processor = load_sentencepiece(next(folder.glob("*.spm")))
        write_vocabulary_map(folder / VOCABULARY_MAP_FILE, links, processor, config.vocabulary_map)
        trial = try_vocabulary_map(folder, answers, max_drop=config.max_drop)
        drops = tuple(answers.drops(Translator(folder))) if trial.kept else drops
    return PrecisionResult(
        precision=precision,
        computed_in=computed_in(folder),
        num_bytes=size_of(folder),
        greedy=greedy,
        beam=beam,
        drops=drops,
        vocabulary_map=trial,
    )


def _card_facts(
    student_folder: Path,
    name: str,
    tags: Mapping[Direction, str | None],
    teachers: Sequence[Origin],
    corpus: dict[str, Any],
    making: Sequence[str],
    vectors_of: Origin | None,
) -> CardFacts:
    student = load_student(student_folder)
    config = student.config
    return CardFacts(
        name=name,
        directions=tuple(tags),
        num_parameters=count_parameters(student),
        shape=(
            f"{config.model_type} graph, {config.encoder_layers}-{config.decoder_layers} layers, width "
            f"{config.d_model}, feed-forward {config.encoder_ffn_dim}, {config.vocab_size:,} pieces in one table"
        ),
        teachers=tuple(dict.fromkeys(teachers)),
        corpus=corpus,
        making=tuple(making),
        vectors_of=vectors_of,
    )


def _write_format(kind: str, student_folder: Path, folder: Path, answers: StudentAnswers, name: str) -> dict[str, Any]:
    if kind == "fairseq2":
        write_fairseq2(student_folder, folder, name=name)
        return {"num_bytes": size_of(folder)}
    if kind == "transformers":
        write_half_precision(student_folder, folder)
        model, where = load_student(folder).float(), "transformers, from float16"
    else:
        write_onnx(student_folder, folder)
        model, where = load_onnx(folder), "onnxruntime"
    parity = answers.compare_model(model)
    say(f"{kind}: {parity.num_equal} of {parity.num_sentences} sentences have the student's ids in {where}")
    return {"num_bytes": size_of(folder), "parity": parity.content()}
