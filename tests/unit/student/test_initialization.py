"""Students that start from a model of transformers: as wide, narrower, with its embeddings alone, or not at all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import M2M100Config, M2M100ForConditionalGeneration, MarianConfig, MarianMTModel

from nmt_distill.errors import NmtDistillError
from nmt_distill.inheritance import BIAS, EMBEDDINGS
from nmt_distill.student.config import StudentConfig
from nmt_distill.student.graph import SpecialIds, StudentModel, build_student
from nmt_distill.student.initialization import initialize_from, require_fit
from nmt_distill.teacher.transformers.student import hand_down
from tests.students import config_of, parameters_of

GRAPHS = ["marian", "nllb"]
VOCAB_SIZE = 40


def draw(graph: str, **values: Any) -> Any:
    """Make a model of transformers as public teachers are: with biases; in the marian graph swish, and padding last."""
    sizes = {"d_model": 32, "ffn": 48, "heads": 4, "encoder_layers": 2, "decoder_layers": 2} | values
    ffn, heads = sizes.pop("ffn"), sizes.pop("heads")
    shared = {
        "vocab_size": VOCAB_SIZE,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": ffn,
        "decoder_ffn_dim": ffn,
        "max_position_embeddings": 40,
        "init_std": 0.3,
        "scale_embedding": True,
    } | sizes
    torch.manual_seed(random.randrange(1 << 30))
    if graph == "marian":
        last = VOCAB_SIZE - 1
        model: Any = MarianMTModel(
            MarianConfig(
                **{"activation_function": "swish", "decoder_start_token_id": last, **shared},
                pad_token_id=last,
                eos_token_id=0,
                forced_eos_token_id=0,
            )
        )
        model.final_logits_bias.normal_()
    else:
        specials = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
        model = M2M100ForConditionalGeneration(M2M100Config(**{**specials, **shared}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(0.2 * torch.randn_like(parameter))
        model.get_input_embeddings().weight[model.config.pad_token_id] = 0
    return model.eval()


def student_of(graph: str, kept: list[int], **values: Any) -> tuple[StudentModel, StudentConfig]:
    """Make a student over kept ids: its end of sentence stands first."""
    activation = "swish" if graph == "marian" else "relu"
    config = config_of(graph=graph, activation=activation, **values)
    size = len(kept) + (graph == "marian")
    special = SpecialIds(end=0, unknown=2, pad=len(kept) if graph == "marian" else 1, vocab_size=size)
    return build_student(config, special).eval(), config


KEPT = {"marian": [0, *range(1, 39)], "nllb": [2, -1, 3, 0, *range(4, 40)]}
"""the teacher's ids of all pieces in the student's order; the nllb student has padding at 1 like its teacher, but the
end of sentence before it"""
TRIMMED = {"marian": [0, 1, 30, 7, 9, 22, 21, 38], "nllb": [2, -1, 3, 30, 7, 9, 22, 21, 39]}


def logits_of(model: Any, source: Tensor, target: Tensor) -> Tensor:
    config = model.config
    begin = torch.full((len(target), 1), config.decoder_start_token_id)
    found: Tensor = model(
        input_ids=source,
        attention_mask=(source != config.pad_token_id).long(),
        decoder_input_ids=torch.cat([begin, target], dim=1),
    ).logits
    return found


@pytest.mark.parametrize("kept", [KEPT, TRIMMED], ids=["whole", "trimmed"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_same_depth_and_width_give_the_teachers_logits(graph: str, kept: dict[str, list[int]]) -> None:
    """Both read the same pieces, without tags, from the token that starts their decoders."""
    teacher, ids = draw(graph), kept[graph]
    student, config = student_of(graph, ids)
    initialize_from(student, config, hand_down(teacher, "a toy", {}), kept_ids=ids)
    source, target = torch.tensor([[5, 3, 7, 4, 0], [6, 0, -9, -9, -9]]), torch.tensor([[4, 7, 5], [3, 3, 6]])

    def of_teacher(tokens: Tensor) -> Tensor:
        return torch.where(tokens < 0, teacher.config.pad_token_id, torch.tensor(ids)[tokens.clamp(min=0)])

    own_source = torch.where(source < 0, student.config.pad_token_id, source)
    is_piece = torch.tensor(ids) >= 0
    expected = logits_of(teacher, of_teacher(source), of_teacher(target))[..., torch.tensor(ids)[is_piece]]
    found = logits_of(student, own_source, target)[..., : len(ids)][..., is_piece]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.1, "logits that are all the same prove nothing"


@pytest.mark.parametrize("graph", GRAPHS)
def test_pieces_that_the_teacher_lacks_keep_their_row(graph: str) -> None:
    kept = TRIMMED[graph].copy()
    kept[4] = -1
    student, config = student_of(graph, kept)
    before = student.get_input_embeddings().weight.detach().clone()
    initialize_from(student, config, hand_down(draw(graph), "a toy", {}), kept_ids=kept)
    after = student.get_input_embeddings().weight
    same = [bool(torch.equal(one, other)) for one, other in zip(before, after, strict=True)]
    assert [place for place, is_same in enumerate(same) if is_same] == sorted({4, student.config.pad_token_id})
    assert not after[student.config.pad_token_id].any()


def test_padding_of_an_nllb_teacher_whose_ids_are_the_students_own_is_not_taken_over() -> None:
    teacher = draw("nllb")
    with torch.no_grad():
        teacher.get_input_embeddings().weight[1] = 5
    student, config = student_of("nllb", list(range(VOCAB_SIZE)))
    initialize_from(student, config, hand_down(teacher, "a toy", {}))
    table = student.get_input_embeddings().weight
    assert not table[1].any()
    assert torch.equal(table[2:], teacher.get_input_embeddings().weight[2:])


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("how", ["svd", "slice"])
def test_narrow_students_have_finite_logits_and_all_that_can_be_had(graph: str, how: str) -> None:
    teacher, kept = draw(graph), KEPT[graph]
    values = {"model_dim": 16, "num_heads": 2, "ffn_inner_dim": 24, "num_decoder_layers": 1, "width_projection": how}
    student, config = student_of(graph, kept, **values)
    names = {name for name, _ in student.named_parameters() if "embed_positions" not in name}
    found = initialize_from(student, config, hand_down(teacher, "a toy", {}), kept_ids=kept)
    assert found.copied == names | ({BIAS} if graph == "marian" else set())
    assert 0 < found.kept < 1
    assert logits_of(student, torch.tensor([[5, 3, 0]]), torch.tensor([[4, 7]])).isfinite().all()
    rows = student.get_input_embeddings().weight[[place for place, index in enumerate(kept) if index >= 0]]
    theirs = teacher.get_input_embeddings().weight[[index for index in kept if index >= 0]]
    assert rows.square().sum(1).mean().item() == pytest.approx(theirs.square().sum(1).mean().item(), rel=1e-4)


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_teacher_that_uses_half_its_width_is_sliced_without_loss(graph: str) -> None:
    """Where nothing is ever written to the second half of its stream, and the first has no mean, nothing is lost."""
    teacher, kept = draw(graph, heads=2, d_model=32, ffn=24), KEPT[graph]
    with torch.no_grad():
        for name, value in teacher.named_parameters():
            if "shared" in name or name.endswith(("out_proj.bias", "fc2.bias")):
                use_half(value)
            elif name.endswith(("out_proj.weight", "fc2.weight")):
                use_half(value.T)
            elif "norm.weight" in name:
                value.fill_(1.3)
            elif "norm.bias" in name:
                use_half(value)
            elif name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "q_proj.bias", "v_proj.bias")):
                value.view(2, 16, -1)[:, 8:] = 0  # the second half of each head
    values = {"model_dim": 16, "num_heads": 2, "ffn_inner_dim": 24, "width_projection": "slice"}
    student, config = student_of(graph, kept, **values)
    found = initialize_from(student, config, hand_down(teacher, "a toy", {}), kept_ids=kept)
    assert found.kept == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        for model in (teacher, student):
            for name, positions in (*model.named_parameters(), *model.named_buffers()):
                if "embed_positions" in name:
                    positions.zero_()
        for name, value in student.named_parameters():
            if "q_proj" in name:
                value /= 2**0.5  # attention divides by the root of a head's width, which in the teacher is twice it
    ids = torch.tensor(kept)
    source, target = torch.tensor([[5, 3, 7, 0], [4, 8, 9, 0]]), torch.tensor([[4, 7], [3, 6]])
    expected = logits_of(teacher, ids[source], ids[target])[..., ids]
    found_logits = logits_of(student, source, target)[..., : len(ids)]
    is_piece = ids >= 0
    torch.testing.assert_close(found_logits[..., is_piece], expected[..., is_piece], atol=1e-4, rtol=1e-4)


def use_half(values: Tensor) -> None:
    """Leave the second half of the last dimension empty, and the first without a mean."""
    values[..., 16:] = 0
    values[..., :16] -= values[..., :16].mean(dim=-1, keepdim=True)


def test_a_singular_value_decomposition_keeps_more_than_a_slice() -> None:
    inheritance = hand_down(draw("nllb"), "a toy", {})
    kept = {}
    for how in ("svd", "slice"):
        student, config = student_of("nllb", KEPT["nllb"], model_dim=16, num_heads=2, width_projection=how)
        kept[how] = initialize_from(student, config, inheritance, kept_ids=KEPT["nllb"]).kept
    assert 1 > kept["svd"] > kept["slice"] > 0


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("width", "how"), [(32, "svd"), (16, "svd"), (16, "slice")])
def test_embeddings_alone(graph: str, width: int, how: str) -> None:
    """Whatever the teacher's layers are; rows have the norm of rows just drawn, and the rest stays as it was."""
    teacher, kept = draw("nllb"), TRIMMED[graph]
    values = {"initialization": "embeddings", "model_dim": width, "num_encoder_layers": 5, "width_projection": how}
    student, config = student_of(graph, kept, **values)
    before = parameters_of(student)
    found = initialize_from(student, config, hand_down(teacher, "a toy", {}), kept_ids=kept)
    assert found.copied == {EMBEDDINGS}
    assert found.num_pieces == 9
    assert [kept[row] for row in found.rows.tolist()] == found.teacher_rows.tolist() == [id for id in kept if id >= 0]
    after = parameters_of(student)
    tied = ("shared", "lm_head", "embed_tokens")
    assert all(torch.equal(after[name], before[name]) for name in after if not any(key in name for key in tied))
    places = [place for place, index in enumerate(kept) if index >= 0]
    rows = after[EMBEDDINGS][places]
    theirs = teacher.get_input_embeddings().weight[[index for index in kept if index >= 0]]
    assert rows.square().sum(1).mean().item() == pytest.approx(1, rel=1e-4)
    if width == 32 or how == "slice":
        torch.testing.assert_close(rows / rows.norm(), theirs[:, :width] / theirs[:, :width].norm())
    else:
        best = torch.linalg.svd(theirs, full_matrices=False)
        reduced = (best.U[:, :width] * best.S[:width]) @ best.Vh[:width]
        torch.testing.assert_close(
            rows @ rows.T / rows.square().sum(), reduced @ reduced.T / reduced.square().sum(), atol=1e-5, rtol=1e-4
        )


