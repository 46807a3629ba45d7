# SPDX-License-Identifier: Apache-2.0
"""quantize for the backend `openvino`, its gate, and what the node takes of it."""

from __future__ import annotations

import pytest

from calib_tools.gate import gate
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.openvino.library import why_not_exact
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.serving.startup import backend_for, check_fingerprint

pytest.importorskip("openvino", reason="optional: pip install -r requirements/openvino.txt")
pytest.importorskip("onnxscript", reason="optional: pip install -r requirements/openvino.txt")


@pytest.mark.slow  # four exports of the policy
@pytest.mark.skipif(why_not_exact() is not None, reason="INT8 is refused here")
def test_a_bundle_for_openvino_is_judged_by_it_and_runs_on_it(
    tiny_bundle, tiny_buffer, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Plain ranges in place of the recipe, which takes a minute; the graphs have the same operators.
    recipe = Recipe(target="openvino", rounding="rtn", transforms=(), float_share=0.0)
    assert recipe.checked().activations == "static"
    out = tmp_path / "int8"
    quantize(tiny_bundle, tiny_buffer, recipe, out, force=False)
    manifest = load_manifest(out)
    judged = manifest.gate
    assert (judged.backend, judged.kernel) == ("openvino", "OpenVINO INT8, rest fp32")
    again = gate(out, tiny_bundle, tiny_buffer)  # by what was compiled
    assert again.worst.chunk_mae == pytest.approx(judged.worst.chunk_mae, rel=1e-3)
    assert backend_for(manifest, "") == "openvino"
    assert not check_fingerprint(manifest, str(out), "openvino", judged.kernel, False)
