# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("mujoco")

from calib_tools.buffer.sources import MINIMUM_SAMPLES, load_config
from calib_tools.buffer.store import HELD_OUT_EVERY
from calib_tools.demo.run import SAMPLES
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.gate import load_thresholds

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


SENTENCES = [
    (("min_samples: 32", "min_samples: 16"), r"min_samples: 16 samples are too few.* at least 32"),
    (("topic: /wrist/image_raw", "topic: wrist/image_raw"), r"cameras\.wrist\.topic"),
    (("topic: /wrist/image_raw", "topic: /wrist/image raw"), r"cameras\.wrist\.topic"),
    (("max_age_s: 0.2", "max_age: 0.2"), r"joint_states\.max_age"),
    (("max_age_s: 0.2", "max_age_s: .inf"), r"joint_states\.max_age_s: .*finite"),
    (("max_age_s: 0.2", "max_age_s: 1e300"), r"joint_states\.max_age_s: "),
    (("candidates_per_sample: 3.0", "candidates_per_sample: .inf"), r"candidates_per_sample: "),
    (("instruction:", "colour: red\ninstruction:"), r"colour: "),
    (
        ("/wrist/image_raw", "/front/image_raw"),
        r"same topic: 'front' and 'wrist' both '/front/image_raw'",
    ),
    (
        ("/wrist/image_raw", "/front/image_raw/compressed"),
        r"same topic: 'front' and 'wrist' both '/front/image_raw/compressed'",
    ),
    (("topic: /joint_states", "topic: /instruction"), r"'joint states' and 'instruction' both"),
    (("panda_joint2", "panda_joint1"), r"joint_states\.names: joint 'panda_joint1' is named twice"),
    (("panda_joint2", '""'), r"joint_states\.names: a joint has no name"),
    (("  wrist:", "  joint states:"), r"cameras: 'joint states' is the name of another source"),
    (("  wrist:", "  instruction:"), r"cameras: 'instruction' is the name of another source"),
    (("  wrist:", "  front:"), r"not valid YAML in line 8: 'front' stands twice"),
    (("  wrist:", "  '':"), r"cameras: a camera has no name"),
    (("cameras: ", "cameras: ["), r"not valid YAML in line \d+"),
    (("min_samples: 32", "min_samples: 2001-13-45"), r"not valid YAML"),
    (("min_samples: 32", "min_samples: \0"), r"no text in UTF-8"),
]


@pytest.mark.parametrize(("change", "text"), SENTENCES)
def test_a_wrong_field_is_named(tmp_path, change, text):
    path = tmp_path / "config.yaml"
    content = EXAMPLE.read_text()
    assert change[0] in content
    path.write_text(content.replace(*change))
    refused(path, text)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"cameras": {}}, r"cameras: "),
        ({"cameras": []}, r"cameras: "),
        ({"cameras": None}, r"cameras: "),
        ({"joint_states": {"names": []}}, r"joint_states\.names: "),
        ({"joint_states": {"names": [1, 2]}}, r"joint_states\.names\.0: "),
        ({"joint_states": {}}, r"joint_states\.names: "),
    ],
    ids=str,
)
def test_what_is_empty_is_named(tmp_path, part, text):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text()) | part))
    refused(path, text)


def test_an_empty_file_and_another_encoding_are_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.touch()
    refused(path, "the whole: ")
    path.write_bytes(EXAMPLE.read_text().replace("# Sources", "# Größen").encode("latin-1"))
    refused(path, r"no text in UTF-8 \(at byte \d+\)")


def refused(path, text):
    with pytest.raises(QuantVLAError, match=text) as error:
        load_config(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_person_writes_in_other_encodings_of_unicode_is_read(tmp_path):
    path = tmp_path / "config.yaml"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(EXAMPLE.read_text(), encoding=encoding)
        assert load_config(path) == load_config(EXAMPLE)


def test_the_minimum_is_what_the_gate_needs():
    assert HELD_OUT_EVERY * load_thresholds().samples == MINIMUM_SAMPLES
    assert MINIMUM_SAMPLES == load_config(EXAMPLE).min_samples <= SAMPLES


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(QuantVLAError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
