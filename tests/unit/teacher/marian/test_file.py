from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from nmt_distill.errors import NmtDistillError
from nmt_distill.teacher.marian.file import read_marian_file
from tests.marian_models import (
    INT8,
    UNTIED,
    FloatArray,
    architecture,
    architecture_item,
    binary,
    float_item,
    intgemm8_item,
    random_parameters,
    write_marian_model,
)

FINITE = st.floats(-1e6, 1e6, width=32)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0:"), min_size=1, max_size=12)


@pytest.fixture
def parameters() -> dict[str, FloatArray]:
    return random_parameters(architecture(), vocab_size=20, generator=np.random.default_rng(1))


@pytest.mark.parametrize("suffix", [".npz", ".bin"])
def test_float_model(tmp_path: Path, parameters: dict[str, FloatArray], suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    write_marian_model(path, parameters, architecture())
    found = read_marian_file(path)
    assert found.architecture == architecture()
    assert found.parameters.keys() == parameters.keys()
    for name, array in parameters.items():
        assert np.array_equal(found.parameters[name], array)
        assert found.parameters[name].dtype == np.float32


def test_quantised_model(tmp_path: Path, parameters: dict[str, FloatArray]) -> None:
    path = tmp_path / "model.bin"
    matrices = {name for name, array in parameters.items() if min(array.shape) > 1}
    expected = write_marian_model(path, parameters, architecture(), quantized=matrices)
    found = read_marian_file(path).parameters
    assert found.keys() == parameters.keys(), "scales of activations are no parameters"
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
        assert np.abs(found[name] - parameters[name]).max() <= np.abs(parameters[name]).max() / 127


@pytest.mark.parametrize("kind", [0x4101, 0x10101])
def test_both_numbers_of_the_quantised_type(tmp_path: Path, kind: int) -> None:
    """browsermt's branch of Marian writes the first, which is older, Marian since 1.10 the second."""
    options = architecture(UNTIED)
    parameters = random_parameters(options, vocab_size=20, generator=np.random.default_rng(2))
    matrices = {name for name, array in parameters.items() if min(array.shape) > 1}
    expected = write_marian_model(tmp_path / "model.bin", parameters, options, quantized=matrices, kind=kind)
    found = read_marian_file(tmp_path / "model.bin").parameters
    assert {"encoder_Wemb", "decoder_Wemb", "decoder_ff_logit_out_Wt"} < matrices
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


def test_layout_of_a_quantised_matrix_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    # (rows, columns) = (2, 3), stored as (3, 2); the embeddings in their own shape
    data = np.array([1, 4, 2, 5, 3, 6], dtype=np.int8).tobytes() + struct.pack("<f", 2.0)
    names = ("W", "Wemb", "decoder_Wemb")
    items = [*((name, 0x4101, (2, 3), data) for name in names), architecture_item({"a": 1})]
    path.write_bytes(binary(items))
    found = read_marian_file(path).parameters
    assert found["W"].tolist() == [[0.5, 1.0, 1.5], [2.0, 2.5, 3.0]]
    for name in ("Wemb", "decoder_Wemb"):
        assert found[name].tolist() == [[0.5, 2.0, 1.0], [2.5, 1.5, 3.0]]


def test_scales_of_activations_are_no_parameters_in_archives_either(
    tmp_path: Path, parameters: dict[str, FloatArray]
) -> None:
    scales = {"Wemb_QuantMultA": np.ones((1, 1), dtype=np.float32)}
    write_marian_model(tmp_path / "model.npz", parameters | scales, architecture())
    assert read_marian_file(tmp_path / "model.npz").parameters.keys() == parameters.keys()


@given(
    st.dictionaries(NAMES, numpy_st.arrays(np.float32, numpy_st.array_shapes(max_dims=3, max_side=5), elements=FINITE)),
    st.integers(0, 300),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, FloatArray], padding: int
) -> None:
    path = tmp_path_factory.mktemp("marian") / "model.bin"
    items = [float_item(name, array) for name, array in arrays.items()]
    path.write_bytes(binary([*items, architecture_item({"type": "transformer"})], padding=padding))
    found = read_marian_file(path).parameters
    assert found.keys() == {name for name in arrays if not name.endswith("_QuantMultA")}
    for name, array in found.items():
        assert np.array_equal(array, arrays[name])


