# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.memory import available_memory, held_memory


@pytest.mark.parametrize(
    ("limit", "free"),
    [(None, 2_048_000_000), ("max", 2_048_000_000), ("1500000000", 1_400_000_000)],
)
def test_a_container_has_no_more_than_its_own_limit_leaves(tmp_path, limit, free):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2000000 kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text("100000000\n")
    assert available_memory(meminfo, tmp_path) == free


def test_a_system_that_tells_nothing(tmp_path):
    assert available_memory(tmp_path / "none", tmp_path) is None


def test_this_process_holds_some():
    assert held_memory() > 1_000_000
