# SPDX-License-Identifier: Apache-2.0
"""The bundled policy in INT8, float16 around its integers, as onnxruntime computes its graphs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from calib_tools.quantize.command import fitting_buffer
from calib_tools.quantize.judging import chunks_of, draws_of, judge_chunks
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.policy import load_policy, network_policy
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.resources import shared_file

pytest.importorskip("onnxruntime", reason="of the environment of `make test-tensorrt`")
pytest.importorskip("onnxscript", reason="of the environment of `make test-tensorrt`")
if find_spec("tensorrt_rtx_libs") is None:
    pytest.skip("runs in the environment of `make test-tensorrt`", allow_module_level=True)

from studies.qdq_on_cpu.backend import BACKEND

ROOT = Path(__file__).parents[2]
BUFFER = ROOT / "studies/jetson_check/buffer"  # of all tasks


def test_the_bundled_policy_passes_the_gate_as_close_to_float_as_the_reference(tmp_path):
    panda, int8 = shared_file("policies/panda"), tmp_path / "int8"
    buffer = fitting_buffer(panda, load_manifest(panda), BUFFER)
    # Plain ranges in place of the recipe, which takes a minute; the graphs have the same operators.
    recipe = Recipe(target="tensorrt", rounding="rtn", transforms=(), float_share=0.0)
    quantize_bundle(panda, buffer, recipe, int8, False, None, lambda text, done: None)
    reference = load_manifest(int8).gate  # what the integer reference computed of the same samples
    played = network_policy(int8, BACKEND, Options())
    draws = draws_of(load_policy(panda), buffer.held_out)
    got = chunks_of(played, buffer.held_out)
    gate = judge_chunks(
        played.manifest, draws, got, buffer.held_out, load_thresholds(), played.kernel
    )
    assert gate.passed
    assert 0 < gate.worst.chunk_mae <= 1.3 * reference.worst.chunk_mae