def differing() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"graph": "marian"}, "student.graph must be nllb, but is marian"
    yield {"activation": "swish"}, "student.activation must be relu, but is swish"
    yield {"model_dim": 64}, "student.model_dim must be at most 32, but is 64"
    yield {"ffn_inner_dim": 64}, "student.ffn_inner_dim must be at most 48, but is 64"
    yield {"num_encoder_layers": 3}, "student.num_encoder_layers must be at most 2, but is 3"
    yield {"num_decoder_layers": 4}, "student.num_decoder_layers must be at most 2, but is 4"
    yield {"num_heads": 2}, "student.num_heads must be 4, for the teacher has 4 of 8, but is 2"
    yield {"num_heads": 8}, "student.num_heads must be 4, for the teacher has 4 of 8, but is 8"
    yield (
        {"model_dim": 16, "num_heads": 1},
        "student.num_heads must be from 2 to 4, for the teacher has 4 of 8, but is 1",
    )


@pytest.mark.parametrize(("values", "told"), list(differing()))
def test_what_does_not_fit_is_told(values: dict[str, Any], told: str) -> None:
    config = config_of(**{"graph": "nllb", **values})
    with pytest.raises(NmtDistillError) as error:
        require_fit(config, hand_down(draw("nllb"), "a toy", {}))
    others = "random" if config.model_dim > 32 else "embeddings or random"
    assert str(error.value) == f"a student cannot start from a toy: {told}; or set student.initialization={others}."


