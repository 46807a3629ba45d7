# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.models.guidance import PrefixGuidance


class Constant:
    def __init__(self):
        self.times = []

    def velocity(self, x_t, time, context):
        self.times.append(time)
        return torch.full_like(x_t, 2.0)


@pytest.mark.parametrize(
    ("flow", "times", "end"),
    [
        (Flow(4), [1.0, 0.75, 0.5, 0.25], -2.0),
        (Flow(4, noise_time=0.0, action_time=1.0), [0.0, 0.25, 0.5, 0.75], 2.0),
    ],
)
def test_integration_is_euler_from_noise_to_action(flow, times, end):
    field = Constant()
    out = normalized_chunk(field, torch.zeros(1, 2, 2), None, flow)
    torch.testing.assert_close(out, torch.full((1, 2, 2), end))
    assert field.times == times


def test_every_step_is_given_once_it_is_done():
    field, flow = Constant(), Flow(3)
    steps = flow.integrate(lambda x, t: field.velocity(x, t, None), torch.zeros(1, 2, 2))
    for count, step in enumerate(steps, start=1):
        assert len(field.times) == count
        torch.testing.assert_close(step.x_next, step.x_t - step.velocity / 3)
    assert count == 3


@pytest.mark.parametrize("flow", [Flow(3), Flow(3, noise_time=0.0, action_time=1.0)])
def test_guided_rows_reach_their_target_whichever_way_time_runs(flow):
    target = torch.tensor([[[3.0, -1.0]]])
    guidance = PrefixGuidance(target, committed=1, horizon=2, width=target.shape[2])
    out = normalized_chunk(Constant(), torch.ones(1, 2, 2), None, flow, guidance)
    torch.testing.assert_close(out[:, :1], target)
    free = normalized_chunk(Constant(), torch.ones(1, 2, 2), None, flow)
    torch.testing.assert_close(out[:, 1:], free[:, 1:])
