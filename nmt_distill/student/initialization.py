"""Start a student from its teacher: layers are spaced, embedding rows are chosen, what is too wide is narrowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS, LAYER, Inheritance, Part
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import StudentModel
from nmt_distill.student.narrowing import Narrowing, Stream, spaced

PARTS: tuple[Part, ...] = ("encoder", "decoder")
KeptIds = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """What a student has of its teacher before its first step."""

    where: str
    """names where it comes from"""
    copied: frozenset[str]
    """names of its parameters that come from the teacher; the others are as they were drawn"""
    kept: float
    """share of the embeddings' squares that is left; 1 where the widths are the same"""
    rows: Tensor
    """of the embeddings, those that come from the teacher"""
    teacher_rows: Tensor
    """the rows of the teacher's table that they come from"""
    num_pieces: int
    """of the student"""

    def describe(self) -> str:
        """Tell it in a line."""
        what = "embeddings" if self.copied == {EMBEDDINGS} else "layers and embeddings"
        narrowed = "" if self.kept == 1 else f", narrowed to {self.kept:.0%} of their squares"
        return f"{what} come from {self.where}, {len(self.rows):,} of {self.num_pieces:,} rows{narrowed}"


def require_fit(config: StudentConfig, inheritance: Inheritance) -> None:
    """Refuse a student that cannot start from this teacher.

    :raises NmtDistillError: with all that does not fit
    """
    if config.initialization == "random":
        return
    wrong = list(_differences(config, inheritance))
    if not wrong:
        return
    instead = _another_start(config, inheritance)
    raise NmtDistillError(f"a student cannot start from {inheritance.where}: {'; '.join(wrong)}; or {instead}.")


def _another_start(config: StudentConfig, inheritance: Inheritance) -> str:
    """Say what to set where a start is impossible."""
    own = config.initialize_from is not None
    others = [] if own else ["random"]
    if config.initialization == "teacher" and config.model_dim <= inheritance.model_dim:
        others.insert(0, "embeddings")
    leave = "leave student.initialize_from out"
    if not others:
        return leave
    chosen = f"set student.initialization={' or '.join(others)}"
    return f"{chosen}, or {leave}" if own else chosen


def _differences(config: StudentConfig, inheritance: Inheritance) -> Iterator[str]:
    width = inheritance.model_dim
    if config.model_dim > width:
        yield f"student.model_dim must be at most {width}, but is {config.model_dim}"
    if config.initialization == "embeddings":
        return
    if inheritance.graph is None:
        yield f"the teacher {' and '.join(inheritance.obstacles)}, which no student does"
        return
    if config.graph != inheritance.graph:
        yield f"student.graph must be {inheritance.graph}, but is {config.graph}"
    if config.activation != inheritance.activation:
        yield f"student.activation must be {inheritance.activation}, but is {config.activation}"
    if config.ffn_inner_dim > inheritance.ffn_inner_dim:
        yield f"student.ffn_inner_dim must be at most {inheritance.ffn_inner_dim}, but is {config.ffn_inner_dim}"
    for part, num_layers in zip(PARTS, (config.num_encoder_layers, config.num_decoder_layers), strict=True):
        if num_layers > inheritance.num_layers(part):
            yield f"student.num_{part}_layers must be at most {inheritance.num_layers(part)}, but is {num_layers}"
    if config.model_dim <= width:
        yield from _head_differences(config, inheritance)


