# SPDX-License-Identifier: Apache-2.0
"""A helper process compiles for the cache; the load that follows has nothing left to compile."""

from __future__ import annotations

import pytest
from support.tiny_policy import save_tiny_bundle
from torch._dynamo.utils import counters

from calib_tools.bench.compile_beside import compiled_beside
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.errors import BundleError


@pytest.mark.slow
def test_what_the_helper_compiled_is_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    save_tiny_bundle(tmp_path / "bundle")
    with compiled_beside(tmp_path / "bundle", "cpu", threads=1):
        pass
    counters.clear()
    load_policy(tmp_path / "bundle", "cpu", True, threads=1)
    assert counters["aot_autograd"]["autograd_cache_hit"] == 2
    assert counters["aot_autograd"]["autograd_cache_miss"] == 0


def test_an_error_in_the_block_ends_the_helper_at_once(tmp_path):
    save_tiny_bundle(tmp_path / "bundle")
    with (
        pytest.raises(BundleError, match="damaged"),
        compiled_beside(tmp_path / "bundle", "cpu", 1),
    ):
        raise BundleError("damaged")


def test_a_helper_that_fails_does_not_fail_the_block(tmp_path, capfd):
    with compiled_beside(tmp_path / "nothing", "cpu", threads=1):
        pass
