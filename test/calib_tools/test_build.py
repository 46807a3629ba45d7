# SPDX-License-Identifier: Apache-2.0
"""What `quantvla build` measures for a float bundle, before its backend builds."""

from __future__ import annotations

import pytest

from calib_tools.build.command import build
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BackendError
from quantvla_ros.models.families import find_family

PARTS = {"vision", "language", "expert"}


@pytest.fixture
def asked(monkeypatch):
    """The options of builds that the backend for engines was asked for."""
    backend, found = find_backend("tensorrt"), []
    monkeypatch.setattr(backend, "check", lambda options: None)
    monkeypatch.setattr(backend, "build", lambda path, options: found.append(options))
    return found


def test_the_largest_numbers_of_a_float_bundle_are_measured_on_a_buffer(
    tiny_bundle, tiny_buffer, asked
):
    assert find_family(load_manifest(tiny_bundle).family).graphs is not None
    build(tiny_bundle, "tensorrt", buffer=tiny_buffer)
    build(tiny_bundle, "tensorrt")
    measured, unknown = (options.largest for options in asked)
    assert set(measured) == PARTS and all(0 < value < 1e3 for value in measured.values())
    assert unknown == {}


def test_a_machine_that_cannot_build_is_refused_before_the_measuring(tiny_bundle, tmp_path):
    with pytest.raises(BackendError, match=r"TensorRT|GPU"):
        build(tiny_bundle, "tensorrt", buffer=tmp_path / "no buffer")
