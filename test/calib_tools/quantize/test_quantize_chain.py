# SPDX-License-Identifier: Apache-2.0
"""quantize, gate, bench and inspect on a tiny policy, through the command line's functions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from calib_tools.bench import measuring
from calib_tools.bench.command import bench
from calib_tools.buffer.store import load_buffer
from calib_tools.common.tables import gate_rows
from calib_tools.demo.chunk_pairs import chunk_pairs
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError, QuantVLAError
from quantvla_ros.processor import cpu_kind
from quantvla_ros.quantization.gate import failures


@pytest.fixture(scope="module")
def quantized(tmp_path_factory, tiny_bundle, tiny_buffer):
    out = tmp_path_factory.mktemp("quantized") / "int8"
    quantize(tiny_bundle, tiny_buffer, Recipe(), out, force=False)
    return out


def test_the_bundle_says_which_buffer_calibrated_it(quantized, tiny_buffer):
    manifest = load_manifest(quantized)
    assert manifest.quantization.calibration_sha256 == load_buffer(tiny_buffer).sha256
    assert manifest.gate.samples == len(load_buffer(tiny_buffer).held_out) == 8


def test_judging_again_gives_the_same_verdict_which_names_this_cpu_and_can_be_written(
    quantized, tiny_bundle, tiny_buffer, tmp_path
):
    stored = load_manifest(quantized).gate
    assert stored.target == cpu_kind()
    copy = Path(shutil.copytree(quantized, tmp_path / "copy"))
    other = load_manifest(copy).gate.model_copy(update={"target": "another", "samples": 1})
    write_manifest(copy, load_manifest(copy).model_copy(update={"gate": other}))
    again = gate(copy, tiny_bundle, tiny_buffer)
    assert again.passed == stored.passed
    assert again.worst.chunk_mae == pytest.approx(stored.worst.chunk_mae, rel=0.05)
    assert load_manifest(copy).gate == other, "only --write changes the bundle"
    judged = gate(copy, tiny_bundle, tiny_buffer, write=True)
    assert load_manifest(copy, check_files=True).gate == judged
    assert judged.target == cpu_kind()


@pytest.mark.parametrize(
    ("std", "words"), [(100.0, "most joints stay near zero"), (0.01, "standard deviations")]
)
@pytest.mark.parametrize("write", [False, True])
def test_a_buffer_of_another_robot_judges_nothing(
    quantized, tiny_bundle, tiny_buffer, tmp_path, std, words, write
):
    copy = Path(shutil.copytree(quantized, tmp_path / "copy"))
    manifest = load_manifest(copy)
    norm = manifest.normalization.model_copy(update={"state_std": [std] * 3})
    write_manifest(copy, manifest.model_copy(update={"normalization": norm}))
    before = load_manifest(copy)
    with pytest.raises(CalibrationBufferError, match=words):
        gate(copy, tiny_bundle, tiny_buffer, write=write)
    assert load_manifest(copy) == before


def test_the_table_marks_exactly_what_the_gate_refuses(quantized):
    record = load_manifest(quantized).gate
    beyond = {"cosine_error": 0.5, "gripper_flips": record.samples}
    wrong = record.model_copy(
        update={
            "motions": [record.worst.model_copy(update={"error_share": 1.0})],
            "beyond_spread": record.beyond_spread.model_copy(update=beyond),
        }
    )
    for judged in (record, wrong):
        missed = [row for row in gate_rows(judged) if row[-1] == "no"]
        assert len(missed) == len(failures(judged))


def test_inspect_counts_layers_and_bytes(quantized, tiny_bundle):
    found = inspect_bundle(quantized)
    layers = found["quantization"]["layers"]
    integer = {row["role"] for row in layers if row["precision"] == "int8"}
    assert integer == {"llm_attn", "llm_mlp", "dit_mlp"}
    assert found["tensors"]["I8"] == sum(
        row["weights"] for row in layers if row["precision"] == "int8"
    )
    assert found["gate"]["samples"] == 8
    plain = inspect_bundle(tiny_bundle)
    assert plain["quantization"] is None
    assert set(plain["tensors"]) == {"F16"}


def test_chunk_pairs_are_close_and_repeat(quantized, tiny_bundle, tiny_buffer):
    samples = load_buffer(tiny_buffer).held_out[:2]
    record = chunk_pairs(tiny_bundle, quantized, samples)
    assert record["names"] == ["shoulder", "elbow", "finger"]
    assert len(record["samples"]) == 2
    chunk = record["samples"][0]
    assert (len(chunk["float"]), len(chunk["float"][0])) == (4, 3)
    assert chunk["float"] != chunk["int8"]
    assert json.loads(json.dumps(record)) == chunk_pairs(tiny_bundle, quantized, samples)


def test_bench_writes_its_record(tmp_path, monkeypatch, quantized, tiny_bundle, tiny_buffer):
    """The other runtimes that it times as well have tests of their own."""
    for others in ("other_floats", "other_int8"):
        monkeypatch.setattr(measuring, others, lambda *_: ({}, {}))
    out = tmp_path / "bench.json"
    record = bench(quantized, tiny_bundle, tiny_buffer, 10, 1, "cpu", out, force=False)
    assert json.loads(out.read_text()) == record
    assert len(record["samples_ms"]["int8"]) == 10
    assert record["integer_layers"] > 0
    with pytest.raises(OutputExistsError, match="--force"):
        bench(quantized, tiny_bundle, tiny_buffer, 10, 1, "cpu", out, force=False)


def test_a_buffer_of_another_robot_names_the_joint(tmp_path, quantized, tiny_bundle, tiny_buffer):
    from quantvla_ros.bundle.storage import load_bundle, save_bundle

    loaded = load_bundle(tiny_bundle)
    interface = loaded.manifest.interface

    def with_claw(space):
        *arm, gripper = space.entries
        return replace(space, entries=(*arm, replace(gripper, name="claw")))

    changed = replace(
        interface, state=with_claw(interface.state), action=with_claw(interface.action)
    )
    other = loaded.manifest.model_copy(update={"interface": changed})
    path = save_bundle(tmp_path / "other", other, loaded.tensors, loaded.tokenizer.json)
    with pytest.raises(QuantVLAError, match=r"'claw'; it has shoulder, elbow, finger"):
        quantize(path, tiny_buffer, Recipe(layout="llm"), tmp_path / "int8", force=False)
    assert not (tmp_path / "int8").exists()
