# SPDX-License-Identifier: Apache-2.0
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from quantvla_ros.quantization.nibbles import pack_nibbles, unpack_nibbles


@given(rows=st.integers(1, 9), columns=st.integers(1, 80), seed=st.integers(0, 2**32 - 1))
@example(rows=16, columns=1, seed=0)
def test_nibbles_come_back(rows, columns, seed):
    draw = torch.Generator().manual_seed(seed)
    values = torch.randint(-7, 8, (rows, columns), dtype=torch.int8, generator=draw)
    packed = pack_nibbles(values)
    assert packed.shape == (rows, (columns + 1) // 2)
    assert torch.equal(unpack_nibbles(packed, columns), values)
