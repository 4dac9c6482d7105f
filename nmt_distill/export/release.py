"""The export stage: one folder a precision, with card, checksums and the result of the parity check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt_distill.export.ctranslate2_converter import convert_student
from nmt_distill.export.model_card import CardFacts, Origin, model_card
from nmt_distill.export.parity import Parity, measure_parity
from nmt_distill.files import atomic_file
from nmt_distill.languages import Direction
from nmt_distill.model_folder import write_checksums
from nmt_distill.progress import say
from nmt_distill.student.checkpoint import load_student
from nmt_distill.student.graph import count_parameters

CARD_NAME = "README.md"


def export_student(
    student_folder: Path,
    folder: Path,
    *,
    precisions: tuple[str, ...],
    beam_size: int,
    tags: Mapping[Direction, str | None],
    name: str,
    teachers: Sequence[Origin],
    corpus: dict[str, Any],
    parity_sentences: Mapping[Direction, Sequence[str]],
    force: bool = False,
) -> dict[str, Any]:
    """Convert a student to each precision and check the float32 one.

    :param folder: gets a folder for each precision
    :param tags: the directions, and the piece that is put before the source
    :param parity_sentences: held-out sentences of each direction for the check
    :param force: whether folders that stand may be replaced
    :returns: ``num_parameters`` and ``parity`` (None without a float32 export)
    """
    student = load_student(student_folder)
    config = student.config
    num_parameters = count_parameters(student)
    shape = (
        f"{config.model_type} graph, {config.encoder_layers}-{config.decoder_layers} layers, width {config.d_model}, "
        f"feed-forward {config.encoder_ffn_dim}, {config.vocab_size:,} pieces in one table"
    )
    parity: Parity | None = None
    for precision in sorted(precisions):  # float32 first: its parity stands in every card
        convert_student(
            student_folder,
            folder / precision,
            precision=precision,
            tags=tags,
            name=name,
            beam_size=beam_size,
            force=force,
        )
        if precision == "float32":
            limit = min(256, config.max_position_embeddings)
            tagged: dict[str | None, list[str]] = {}
            for direction, sentences in parity_sentences.items():
                tagged.setdefault(tags[direction], []).extend(sentences)
            parity = measure_parity(student_folder, folder / precision, tagged, max_tokens=limit)
            say(f"parity: {parity.num_equal} of {parity.num_sentences} greedy outputs have the same ids")
        facts = CardFacts(
            name=name,
            directions=tuple(tags),
            precision=precision,
            num_parameters=num_parameters,
            shape=shape,
            teachers=tuple(dict.fromkeys(teachers)),
            corpus=corpus,
            parity=parity,
        )
        with atomic_file(folder / precision / CARD_NAME) as stream:
            stream.write(model_card(facts))
        write_checksums(folder / precision)
    return {
        "num_parameters": num_parameters,
        "parity": None
        if parity is None
        else {
            "num_sentences": parity.num_sentences,
            "num_equal": parity.num_equal,
            "differences": list(parity.differences),
        },
    }