@given(
    numpy_st.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-9, 9, width=32)),
    st.sampled_from(["Wemb", "encoder_l1_self_Wq"]),
)
def test_quantisation_loses_half_a_step(tmp_path_factory: pytest.TempPathFactory, array: FloatArray, name: str) -> None:
    array[0, 0] = 9
    item, expected = intgemm8_item(name, array)
    path = tmp_path_factory.mktemp("marian") / "model.bin"
    path.write_bytes(binary([item, architecture_item({"type": "transformer"})]))
    found = read_marian_file(path).parameters[name]
    assert np.array_equal(found, expected)
    assert np.abs(found - array).max() <= 0.5 * 9 / 127 + 1e-6


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NmtDistillError, match=r"model\.bin does not exist; `teacher\.model` must name a Marian model"):
        read_marian_file(tmp_path / "model.bin")


@pytest.mark.parametrize("suffix", [".npz", ".bin"])
def test_file_cut_anywhere(tmp_path: Path, parameters: dict[str, FloatArray], suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    write_marian_model(path, parameters, architecture(), quantized={"Wemb"})
    content = path.read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(content), len(content) // 40), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(NmtDistillError, match=r"model\.\w+ is truncated or no Marian model .*; fetch it again\."):
            read_marian_file(path)


@given(st.binary(max_size=400), st.sampled_from([".npz", ".bin"]), st.booleans())
def test_noise_is_no_model(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str, looks_right: bool
) -> None:
    path = tmp_path_factory.mktemp("noise") / f"model{suffix}"
    begin = (b"\x93NUMPY\x01\0" if suffix == ".npz" else struct.pack("<2Q", 1, 2)) if looks_right else b""
    path.write_bytes(begin + content)
    with pytest.raises(NmtDistillError, match="model"):
        read_marian_file(path)


def test_one_array_is_no_archive(tmp_path: Path) -> None:
    with (tmp_path / "model.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(NmtDistillError, match=r"no Marian model of version 1 \(it is no archive\)"):
        read_marian_file(tmp_path / "model.npz")


def test_pickled_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, Wemb=np.array([{"a": 1}], dtype=object))
    with pytest.raises(NmtDistillError, match="Object arrays cannot be loaded"):
        read_marian_file(path)


def test_other_version(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(binary([architecture_item({})], version=2))
    with pytest.raises(NmtDistillError, match=r"no Marian model of version 1 \(its version is 2\)"):
        read_marian_file(tmp_path / "model.bin")


def test_more_items_than_fit(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(struct.pack("<2Q", 1, 1 << 60))
    with pytest.raises(NmtDistillError, match="it claims 1152921504606846976 items"):
        read_marian_file(tmp_path / "model.bin")


def test_unknown_type_is_named(tmp_path: Path) -> None:
    items = [("encoder_l1_self_Wq", 0x4102, (2, 2), bytes(20)), architecture_item({"type": "transformer"})]
    (tmp_path / "model.bin").write_bytes(binary(items))
    with pytest.raises(NmtDistillError, match=r"encoder_l1_self_Wq is of type 0x4102; float32 \(0x404\) and intgemm8"):
        read_marian_file(tmp_path / "model.bin")


def test_data_shorter_than_its_shape(tmp_path: Path) -> None:
    items = [("Wemb", 0x404, (3, 3), bytes(8)), architecture_item({"type": "transformer"})]
    (tmp_path / "model.bin").write_bytes(binary(items))
    with pytest.raises(NmtDistillError, match="truncated or no Marian model"):
        read_marian_file(tmp_path / "model.bin")


def test_model_without_architecture(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(binary([float_item("Wemb", np.zeros((2, 2), dtype=np.float32))]))
    with pytest.raises(NmtDistillError, match=r"special:model\.yml is missing, so the architecture cannot be known"):
        read_marian_file(path)


def test_architecture_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(binary([("special:model.yml", INT8, (9,), b"a: [1, 2\0")]))
    with pytest.raises(NmtDistillError, match=r"the item special:model\.yml is not YAML"):
        read_marian_file(path)
