# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the published size is understood whole, and no weight of it is read for that.

Its file is sparse: the header and the size are those of 8 GB of weights, and nothing lies between.
"""

from __future__ import annotations

import json
import resource
import struct

from safetensors.torch import save_file
from support.parity import PARITY

from calib_tools.import_.command import ImportSettings, read_checkpoint
from quantvla_ros.models.pi05.config import Pi05Config
from studies.full_size.pi05 import PUBLISHED

NAMES = {"bfloat16": "BF16", "float32": "F32"}


def write_sparse(path, tensors):
    header, place = {}, 0
    for name, tensor in tensors.items():
        kind = NAMES[str(tensor.dtype).removeprefix("torch.")]
        header[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.nbytes],
        }
        place += tensor.nbytes
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + place)
    return place


def test_the_published_size_is_imported_but_for_its_numbers(tmp_path):
    total = write_sparse(tmp_path / "model.safetensors", PUBLISHED.tensors())
    assert total > 7e9
    for name, content in PUBLISHED.files().items():
        (tmp_path / name).write_text(json.dumps(content))
    for name, tensors in PUBLISHED.statistics().items():
        save_file({key: value.clone() for key, value in tensors.items()}, tmp_path / name)
    tokenizer = PARITY / "pi05/hub/google/paligemma-3b-pt-224"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = read_checkpoint(tmp_path, ImportSettings("so101", rate=30.0, tokenizer=tokenizer))
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 3e8
    sizes = Pi05Config(cameras=2, horizon=50, state_in_prompt=6)
    assert made.manifest.architecture == sizes.model_dump(mode="json")
    assert len(made.weights) == 810
    # All but the expert's table of logits and the language model's last norm.
    assert made.weights.bytes == total - 2 * 257152 * 1024 - 4 * 2048
