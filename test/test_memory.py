# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.memory import available_memory, held_memory

FREE = 2_048_000_000
VERSION_1 = {
    "memory/memory.limit_in_bytes": "1500000000",
    "memory/memory.usage_in_bytes": "200000000",
    "memory/memory.stat": "inactive_file 5\ntotal_inactive_file 100000000",
}
VERSION_2 = {
    "memory.max": "1500000000",
    "memory.current": "200000000",
    "memory.stat": "anon 100000000\ninactive_file 100000000",
}


def kernel_that_tells(root, groups, files):
    """A file system with the kernel's files: of the whole system, and of control groups."""
    told = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    told["proc/meminfo"] = "MemTotal: 9 kB\nMemAvailable:    2000000 kB"
    told["proc/self/cgroup"] = groups
    for name, text in told.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "free"),
    [
        ("0::/", {}, FREE),
        ("0::/", VERSION_2, 1_400_000_000),
        ("0::/", {**VERSION_2, "memory.max": "max"}, FREE),
        ("0::/", {**VERSION_2, "memory.current": "1700000000"}, 0),
        ("0::/a.slice/b", {f"a.slice/{name}": text for name, text in VERSION_2.items()}, 1.4e9),
        ("3:cpu:/\n4:memory:/outside/of/here\n0::/", VERSION_1, 1_400_000_000),
        ("4:memory:/", {**VERSION_1, "memory/memory.limit_in_bytes": str(2**63 - 4096)}, FREE),
    ],
    ids=["no limit", "v2", "v2 max", "v2 full", "v2 around", "v1 in a container", "v1 no limit"],
)
def test_a_container_has_no_more_than_its_own_limit_leaves(tmp_path, groups, files, free):
    assert available_memory(kernel_that_tells(tmp_path, groups, files)) == free


def test_a_system_that_tells_nothing(tmp_path):
    assert available_memory(tmp_path) is None


def test_this_process_and_this_machine_tell():
    assert held_memory() > 1_000_000
    assert available_memory() > 1_000_000
