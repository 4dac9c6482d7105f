"""A student of the nllb graph as a checkpoint that fairseq2's NLLB loads; fairseq2 is not needed to write it.

fairseq2's first ids are (``<pad>``, ``<unk>``, ``<s>``, ``</s>``), whose SentencePiece model lacks the first: an id
there is the place of its piece plus 1. A student has no ``<s>``, so a row of zeros is put in. Tags such as ``>>de<<``
are pieces like others, which come before the source; ``</s>`` starts the decoder.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from nmt_distill.configuration import write_yaml
from nmt_distill.errors import NmtDistillError
from nmt_distill.files import atomic_folder
from nmt_distill.student.checkpoint import load_student
from nmt_distill.teacher.fairseq2.folder import CARD, WEIGHTS, NllbSizes
from nmt_distill.teacher.fairseq2.interop import TRANSFORMERS_TABLE, to_fairseq2
from nmt_distill.vocabulary.sentencepiece_model import load_sentencepiece
from nmt_distill.vocabulary.trimming import trim_sentencepiece

SENTENCEPIECE = "sentencepiece.model"
START = "<s>"


def write_fairseq2(student_folder: Path, folder: Path, *, name: str) -> None:
    """Write a folder with weights, asset card and SentencePiece model.

    :param name: of the asset
    :raises NmtDistillError: if the student is of another graph
    """
    from safetensors.torch import save_file

    student = load_student(student_folder)
    config = student.config
    if config.model_type != "m2m_100":
        raise NmtDistillError(
            f"{student_folder} is of the {config.model_type} graph, but fairseq2 has that of NLLB alone; train one "
            "with student.graph=nllb."
        )
    rows = fairseq2_rows(student_folder)
    weights = {key: tensor for key, tensor in student.state_dict().items() if key != "lm_head.weight"}
    weights = {key: tensor for key, tensor in weights.items() if not key.endswith("embed_tokens.weight")}
    table = weights[TRANSFORMERS_TABLE]
    weights[TRANSFORMERS_TABLE] = torch.cat([table, torch.zeros_like(table[:1])])
    sizes = NllbSizes(
        model_dim=config.d_model,
        max_seq_len=config.max_position_embeddings,
        vocab_size=len(rows),
        num_encoder_layers=config.encoder_layers,
        num_decoder_layers=config.decoder_layers,
        num_encoder_attn_heads=config.encoder_attention_heads,
        num_decoder_attn_heads=config.decoder_attention_heads,
        ffn_inner_dim=config.encoder_ffn_dim,
    )
    card = {"name": name, "model_family": "nllb", "model_config": asdict(sizes), "checkpoint": WEIGHTS}
    pieces = np.array(rows[1:])
    with atomic_folder(folder) as partial:
        named = to_fairseq2(weights, rows)
        save_file({key: tensor.contiguous() for key, tensor in named.items()}, partial / WEIGHTS)
        trim_sentencepiece(
            (student_folder / "source.spm").read_bytes(),
            np.where(pieces == len(table), -1, pieces),
            partial / SENTENCEPIECE,
            new_pieces=[START],
        )
        write_yaml(partial / CARD, card)


def fairseq2_rows(student_folder: Path) -> list[int]:
    """Return the student's id of each of fairseq2's ids; that of ``<s>`` follows the student's last."""
    processor = load_sentencepiece(student_folder / "source.spm")
    size = processor.vocab_size()
    first = [processor.pad_id(), processor.unk_id(), size, processor.eos_id()]
    return [*first, *(index for index in range(size) if index not in first)]
