# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from calib_tools.evaluate.smoothness import path_length, rms_jerk


@pytest.mark.parametrize("rate", [50.0, 100.0])
def test_jerk_of_a_sine_is_that_of_its_formula_at_any_rate(rate):
    time = np.arange(0, 4 * np.pi, 1 / rate)
    velocities = np.stack([3.0 * np.sin(2 * time), np.zeros_like(time)], axis=1)
    assert rms_jerk(velocities, rate) == pytest.approx(3.0 * 4 / np.sqrt(2), rel=0.01)


def test_steady_acceleration_has_no_jerk_and_a_jump_has():
    steady = np.linspace(0, 1, 100)[:, None]
    assert rms_jerk(steady, 50.0) == pytest.approx(0, abs=1e-9)
    jump = np.repeat([[0.0], [0.1]], 50, axis=0)
    assert rms_jerk(jump, 50.0) > 10
    assert rms_jerk(jump[:2], 50.0) == 0.0


def test_the_way_is_the_sum_of_the_steps():
    positions = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])
    assert path_length(positions) == 10.0
