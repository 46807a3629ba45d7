# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from support.tiny_policy import FLOW, HORIZON, JOINTS, network_inputs, noise, tiny_network

from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.models.guidance import PrefixGuidance, prefix_weights


def test_weights_are_those_of_the_papers_equation_5():
    weights = prefix_weights(10, 3, 7)
    assert weights[:3].tolist() == [1, 1, 1]
    for row in range(3, 7):
        c = (7 - row) / (7 - 3 + 1)
        expected = c * (math.exp(c) - 1) / (math.e - 1)
        assert float(weights[row]) == pytest.approx(expected, abs=1e-6)
    assert weights[7:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("committed", "known"), [(0, 0), (0, 1), (0, 6), (3, 3), (6, 6), (2, 5)])
def test_weights_fall_from_the_committed_rows_to_nothing(committed, known):
    weights = prefix_weights(6, committed, known)
    assert (weights.diff() <= 0).all()
    assert (weights[:committed] == 1).all()
    assert (weights[known:] == 0).all()
    assert ((weights[committed:known] > 0) & (weights[committed:known] < 1)).all()


def run(guidance, flow=FLOW):
    network = tiny_network()
    return normalized_chunk(network, noise(), network.encode(network_inputs()), flow, guidance)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_committed_rows_come_out_as_they_were_given(steps):
    target = torch.randn(1, 3, len(JOINTS), generator=torch.Generator().manual_seed(3))
    out = run(PrefixGuidance(target, 3, HORIZON, len(JOINTS)), Flow(steps))
    torch.testing.assert_close(out[:, :3], target)


class Field:
    """The straight flow to an action of its own, `WISH`, whatever the rows before do."""

    def __init__(self):
        self.seen = []

    def velocity(self, x_t, time, context):
        self.seen.append((time, x_t.clone()))
        return (x_t - WISH) / time


WISH = 7.0


def test_soft_rows_end_between_target_and_wish_the_earlier_the_nearer():
    target = torch.full((1, 4, 1), 3.0)
    guidance = PrefixGuidance(target, 1, 6, len(JOINTS))
    out = normalized_chunk(Field(), torch.zeros(1, 6, 1), None, Flow(5), guidance)[0, :, 0]
    assert out[0] == pytest.approx(3.0, abs=1e-6)
    assert (out[:5].diff() > 0).all()
    assert out[4:].tolist() == pytest.approx([WISH, WISH])
    weights = prefix_weights(6, 1, 4)
    torch.testing.assert_close(out, weights * 3.0 + (1 - weights) * WISH)


def test_rows_without_a_target_follow_by_attention():
    free = run(None)
    out = run(PrefixGuidance(free[:, :2] + 1.0, 2, HORIZON, len(JOINTS)))
    assert (out[:, 2:] - free[:, 2:]).abs().max() > 1e-3


def test_equal_noise_gives_equal_chunks():
    guidance = PrefixGuidance(torch.ones(1, 2, len(JOINTS)), 1, HORIZON, len(JOINTS))
    assert torch.equal(run(guidance), run(guidance))


def test_a_path_straight_to_the_target_is_what_the_network_sees():
    target, start, field = torch.full((1, 2, 1), 3.0), torch.full((1, 2, 1), -1.0), Field()
    normalized_chunk(field, start, None, Flow(4), PrefixGuidance(target, 2, 2, target.shape[2]))
    assert len(field.seen) == 4
    for t, x in field.seen:
        torch.testing.assert_close(x, t * start + (1 - t) * target)
