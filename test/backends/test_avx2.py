# SPDX-License-Identifier: Apache-2.0
"""A CPU that is taken for one without VNNI: the kernels that are chosen and proved there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantvla_ros.backends.cpu.engine.build import c_compiler
from quantvla_ros.backends.cpu.engine.library import native_unit

VARIABLES = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
PRODUCTS = Path(__file__).parents[1] / "support" / "exact_products.py"


@pytest.mark.skipif(
    native_unit() not in ("avx2", "avxvnni", "vnni") or c_compiler() is None,
    reason="needs AVX2 and a C compiler",
)
def test_products_for_avx2_are_exact():
    """In a process of its own: the libraries read the variables once, when they are loaded."""
    done = subprocess.run(
        [sys.executable, str(PRODUCTS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **VARIABLES},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["vnni"]
    assert found["int8_bits"] == 7
    assert found["saturates"]
    assert found["kernels"] == {
        "8 dynamic": ["avx2 u7s8"],
        "8 static": ["avx2 u7s8"],
        "8 float": ["avx2 f32 on 8-bit weights"],
        "4 dynamic": ["u4s8"],
        "4 static": ["u4s8"],
        "4 float": ["avx2 f32 on 4-bit weights"],
    }
