# SPDX-License-Identifier: Apache-2.0
"""A buffer read by programs that are not ours: the MCAP library, and rosbag2's rules."""

from __future__ import annotations

import io

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from PIL import Image
from support.humble_metadata import humble_problems

from calib_tools.buffer.store import load_buffer

pytest.importorskip("rclpy")  # a picture is taken out of its message by ROS


def test_the_mcap_library_reads_what_we_read(tiny_buffer):
    """It decodes by the definitions in the file, and finds the same pictures and joints."""
    ours = load_buffer(tiny_buffer)
    columns: dict[str, list] = {}
    with (tiny_buffer / "samples.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        for _, channel, _, message in reader.iter_decoded_messages():
            columns.setdefault(channel.topic, []).append(message)
    assert {topic: len(column) for topic, column in columns.items()} == {
        topic: len(ours.samples) for topic in ours.description.topics.values()
    }
    for i, sample in enumerate(ours.samples):
        for camera, pixels in sample.images.items():
            frame = columns[ours.description.topics[camera]][i]
            assert frame.format == "png"
            picture = np.array(Image.open(io.BytesIO(frame.data)))
            np.testing.assert_array_equal(picture, pixels)
        state = columns["/joint_states"][i]
        assert state.name == ours.description.sources.joint_states.names
        np.testing.assert_array_equal(np.float32(state.position), sample.joints)
        assert columns["/instruction"][i].data == sample.instruction


def test_humble_reads_the_metadata(tiny_buffer):
    assert humble_problems(tiny_buffer) == []


def test_humble_reads_no_list_of_qos_profiles(tiny_buffer, tmp_path):
    """What version 9 wrote, so that the check above is one."""
    content = yaml.safe_load((tiny_buffer / "metadata.yaml").read_text())
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = []
    (tmp_path / "samples.mcap").touch()
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(content))
    problems = humble_problems(tmp_path)
    assert len(problems) == 4 and all("offered_qos_profiles: []" in p for p in problems)


def test_jazzy_reads_the_metadata(tiny_buffer):
    """It reads up to 9, and from 6 on a `custom_data` that is a map or nothing."""
    content = yaml.safe_load((tiny_buffer / "metadata.yaml").read_text())
    information = content["rosbag2_bagfile_information"]
    assert information["version"] == 8
    assert information["custom_data"] in (None, {})
    assert isinstance(information["ros_distro"], str)
    for topic in information["topics_with_message_count"]:
        assert isinstance(topic["topic_metadata"]["type_description_hash"], str)
