# SPDX-License-Identifier: Apache-2.0
import torch

from quantvla_ros.quantization.token_sample import PEAKS, SPREAD, TokenCollector


def test_a_giant_first_token_of_each_sequence_weighs_what_it_is():
    collector = TokenCollector(4)
    for _ in range(16):
        tokens = torch.ones(512, 4)
        tokens[0] = 1000
        collector.add(tokens)
    sample = collector.finish()
    giant = sample.tokens[:, 0] > 1
    assert SPREAD // 2 + PEAKS <= len(sample.weights) <= SPREAD + PEAKS
    assert 16 <= int(sample.weights[giant].sum()) < 16 * 8  # all are kept, and few stand for more
    assert abs(float(sample.weights.sum()) / (16 * 512 + PEAKS) - 1) < 0.01
