# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from quantvla_ros.quantization.kept_outputs import KeptOutputs, can_be_kept, keep_outputs


def output(seed, rows=3):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, rows, 4, generator=generator)
    return {
        "pair": (values, values.transpose(1, 2)),
        "rest": [values.bfloat16(), values > 0, torch.tensor(float(seed)), torch.empty(0, 4)],
        "flag": True,
        "nothing": None,
    }


def test_what_is_read_is_what_was_kept_strides_and_types_too(tmp_path):
    given = [output(seed, rows=3 + seed) for seed in range(3)]
    kept = keep_outputs(tmp_path, "block", given)
    assert len(kept) == 3
    for before, after in zip(given, kept, strict=True):
        for one, two in zip(tree_leaves(before), tree_leaves(after), strict=True):
            if not isinstance(one, Tensor):
                assert one is two
                continue
            assert torch.equal(one, two) and one.dtype == two.dtype
            assert one.stride() == two.stride() or one.numel() == 0
            assert two.data_ptr() % 64 == 0 or two.numel() == 0


def test_writing_into_what_was_read_changes_nothing(tmp_path):
    kept = keep_outputs(tmp_path, "block", [output(0)])
    kept[0]["pair"][0].zero_()
    assert torch.equal(kept[0]["pair"][0], output(0)["pair"][0])


def test_what_was_interrupted_is_not_there(tmp_path):
    kept = KeptOutputs(tmp_path, "block", output(0))
    with pytest.raises(KeyboardInterrupt), kept.writing() as add:
        add(output(0))
        raise KeyboardInterrupt
    assert not kept.whole and list(tmp_path.iterdir()) == []


def test_only_tensors_and_plain_values_can_be_kept():
    assert can_be_kept(output(0))
    assert not can_be_kept([torch.zeros(1), object()])
