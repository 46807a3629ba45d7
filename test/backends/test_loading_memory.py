# SPDX-License-Identifier: Apache-2.0
"""What loading a bundle holds: its weights once, and on `cpu` their packed form beside them."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A tiny bundle is run first, so that libraries and their threads are not counted. The peak is what
# the kernel counts as resident, pages of the mapped file included.
PROGRAM = """
import sys
from pathlib import Path

from quantvla_ros.backends.policy import load_policy, policy_of
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.quantization.network import load_network
from quantvla_ros.processing.noise import draw_noise
from studies.random_policy import random_observations

observation = random_observations(1, 64)[0]

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))

def run(path):
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    bundle = load_bundle(path)
    network = load_network(bundle)
    loaded = kilobytes("VmHWM") - before
    policy = policy_of(bundle, network)
    policy.infer(observation, draw_noise(bundle.manifest, 0, 0))
    return loaded * 1024, (kilobytes("VmHWM") - before) * 1024, policy.weight_bytes()

def load(path):
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    policy = load_policy(path, "cpu")
    return (kilobytes("VmHWM") - before) * 1024, policy.weight_bytes()

measure = {"reference": run, "cpu": load}[sys.argv[1]]
measure(Path(sys.argv[2]))
print(*measure(Path(sys.argv[3])))
"""

SIZES = dict(
    vocabulary=20000, image_size=64, horizon=8, width=960, layers=4, heads=15, kv_heads=5,
    mlp=2560, expert_width=720, expert_mlp=2048, vision_width=192, vision_layers=1, vision_heads=3,
)  # fmt: skip
TINY = dict(SIZES, width=64, mlp=64, expert_width=64, expert_mlp=64, vocabulary=256, heads=1,
            kv_heads=1, layers=1)  # fmt: skip


pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel resets no peak"),
    pytest.mark.slow,  # they measure the machine: alone
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Bytes of a large bundle's file, and what the program above prints on a backend."""
    from studies.random_policy import SMOLVLA_SIZED, save_random_bundle

    folder = tmp_path_factory.mktemp("bundles")
    for name, sizes in (("tiny", TINY), ("large", SIZES)):
        save_random_bundle(folder / name, SMOLVLA_SIZED.model_copy(update=sizes))

    def measure(backend):
        command = [sys.executable, "-c", PROGRAM, backend, folder / "tiny", folder / "large"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        size = (folder / "large" / "weights.safetensors").stat().st_size
        assert size > 100e6
        return size, *map(int, done.stdout.split())

    return measure


def test_loading_takes_the_bytes_of_the_file_and_a_tenth_at_most(measured):
    size, loaded, ready, held = measured("reference")
    print(f"file {size / 1e6:.1f} MB, loaded {loaded / size:.3f}, ready {ready / size:.3f}")
    assert 0.9 * size < loaded <= 1.1 * size
    # One layer at a time is widened for its product: the largest has 2.5 million weights.
    assert ready <= 1.1 * size + 30e6
    assert held <= 1.1 * size


def test_packing_for_the_cpu_takes_the_file_and_its_float32_form(measured):
    size, peak, held = measured("cpu")
    print(f"file {size / 1e6:.1f} MB, peak {peak / size:.3f}, held {held / size:.3f}")
    # The table of words stays in 16 bits, the last language layer's unused linears go.
    assert 1.2 * size < held < 2.0 * size and peak <= 3.1 * size + 60e6
