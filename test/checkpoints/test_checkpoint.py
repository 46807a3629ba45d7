# SPDX-License-Identifier: Apache-2.0
"""Tensors of a checkpoint by name: one file and shards, old buffers, tied names, LoRA."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import save_file
from support.parity import PARITY

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def write(folder, tensors, metadata=None):
    save_file(tensors, folder / "model.safetensors", metadata)
    return open_checkpoint(folder)


def test_names_lose_what_compilers_and_old_lerobot_left_there(folder):
    tensors = {
        "model._orig_mod.a.weight": torch.ones(2, dtype=torch.bfloat16),
        "normalize_inputs.buffer_observation_state.mean": torch.zeros(1),
        "unnormalize_outputs.buffer_action.std": torch.zeros(1),
    }
    checkpoint = write(
        folder, tensors, {"format": "pt", "model.b.weight": "model._orig_mod.a.weight"}
    )
    assert list(checkpoint.sources) == ["model.a.weight"] and len(checkpoint.buffers) == 2
    weights = Weights(checkpoint, prefix="model.")
    weights.copy("own", weights.first("b.weight", "a.weight"))  # tied, and not stored itself
    weights.check({"own": torch.empty(2)})
    assert weights["own"].dtype == torch.bfloat16 and weights.bytes == 4


def test_a_folder_of_training_is_opened_where_its_weights_are(folder):
    (folder / "pretrained_model").mkdir()
    (folder / "config.json").rename(folder / "pretrained_model" / "config.json")
    save_file({"a": torch.ones(1)}, folder / "pretrained_model" / "model.safetensors")
    assert open_checkpoint(folder).path == folder / "pretrained_model"


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda f: (f / "config.json").unlink(), "config.json cannot be read"),
        (lambda f: (f / "params").mkdir(), "JAX checkpoint"),
        (lambda f: (f / "pytorch_model.bin").touch(), "pytorch_model.bin, a pickle"),
        (lambda f: None, "holds neither model.safetensors nor"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x09" * 20), "no whole safetensors"),
        (lambda f: index(f, {"a": "x.safetensors"}), "x.safetensors cannot be read"),
        (lambda f: index(f, {"a": "../x.safetensors"}), "is no file beside it"),
        (
            lambda f: index(f, {"odd": "one.safetensors"}, "one"),
            "one.safetensors and not in model.safetensors.index",
        ),
    ],
)
def test_what_cannot_be_read_names_file_and_way_out(folder, make, said):
    make(folder)
    with pytest.raises(CheckpointError, match=said):
        open_checkpoint(folder)


def index(folder, listed, written=None):
    if written:
        save_file({"a": torch.ones(1)}, folder / f"{written}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = shutil.copytree(PARITY / "pi05", tmp_path / "cut")
    data = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(data[:-1])
    with pytest.raises(CheckpointError, match="should have"):
        open_checkpoint(path)


NAMES = {
    "linear": "model.layers.0.q_proj",
    "stored": "model.layers.0.conv",
    "words": "model.embed",
}


def adapter(folder, tensors, **config):
    said = {"peft_type": "LORA", "lora_alpha": 8, "r": 2} | config
    (folder / "adapter_config.json").write_text(json.dumps(said))
    named = {f"base_model.model.{name}": tensor for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_lora_is_merged_as_peft_does(folder, rslora, transposed):
    torch.manual_seed(0)
    down, up = torch.randn(2, 6), torch.randn(4, 2)
    scale = 8 / math.sqrt(2) if rslora else 8 / 2
    change = scale * (up @ down)
    weight = torch.randn(6, 4) if transposed else torch.randn(4, 6)
    words = torch.randn(10, 3)
    down_words, up_words = torch.randn(2, 10), torch.randn(3, 2)
    bias, head = torch.randn(4), torch.randn(2, 2)
    base = {
        f"{NAMES['linear']}.weight": weight.bfloat16(),
        f"{NAMES['linear']}.bias": torch.zeros(4),
        f"{NAMES['words']}.weight": words,
        "model.head.weight": torch.zeros(2, 2),
    }
    save_file(base, folder / "model.safetensors")
    adapter(
        folder,
        {
            f"{NAMES['linear']}.lora_A.weight": down,
            f"{NAMES['linear']}.lora_B.weight": up,
            f"{NAMES['linear']}.bias": bias,
            f"{NAMES['words']}.lora_embedding_A": down_words,
            f"{NAMES['words']}.lora_embedding_B": up_words,
            "model.head.modules_to_save.default.weight": head,
        },
        use_rslora=rslora,
        fan_in_fan_out=transposed,
        alpha_pattern={"embed": 2},
    )
    found = open_checkpoint(folder).sources
    merged = found[f"{NAMES['linear']}.weight"].read()
    expected = weight.bfloat16().float() + (change.T if transposed else change)
    assert merged.dtype == torch.bfloat16 and torch.equal(merged, expected.bfloat16())
    alpha = 2 / (math.sqrt(2) if rslora else 2)
    difference = found[f"{NAMES['words']}.weight"].read() - words
    torch.testing.assert_close(difference, alpha * (up_words @ down_words).T)
    assert torch.equal(found[f"{NAMES['linear']}.bias"].read(), bias)
    assert torch.equal(found["model.head.weight"].read(), head)


def test_an_adapter_without_its_base_says_where_it_is_expected(folder, tmp_path_factory):
    adapter(folder, {"a.lora_A.weight": torch.ones(1, 2)}, base_model_name_or_path="some/base")
    with pytest.raises(CheckpointError, match=r"LoRA adapter of 'some/base'.*--base DIR"):
        open_checkpoint(folder)
    base = tmp_path_factory.mktemp("base")
    save_file({"other.weight": torch.ones(2, 2)}, base / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"B of 'a.lora_A.weight' is not there"):
        open_checkpoint(folder, base)
    adapter(folder, {"a.lora_A.weight": torch.ones(1, 2)}, use_dora=True)
    with pytest.raises(CheckpointError, match="use_dora"):
        open_checkpoint(folder, base)
