# SPDX-License-Identifier: Apache-2.0
"""The parameter model: ranges, sentences, and defaults shared with the motion controller."""

from __future__ import annotations

import pytest

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.parameter_table import ParameterError, parameter_table, validate


def test_defaults_are_valid_and_those_of_the_motion_controller():
    config = validate({}).motion_config()
    defaults = MotionConfig()
    assert config.execute_steps == defaults.execute_steps
    assert config.stop_s == defaults.stop_s
    assert config.joint_state_age_s == validate({}).max_joint_age_s


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"control_rate_hz": 5.0},
            "'control_rate_hz' is 5.0, it must be of type double from 20 to 200",
        ),
        ({"threads": 0}, "'threads' is 0, it must be of type int from 1 to 64"),
        (
            {"image_transport": "zip"},
            "'image_transport' is 'zip', it must be of type string from raw, compressed",
        ),
        ({"realtime_chunking": "yes"}, "'realtime_chunking' is 'yes', it must be of type bool"),
        ({"stop_s": float("nan")}, "'stop_s' is nan"),
        ({"speed": 1}, "'speed' is unknown"),
    ],
)
def test_bad_value_is_refused_by_name(values, sentence):
    with pytest.raises(ParameterError, match=sentence):
        validate(values)


def test_figures_that_do_not_fit_each_other_are_refused():
    with pytest.raises(QuantVLAError, match="window_s"):
        validate({"window_s": 0.05, "lookahead_s": 0.1}).motion_config()


def test_every_parameter_has_a_text_and_every_number_a_range():
    for info in parameter_table():
        assert info.text.endswith("."), info.name
        if info.kind in ("int", "double"):
            assert info.lower is not None, info.name
            assert info.upper is not None, info.name
            assert info.lower <= info.default <= info.upper, info.name
