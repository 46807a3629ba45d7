# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from support.example_bundle import example_manifest, example_tokenizer, write_example

from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import (
    WEIGHTS,
    bundle_hash,
    file_hash,
    load_bundle,
    load_manifest,
    save_bundle,
)
from quantvla_ros.bundle.tensors import check_tensors, tensor_header
from quantvla_ros.errors import BundleError, OutputExistsError

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.uint8]
FLOATS, CODES = torch.ones(3, 4), torch.ones(5).char()
STRANGE = [
    torch.float64, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64, torch.int64,
    torch.int32, torch.int16, torch.bool,
]  # fmt: skip

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
TENSORS = st.dictionaries(
    st.text("abc.0_", min_size=1, max_size=8),
    st.tuples(st.sampled_from(DTYPES), SHAPES),
    max_size=4,
)


def make(dtype, shape, seed):
    values = torch.randint(0, 100, shape, generator=torch.Generator().manual_seed(seed))
    # A transposed view: what is saved need not be contiguous.
    return values.to(dtype).movedim(0, -1) if len(shape) > 1 else values.to(dtype)


@pytest.fixture
def bundle(tmp_path):
    return write_example(tmp_path / "bundle", {"a": torch.randn(3, 4), "b": torch.ones(5).char()})


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(specs=TENSORS, seed=st.integers(0, 1000))
def test_tensors_of_every_type_and_shape_come_back(tmp_path, specs, seed):
    tensors = {name: make(dtype, shape, seed) for name, (dtype, shape) in specs.items()}
    write_example(tmp_path / "bundle", tensors, force=True)
    loaded = load_bundle(tmp_path / "bundle").tensors
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert torch.equal(loaded[name].double(), tensor.double())


def test_tensors_that_share_memory_are_saved_each_on_its_own(tmp_path):
    whole = torch.randn(4, 4)
    write_example(tmp_path / "b", {"whole": whole, "again": whole, "row": whole[1]})
    assert torch.equal(load_bundle(tmp_path / "b").tensors["row"], whole[1])


def test_manifest_and_tokenizer_come_back(bundle):
    loaded = load_bundle(bundle)
    assert loaded.tokenizer.json == example_tokenizer()
    assert loaded.tokenizer.max_length == 6
    assert loaded.manifest.model_copy(update={"files": {}}) == example_manifest()
    assert load_manifest(bundle) == loaded.manifest


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_one_changed_byte_in_any_file_is_refused_and_the_file_named(bundle, data):
    name = data.draw(st.sampled_from(sorted(os.listdir(bundle))))
    original = (bundle / name).read_bytes()
    place = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        (bundle / name).write_bytes(changed)
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            load_bundle(bundle)
    finally:
        (bundle / name).write_bytes(original)


@pytest.mark.parametrize("name", ["bundle.yaml", "weights.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        load_bundle(bundle)


def test_the_manifest_alone_can_check_the_other_files(bundle):
    with (bundle / WEIGHTS).open("ab") as stream:
        stream.write(b"x")
    load_manifest(bundle)
    with pytest.raises(BundleError, match=WEIGHTS):
        load_manifest(bundle, check_files=True)


def resealed(bundle):
    """The bundle with the hash of the weights that lie there now, as a foreign hand leaves it."""
    manifest = load_manifest(bundle)
    files = {**manifest.files, WEIGHTS: file_hash(bundle / WEIGHTS)}
    write_manifest(bundle, manifest.model_copy(update={"files": files}))
    return bundle


@pytest.mark.parametrize("dtype", STRANGE, ids=str)
def test_a_tensor_of_another_type_is_refused_at_both_ends(tmp_path, dtype):
    strange = {"a": torch.ones(2), "scale": torch.ones(3).to(dtype)}
    with pytest.raises(BundleError, match=rf"'scale'.*{str(dtype)[6:]}.*bfloat16.*convert"):
        write_example(tmp_path / "b", strange)
    assert os.listdir(tmp_path) == []
    write_example(tmp_path / "b")
    save_file(strange, tmp_path / "b" / WEIGHTS)
    kind = tensor_header(tmp_path / "b")["scale"]["dtype"]
    resealed(tmp_path / "b")
    for open_bundle in (load_bundle, lambda path: load_manifest(path, check_files=True)):
        with pytest.raises(BundleError, match=rf"'scale' of .*{WEIGHTS} is of type {kind}, "):
            open_bundle(tmp_path / "b")


@pytest.mark.parametrize(
    "content", [b"", b"1234567", b"\xff" * 8 + b"{}", b"\2" + bytes(7) + b"[]"]
)
def test_weights_that_are_no_safetensors_file_are_one_sentence(bundle, content):
    (bundle / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{WEIGHTS} cannot be read .*make the bundle again"):
        load_bundle(resealed(bundle))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_refused_at_both_ends(tmp_path, value):
    bad = {"scale": torch.tensor([1.0, value])}
    with pytest.raises(BundleError, match=r"'scale'.*NaN or infinity"):
        write_example(tmp_path / "b", bad)
    assert os.listdir(tmp_path) == []
    write_example(tmp_path / "b")
    save_file(bad, tmp_path / "b" / WEIGHTS)
    resealed(tmp_path / "b")
    with pytest.raises(BundleError, match=r"'scale'.*NaN or infinity"):
        load_bundle(tmp_path / "b")


def test_a_manifest_that_lists_other_files_is_refused(bundle):
    manifest = load_manifest(bundle)
    write_manifest(bundle, manifest.model_copy(update={"files": {"../x": "0"}}))
    with pytest.raises(BundleError, match=r"lists the files \['\.\./x'\]"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({"a": FLOATS}, "'b', which the network does not have"),
        ({"a": FLOATS, "b": CODES, "c": CODES}, "lacks tensor 'c'"),
        ({"a": FLOATS.T, "b": CODES}, r"'a'.*shape \(3, 4\).*expects \(4, 3\)"),
        ({"a": FLOATS, "b": torch.ones(5)}, r"'b'.*type torch.int8.*expects torch.float32"),
        ({"a": FLOATS, "b": CODES.byte()}, r"'b'.*type torch.int8.*expects torch.uint8"),
        ({"a": torch.ones(3, 4).char(), "b": CODES}, r"'a'.*float32.*expects torch.int8"),
    ],
)
def test_tensors_that_do_not_fit_the_network_are_named(bundle, expected, text):
    tensors = load_bundle(bundle).tensors
    check_tensors(tensors, {"a": FLOATS.half(), "b": CODES})
    with pytest.raises(BundleError, match=text):
        check_tensors(tensors, expected)


def test_an_existing_bundle_is_only_replaced_by_force(bundle):
    before = bundle_hash(bundle)
    with pytest.raises(OutputExistsError):
        save_bundle(bundle, example_manifest(), {}, example_tokenizer())
    assert bundle_hash(bundle) == before
    save_bundle(bundle, example_manifest(denoise_steps=9), {}, example_tokenizer(), force=True)
    assert load_bundle(bundle).manifest.denoise_steps == 9
    assert bundle_hash(bundle) != before


def test_the_same_content_gives_the_same_hash(tmp_path):
    first, second = (write_example(tmp_path / name) for name in "ab")
    assert bundle_hash(first) == bundle_hash(second)


def test_a_manifest_is_read_without_torch(bundle):
    code = (
        "import sys; from pathlib import Path; from quantvla_ros.bundle.storage import *; "
        "load_manifest(Path(sys.argv[1]), True); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, bundle], check=False).returncode == 0