def test_another_start_is_told_where_a_student_is_the_start() -> None:
    for initialization, told in (
        ("teacher", "set student.initialization=embeddings, or leave student.initialize_from out"),
        ("embeddings", "leave student.initialize_from out"),
    ):
        config = config_of(
            graph="nllb",
            initialization=initialization,
            initialize_from="other",
            **({"num_encoder_layers": 3} if initialization == "teacher" else {"model_dim": 64}),
        )
        with pytest.raises(NmtDistillError, match=f"; or {told}\\.$"):
            require_fit(config, hand_down(draw("nllb"), "a toy", {}))


def test_all_that_does_not_fit_is_told_at_once() -> None:
    config = config_of(num_heads=8, num_encoder_layers=6)
    with pytest.raises(NmtDistillError, match=r"graph must be nllb.*num_encoder_layers must.*num_heads must be 4"):
        require_fit(config, hand_down(draw("nllb"), "a toy", {}))
    require_fit(replace(config, initialization="embeddings"), hand_down(draw("nllb"), "a toy", {}))
    require_fit(replace(config, initialization="random", model_dim=64), hand_down(draw("nllb"), "a toy", {}))


def test_layers_of_no_graph_are_told() -> None:
    inheritance = hand_down(draw("nllb", scale_embedding=False), "a toy", {})
    with pytest.raises(NmtDistillError, match=r"a toy: the teacher does not scale its embeddings, which no student"):
        require_fit(config_of(graph="nllb"), inheritance)
    require_fit(config_of(graph="nllb", initialization="embeddings"), inheritance)