def _head_differences(config: StudentConfig, inheritance: Inheritance) -> Iterator[str]:
    """Heads can be fewer and narrower, not more and not wider."""
    most, widest = inheritance.num_heads, inheritance.model_dim // inheritance.num_heads
    least = -(-config.model_dim // widest)
    if not least <= config.num_heads <= most:
        wanted = f"{most}" if least == most else f"from {least} to {most}"
        yield f"student.num_heads must be {wanted}, for the teacher has {most} of {widest}, but is {config.num_heads}"


def initialize_from(
    student: StudentModel, config: StudentConfig, inheritance: Inheritance, *, kept_ids: KeptIds | None = None
) -> Start:
    """Copy a teacher's parameters into a student.

    With the teacher's widths, values are the teacher's own, and with its depth and vocabulary too so are the logits.
    Embeddings alone are scaled so that the mean square of the rows' norms is that of rows just drawn.

    :param config: of the student
    :param kept_ids: the teacher's id of each of the student's pieces, -1 for a piece that the teacher has not and whose
        row stays as it is; None where ids are the same. In the marian graph padding follows and is not among them.
    :raises NmtDistillError: if shapes or vocabulary do not fit
    """
    require_fit(config, inheritance)
    own = dict(student.named_parameters())
    own_rows, rows = _rows(student, inheritance, kept_ids)
    table = inheritance.parameters[EMBEDDINGS].detach().float().cpu()[rows]
    stream = None
    if config.model_dim < inheritance.model_dim:
        stream = Stream.of(table, config.model_dim, config.width_projection)
    embeddings = table if stream is None else stream.embed(table)
    if config.initialization == "embeddings":
        norm = embeddings.square().sum(dim=1).mean().sqrt()
        embeddings = embeddings * (student.config.init_std * config.model_dim**0.5 / norm)
    given = {} if config.initialization == "embeddings" else dict(_layers(config, inheritance, stream))
    if given and stream is not None:
        for kind in ("weight", "bias"):
            given[f"{last_norm(config)}.{kind}"] *= stream.output_factor
    with torch.no_grad():
        own[EMBEDDINGS][own_rows] = embeddings.to(own[EMBEDDINGS])
        for name, value in given.items():
            own[name].copy_(value)
        if BIAS in inheritance.parameters and config.initialization == "teacher":
            bias = inheritance.parameters[BIAS].detach().float().cpu().flatten()[rows]
            student.final_logits_bias[0, own_rows] = bias.to(student.final_logits_bias)
            given[BIAS] = bias
    return Start(
        inheritance.where,
        copied=frozenset({EMBEDDINGS, *given}),
        kept=1.0 if stream is None else stream.kept,
        rows=own_rows,
        teacher_rows=rows,
        num_pieces=student.config.vocab_size,
    )


def last_norm(config: StudentConfig) -> str:
    """Name the norm whose output is projected to the vocabulary."""
    if config.graph == "nllb":
        return "model.decoder.layer_norm"
    return f"model.decoder.layers.{config.num_decoder_layers - 1}.final_layer_norm"


def _layers(config: StudentConfig, inheritance: Inheritance, stream: Stream | None) -> Iterator[tuple[str, Tensor]]:
    """Yield the student's parameters, embeddings and bias left out, by name."""
    narrowing = Narrowing(
        stream,
        heads=(inheritance.num_heads, config.num_heads),
        width=config.model_dim,
        ffn_inner_dim=config.ffn_inner_dim,
    )
    layers: dict[tuple[str, int], dict[str, Tensor]] = {}
    for name, value in inheritance.parameters.items():
        if match := LAYER.fullmatch(name):
            layers.setdefault((match[1], int(match[2])), {})[match[3]] = value
        elif name not in (EMBEDDINGS, BIAS):  # the norms at the end of encoder and decoder
            yield name, narrowing.norm(name, value)
    for part, num_layers in zip(PARTS, (config.num_encoder_layers, config.num_decoder_layers), strict=True):
        for number, teacher_number in enumerate(spaced(num_layers, inheritance.num_layers(part))):
            for name, value in narrowing.layer(layers[part, teacher_number]).items():
                yield f"model.{part}.layers.{number}.{name}", value


def _rows(student: StudentModel, inheritance: Inheritance, kept_ids: KeptIds | None) -> tuple[Tensor, Tensor]:
    """Return the student's rows that come from the teacher, and the teacher's rows that they come from.

    The row of the padding is not among them: it is zero in both graphs.
    """
    num_ids, pad = len(inheritance.parameters[EMBEDDINGS]), student.config.pad_token_id
    ids = torch.arange(num_ids) if kept_ids is None else torch.as_tensor(np.asarray(kept_ids, dtype=np.int64))
    num_pieces = student.config.vocab_size - (pad == student.config.vocab_size - 1)
    if len(ids) != num_pieces or int(ids.max()) >= num_ids:
        raise NmtDistillError(
            f"the student has {num_pieces} pieces, of which ids of the teacher are given for {len(ids)}, up to "
            f"{int(ids.max())}; {inheritance.where} has {num_ids} ids. They do not belong together."
        )
    if not (ids >= 0).any():
        raise NmtDistillError(
            f"{inheritance.where} has none of the student's pieces; set student.initialization=random, and leave "
            "student.initialize_from out."
        )
    is_taken = (ids >= 0) & (torch.arange(len(ids)) != pad)
    return is_taken.nonzero().flatten(), ids[is_taken]
