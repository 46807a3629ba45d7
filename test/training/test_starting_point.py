# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.tiny_run import TINY, tiny_config

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.mini_pi05.network import MiniPi05
from training import starting_point as module
from training.architectures import mini_pi05, smolvla
from training.starting_point import CHECKPOINT, STATISTICS, starting_point

PANDA = Path(__file__).parents[2] / "policies" / "panda"


def test_the_bundled_policy_can_be_trained_further():
    point = starting_point(PANDA, mini_pi05.ARCHITECTURE)
    assert point.heads is None
    MiniPi05(point.config).load_state_dict(point.weights)
    assert point.statistics.state_mean.shape == (11,)
    assert point.statistics.action_std.shape == (16, 8)
    assert all(values.dtype == np.float32 for values in vars(point.statistics).values())


def test_a_narrow_run_starts_a_wide_one(tmp_path):
    narrow = MiniPi05(tiny_config(narrow=True))
    sizes, weights = narrow.config.model_dump(), narrow.state_dict()
    state = {"family": "mini_pi05", "config": sizes, "average": weights, "heads": {}}
    torch.save(state, tmp_path / CHECKPOINT)
    names = ("state_mean", "state_std", "action_mean", "action_std")
    with (tmp_path / STATISTICS).open("wb") as stream:
        np.savez(stream, **{name: np.full(3, k) for k, name in enumerate(names)})
    point = starting_point(tmp_path, TINY)
    assert point.config == narrow.config
    assert point.statistics.action_std.tolist() == [3, 3, 3]
    with pytest.raises(QuantVLAError, match="has other sizes than the one to train"):
        starting_point(tmp_path, mini_pi05.ARCHITECTURE)


def test_what_cannot_be_trained_is_refused(tmp_path, monkeypatch):
    with pytest.raises(QuantVLAError, match="neither a training run nor a bundle"):
        starting_point(tmp_path, mini_pi05.ARCHITECTURE)
    others = replace(mini_pi05.ARCHITECTURE, tokenizer_json=lambda: "other words")
    with pytest.raises(QuantVLAError, match="knows other words than the task families"):
        starting_point(PANDA, others)
    with pytest.raises(QuantVLAError, match=r"of the family mini_pi05.*say --network mini_pi05"):
        starting_point(PANDA, smolvla.ARCHITECTURE)
    manifest = SimpleNamespace(quantization="w8a8", family="mini_pi05")
    quantized = SimpleNamespace(manifest=manifest)
    monkeypatch.setattr(module, "load_bundle", lambda path: quantized)
    with pytest.raises(QuantVLAError, match="is quantized; start from a float bundle"):
        starting_point(PANDA, mini_pi05.ARCHITECTURE)
