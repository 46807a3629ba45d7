# SPDX-License-Identifier: Apache-2.0
"""The cache of compiled code gives each CPU its own, and no half-written library to anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from quantvla_ros.backends.code_cache import discard_broken_library

COMPILE = """
import re, sys
import torch
from quantvla_ros.backends.compiled import _compile
class Network(torch.nn.Module):
    def forward(self, x):
        return (torch.relu(x) * float(sys.argv[1]),)
x = torch.arange(-2.0, 3.0)
with torch.no_grad():
    print(_compile(Network(), (x,))(x)[0].tolist())
print(set(re.findall(r"/\\S+[.]main[.]so", open("/proc/self/maps").read())).pop())
"""


def start(number: int, cache: Path, **environment: str) -> tuple[list[float], Path]:
    """Compile in a process of its own; what the code computes, and its library."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(number)],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    values, library = done.stdout.splitlines()
    return json.loads(values), Path(library)


def expected(number: int) -> list[float]:
    return [0.0, 0.0, 0.0, number, 2 * number]


@pytest.mark.timeout(600)
def test_a_library_that_a_killed_process_left_half_written_is_made_again(tmp_path):
    values, library = start(7, tmp_path)
    assert values == expected(7)
    library.write_bytes(b"")
    assert start(7, tmp_path) == (expected(7), library)
    assert library.stat().st_size


@pytest.mark.timeout(600)
@pytest.mark.parametrize("narrower", ["avx2", "default"])
def test_code_for_other_vectors_is_not_taken_from_the_cache(tmp_path, narrower):
    _, library = start(7, tmp_path)
    values, other = start(7, tmp_path, ATEN_CPU_CAPABILITY=narrower)
    assert values == expected(7)
    assert tmp_path in library.parents
    here = torch.backends.cpu.get_cpu_capability()
    same = here.lower() == narrower
    assert (other.relative_to(tmp_path).parts[0] == library.relative_to(tmp_path).parts[0]) is same


def test_an_import_that_fails_for_another_reason_is_told():
    assert not discard_broken_library(ImportError("no module", path=None))
    assert not discard_broken_library(ImportError("no module", path=__file__))
    assert Path(__file__).exists()
