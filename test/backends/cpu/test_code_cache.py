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
from support.process_life import import_path

from quantvla_ros.backends.cpu.code_cache import discard_broken_library

pytestmark = pytest.mark.slow  # PyTorch compiles for ten seconds each time

COMPILE = """
import re, sys
import torch
from quantvla_ros.backends.cpu.compiled import _compile
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(5), requires_grad=False)
    def forward(self, x):
        return (torch.relu(x) * self.weight * float(sys.argv[1]),)
x = torch.arange(-2.0, 3.0)
with torch.no_grad():
    print(_compile(Network(), (x,))(x)[0].tolist())
print(set(re.findall(r"/\\S+[.]main[.]so", open("/proc/self/maps").read())).pop())
print(torch._dynamo.utils.counters["aot_autograd"]["autograd_cache_hit"])
"""


def start(number: int, cache: Path, **environment: str) -> tuple[list[float], Path]:
    """Compile in a process of its own; what the code computes, and its library."""
    values, library, _ = run(COMPILE, number, cache, **environment)
    return json.loads(values), Path(library)


def run(program: str, number: int, cache: Path, **environment: str) -> list[str]:
    """What the program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(number)],
        env={
            **os.environ,
            "PYTHONPATH": import_path(),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def expected(number: int) -> list[float]:
    return [0.0, 0.0, 0.0, number, 2 * number]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def library(cache):
    """Compiled into the cache."""
    values, library = start(7, cache)
    assert values == expected(7)
    assert cache in library.parents
    return library


def test_a_library_that_a_killed_process_left_half_written_is_made_again(cache, library):
    library.write_bytes(b"")
    assert start(7, cache) == (expected(7), library)
    assert library.stat().st_size


@pytest.mark.parametrize("narrower", ["avx2", "default"])
def test_code_for_other_vectors_is_not_taken_from_the_cache(cache, library, narrower):
    values, other = start(7, cache, ATEN_CPU_CAPABILITY=narrower)
    assert values == expected(7)
    here = torch.backends.cpu.get_cpu_capability()
    same = here.lower() == narrower
    assert (other.relative_to(cache).parts[0] == library.relative_to(cache).parts[0]) is same


def test_another_program_finds_the_code(tmp_path):
    """Whichever of its modules imports torch first."""
    (tmp_path / "elsewhere.py").write_text(COMPILE)
    path = import_path(tmp_path)
    found = [
        run(way, 7, tmp_path / "cache", PYTHONPATH=path) for way in ("import elsewhere", COMPILE)
    ]
    assert [hits for *_, hits in found] == ["0", "1"]


def test_an_import_that_fails_for_another_reason_is_told():
    assert not discard_broken_library(ImportError("no module", path=None))
    assert not discard_broken_library(ImportError("no module", path=__file__))
    assert Path(__file__).exists()
