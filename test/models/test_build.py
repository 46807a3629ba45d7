# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.tiny_policy import tiny_manifest

from quantvla_ros.errors import BundleError
from quantvla_ros.models.build import empty_network
from quantvla_ros.quantization.layerwise import load_on_tensors


@pytest.mark.parametrize(
    ("field", "value"), [("expert_mlp", {}), ("horizon", {"a": 1}), ("strange", 3), ("layers", "x")]
)
def test_an_architecture_that_is_none_is_one_sentence(field, value):
    manifest = tiny_manifest()
    manifest = manifest.model_copy(update={"architecture": manifest.architecture | {field: value}})
    for build in (empty_network, lambda manifest: load_on_tensors(manifest, {})):
        with pytest.raises(BundleError, match=rf"not valid at architecture\.{field}: .*again$"):
            build(manifest)
