# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

HOLES = """
import os, torch
from calib_tools.quantize.heap import trim_heap

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

# The first large block that is freed teaches glibc to take those of its size from the heap.
torch.ones(7_000_000)
tensors = [torch.ones(1_000_000) for _ in range(40)]
full = held()
del tensors[::2]
before = held()
trim_heap()
print((full - before) / 80e6, (full - held()) / 80e6)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory")
def test_memory_freed_between_tensors_goes_back():
    run = [sys.executable, "-c", HOLES]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=os.environ)
    kept, trimmed = map(float, done.stdout.split())
    assert kept < 0.2 and trimmed > 0.9
