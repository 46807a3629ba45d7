# SPDX-License-Identifier: Apache-2.0
"""Import and quantization of a deep network need no more memory of their own than of a flat one.

Memory of their own is anonymous: pages of the weights' file that are mapped can always be dropped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, shutil, sys, threading, time
from pathlib import Path

import torch
from safetensors.torch import save_file
from support.parity import PARITY
from support.tiny_pi05 import imported, observations

from calib_tools.quantize.heap import trim_heap
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.quantization import layerwise
from studies.full_size.pi05 import tensors

layerwise.WIDENED_BYTES = 0
SIZES = dict(
    vocabulary=504, image_size=56, vision_width=48, vision_layers=1, vision_heads=4, vision_mlp=64,
    width=512, heads=8, kv_heads=1, head_width=64, mlp=2048, expert_width=256, expert_mlp=512,
)

def anonymous():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])

class Peak(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        trim_heap()
        self.start_bytes = self.most = anonymous()
        self.over = threading.Event()
        self.start()
    def run(self):
        while not self.over.wait(0.002):
            self.most = max(self.most, anonymous())
    def grown(self):
        self.over.set()
        self.join()
        return (self.most - self.start_bytes) / 1e6

def checkpoint(folder, layers):
    path = folder / f"checkpoint{layers}"
    shutil.copytree(PARITY / "pi05", path, ignore=shutil.ignore_patterns("*.safetensors"))
    for file in (PARITY / "pi05").glob("policy_*.safetensors"):
        shutil.copy(file, path)
    path.chmod(0o755)
    sizes = Pi05Config(cameras=2, horizon=8, state_in_prompt=8, layers=layers, **SIZES)
    torch.manual_seed(0)
    made = {}
    for name, place in tensors(sizes).items():
        values = torch.randn(place.shape) * (0.1 if place.ndim == 1 else place[0].numel() ** -0.5)
        made[name] = values.to(place.dtype)
    save_file(made, path / "model.safetensors")
    return path

def measured(folder, layers):
    path = checkpoint(folder, layers)
    made = imported(path, sizes=dict(head_width=64, vision_heads=4))
    watch = Peak()
    source = folder / f"float{layers}"
    save_bundle(source, made.manifest, made.weights, made.tokenizer_json)
    importing = watch.grown()
    seen = observations(12)
    watch = Peak()
    quantize_bundle(
        source, Samples(seen[:4], seen[4:], "0" * 64),
        Recipe(scheme="w4a8", rounding="clip", corrections=()),
        folder / f"int4_{layers}", True, None, lambda text, share: None,
    )
    return importing, watch.grown(), (source / "weights.safetensors").stat().st_size / 1e6

folder = Path(sys.argv[1])
measured(folder, 1)  # libraries and their threads
print(json.dumps({layers: measured(folder, layers) for layers in (2, 8)}))
"""

EVEN_HEAP = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is counted in /proc")
def test_memory_grows_with_a_block_and_not_with_the_network(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={**os.environ, **EVEN_HEAP, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (flat_import, flat, small), (deep_import, deep, large) = json.loads(done.stdout).values()
    added = large - small  # of 16-bit weights
    assert added > 40
    # A tensor at a time, whatever the depth.
    assert deep_import < flat_import + 0.1 * added
    # What is added is the result: integers of half a byte a weight, and the head's float layers.
    assert deep - flat < 0.7 * added  # 0.5 to 0.61; a network that is held whole adds 1.0
