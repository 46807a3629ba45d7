# SPDX-License-Identifier: Apache-2.0
"""The gate's bounds for stages let a coarse rest through and find layers that are missing."""

from __future__ import annotations

import pytest
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize.stage_errors import stage_errors
from studies.stage_bounds import FAULTS, damaged, in_bfloat16, markdown
from studies.static_bundle import save_static_bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    plain = save_tiny_bundle(folder / "float")
    return save_static_bundle(plain, folder / "int8"), plain


def test_a_rest_in_bfloat16_passes_and_is_no_copy(bundles):
    stages = stage_errors(in_bfloat16(bundles[0]), *bundles, observations(3))
    assert [stage.name for stage in stages] == ["context", "step"]
    assert all(0 < stage.error <= stage.limit for stage in stages)


def test_a_layer_that_is_missing_is_found(bundles):
    fault = "one language layer: gives zeros"
    context, _ = stage_errors(damaged(bundles[0], FAULTS[fault]), *bundles, observations(3))
    assert context.error > context.limit
    row = {"what": fault, **context.model_dump()}
    assert f"| {fault} | `context` |" in markdown({"rows": [row]})
