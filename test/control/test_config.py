# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.errors import QuantVLAError


def test_the_defaults_are_accepted() -> None:
    assert MotionConfig().execute_steps == 8


@pytest.mark.parametrize(
    ("name", "value"), [("blend_s", 0.0), ("stop_s", math.nan), ("execute_steps", -1)]
)
def test_a_figure_out_of_range_is_named(name, value) -> None:
    with pytest.raises(QuantVLAError, match=name):
        MotionConfig(**{name: value})


def test_a_window_must_outlast_the_look_ahead() -> None:
    with pytest.raises(QuantVLAError, match="lookahead_s"):
        MotionConfig(lookahead_s=0.2, window_s=0.2)
