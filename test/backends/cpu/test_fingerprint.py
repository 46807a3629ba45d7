# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform

import pytest

from quantvla_ros.backends.cpu.fingerprint import same_arithmetic
from quantvla_ros.processor import cpu_kind, has_vnni


def test_this_cpu_is_named_with_the_units_that_torch_finds_too() -> None:
    kind = cpu_kind()
    assert kind.startswith(platform.machine())
    assert ("vnni" in kind) == has_vnni()


def test_units_are_read_from_cpuinfo(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu avx2 avx512f sse\nprocessor : 1\n")
    assert cpu_kind(info) == "x86_64 avx2 avx512f"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    info = tmp_path / "arm"
    info.write_text("Features\t: fp asimd asimddp\n")
    assert cpu_kind(info) == "aarch64 asimd asimddp"
    assert cpu_kind(tmp_path / "none") == "aarch64"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("avx2 u7s8, 7-bit activations", "onednn u8s8, 7-bit activations", True),
        ("vnni u8s8, 8-bit activations", "onednn u8s8, 8-bit activations", True),
        ("onednn u8s8 and u4s8, 7-bit activations", "avx2 u7s8 and u4s8, 7-bit activations", True),
        ("onednn u8s8, 8-bit activations", "onednn u8s8, 7-bit activations", False),
        ("avx2 f32 on 8-bit weights", "torch f32 on 8-bit weights", False),
        ("reference", "avx2 u7s8, 7-bit activations", False),
    ],
)
def test_exact_kernels_stand_in_for_each_other(first, second, same) -> None:
    assert same_arithmetic(first, second) is same
