# SPDX-License-Identifier: Apache-2.0
"""Loading a bundle holds its weights once, in the 16 bits of the file."""

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

run(Path(sys.argv[1]))
print(*run(Path(sys.argv[2])))
"""

SIZES = dict(
    vocabulary=20000, image_size=64, horizon=8, width=960, layers=4, heads=15, kv_heads=5,
    mlp=2560, expert_width=720, expert_mlp=2048, vision_width=192, vision_layers=1, vision_heads=3,
)  # fmt: skip
TINY = dict(SIZES, width=64, mlp=64, expert_width=64, expert_mlp=64, vocabulary=256, heads=1,
            kv_heads=1, layers=1)  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel resets no peak")
@pytest.mark.slow  # it measures the machine: alone
def test_loading_takes_the_bytes_of_the_file_and_a_tenth_at_most(tmp_path):
    from studies.random_policy import SMOLVLA_SIZED, save_random_bundle

    for name, sizes in (("tiny", TINY), ("large", SIZES)):
        save_random_bundle(tmp_path / name, SMOLVLA_SIZED.model_copy(update=sizes))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "tiny"), str(tmp_path / "large")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded, ready, held = map(int, done.stdout.split())
    size = (tmp_path / "large" / "weights.safetensors").stat().st_size
    print(f"file {size / 1e6:.1f} MB, loaded {loaded / size:.3f}, ready {ready / size:.3f}")
    assert size > 100e6
    assert 0.9 * size < loaded <= 1.1 * size
    # One layer at a time is widened for its product: the largest has 2.5 million weights.
    assert ready <= 1.1 * size + 30e6
    assert held <= 1.1 * size
