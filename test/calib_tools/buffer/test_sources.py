# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from calib_tools.buffer.sources import load_config
from quantvla_ros.errors import QuantVLAError

EXAMPLE = Path(__file__).parents[3] / "config" / "calibration.yaml"


def test_the_example_configuration_is_valid_and_states_the_defaults():
    config = load_config(EXAMPLE)
    assert config.reference == "front"
    assert list(config.topics()) == [
        "/front/image_raw",
        "/wrist/image_raw",
        "/joint_states",
        "/instruction",
    ]
    sources = config.model_dump(exclude={"cameras", "joint_states"})
    fields = type(config).model_fields
    for name, value in sources.items():
        default = fields[name].default
        assert value == (default.model_dump() if hasattr(default, "model_dump") else default)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("min_samples: 16", "min_samples: 3"), "min_samples"),
        (("topic: /wrist/image_raw", "topic: wrist/image_raw"), "cameras.wrist.topic"),
        (("max_age_s: 0.2", "max_age: 0.2"), "joint_states.max_age"),
        (("/wrist/image_raw", "/front/image_raw"), "same topic"),
        (("cameras: ", "cameras: ["), "YAML"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, text):
    path = tmp_path / "config.yaml"
    path.write_text(EXAMPLE.read_text().replace(*change))
    with pytest.raises(QuantVLAError, match=text) as error:
        load_config(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(QuantVLAError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
