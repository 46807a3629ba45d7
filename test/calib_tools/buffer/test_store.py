# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import yaml

from calib_tools.buffer.collector import Collector
from calib_tools.buffer.store import load_buffer, write_buffer
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError

pytest.importorskip("rclpy")  # a picture is taken out of its message by ROS


def make(path, config, streams, wanted=32, force=False):
    collector = Collector(config, wanted)
    for message in streams.robot(wanted):
        collector.add(message)
    samples, counts = collector.finish()
    return write_buffer(path, config, samples, counts, ["live topics"], force)


def test_what_is_read_is_what_was_written(tmp_path, config, streams):
    path = tmp_path / "buffer"
    description = make(path, config, streams)
    buffer = load_buffer(path)
    assert buffer.description == description
    assert description.selection.kept == len(buffer.samples) == 32
    sample = buffer.samples[4]
    np.testing.assert_array_equal(sample.images["front"], streams.picture(20))
    np.testing.assert_array_equal(sample.images["wrist"], streams.picture(21))
    np.testing.assert_allclose(sample.joints, [0.4, -0.4, 0.04], atol=1e-6)
    assert sample.joints.dtype == np.float32
    assert sample.instruction == "put the milk in the basket"
    assert sample.stamp == pytest.approx(streams.start_ns * 1e-9 + 0.4)


def test_joints_are_found_by_the_policies_names_too(tmp_path, config, streams):
    own = config.joint_states.names
    source = config.joint_states.model_copy(update={"policy_names": {own[0]: "first.pos"}})
    make(tmp_path / "b", config.model_copy(update={"joint_states": source}), streams)
    whole = load_buffer(tmp_path / "b").samples[4].joints
    some = load_buffer(tmp_path / "b", [own[1], "first.pos"]).samples[4].joints
    np.testing.assert_array_equal(some, whole[[1, 0]])


def test_it_is_a_standard_bag_that_other_tools_open(tmp_path, config, streams):
    from rosbags.highlevel import AnyReader

    make(tmp_path / "buffer", config, streams)
    with AnyReader([tmp_path / "buffer"]) as reader:
        topics = {c.topic: (c.msgtype, c.msgcount) for c in reader.connections}
    assert topics == {
        "/front/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", 32),
        "/wrist/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", 32),
        "/joint_states": ("sensor_msgs/msg/JointState", 32),
        "/instruction": ("std_msgs/msg/String", 32),
    }


def test_a_quarter_is_held_out_and_the_split_is_whole(tmp_path, config, streams):
    make(tmp_path / "buffer", config, streams)
    buffer = load_buffer(tmp_path / "buffer")
    held_out = [s.stamp for s in buffer.held_out]
    calibration = [s.stamp for s in buffer.calibration]
    assert held_out == [s.stamp for s in buffer.samples[3::4]]
    assert len(held_out) == 8
    assert sorted(held_out + calibration) == [s.stamp for s in buffer.samples]


def test_joints_in_the_order_asked_for(tmp_path, config, streams):
    make(tmp_path / "buffer", config, streams)
    buffer = load_buffer(tmp_path / "buffer", ["finger", "shoulder"])
    np.testing.assert_allclose(buffer.samples[1].joints, [0.04, 0.1], atol=1e-6)


def test_a_joint_that_the_buffer_lacks_is_named(tmp_path, config, streams):
    make(tmp_path / "buffer", config, streams)
    with pytest.raises(CalibrationBufferError, match=r"'wheel'.*shoulder, elbow, finger"):
        load_buffer(tmp_path / "buffer", ["shoulder", "wheel"])


@pytest.mark.parametrize("name", ["metadata.yaml", "samples.mcap"])
def test_one_changed_byte_is_refused_by_file_name(tmp_path, config, streams, name):
    make(tmp_path / "buffer", config, streams)
    file = tmp_path / "buffer" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(CalibrationBufferError, match=name):
        load_buffer(tmp_path / "buffer")


def test_a_missing_file_is_named(tmp_path, config, streams):
    make(tmp_path / "buffer", config, streams)
    (tmp_path / "buffer" / "samples.mcap").unlink()
    with pytest.raises(CalibrationBufferError, match=r"lacks its file 'samples\.mcap'"):
        load_buffer(tmp_path / "buffer")


def test_another_schema_is_refused_with_both_versions(tmp_path, config, streams):
    make(tmp_path / "buffer", config, streams)
    file = tmp_path / "buffer" / "buffer.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"schema_version": 9}))
    with pytest.raises(CalibrationBufferError, match="schema version 9; known is 1"):
        load_buffer(tmp_path / "buffer")


def test_a_directory_without_a_buffer_says_how_to_make_one(tmp_path):
    with pytest.raises(CalibrationBufferError, match="quantvla record"):
        load_buffer(tmp_path)


def test_too_few_samples_are_refused(tmp_path, config, streams):
    collector = Collector(config, 32)
    for message in streams.robot(32):
        collector.add(message)
    samples, counts = collector.finish()
    write_buffer(tmp_path / "buffer", config, samples[:31], counts, [], False)
    with pytest.raises(CalibrationBufferError, match=r"has 31 samples; at least 32"):
        load_buffer(tmp_path / "buffer")


def test_a_buffer_of_an_older_configuration_is_read(tmp_path, config, streams):
    """When 16 samples were enough to record, that stood in every configuration."""
    make(tmp_path / "buffer", config.model_copy(update={"min_samples": 16}), streams)
    assert len(load_buffer(tmp_path / "buffer").samples) == 32


def test_an_existing_directory_is_kept_unless_forced(tmp_path, config, streams):
    path = tmp_path / "buffer"
    make(path, config, streams)
    (path / "mine.txt").write_text("keep")
    with pytest.raises(OutputExistsError, match="--force"):
        make(path, config, streams)
    assert (path / "mine.txt").exists()
    make(path, config, streams, force=True)
    assert not (path / "mine.txt").exists()
    assert len(load_buffer(path).samples) == 32


def test_nothing_half_written_remains(tmp_path, config, streams, monkeypatch):
    monkeypatch.setattr("calib_tools.buffer.messages.string", lambda text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "buffer", config, streams)
    assert list(tmp_path.iterdir()) == []


def test_the_order_of_samples_survives_clocks_that_overlap(tmp_path, config, streams):
    collector = Collector(config, 32)
    for message in streams.robot(30):
        collector.add(message)
    collector.new_stream()
    # The second bag has the same stamps but other joint positions.
    shifted = [
        streams.joints(streams.start_ns + i * 20_000_000, [5 + 0.02 * i, 0, 0])
        if m.topic == "/joint_states"
        else m
        for i, m in enumerate(streams.robot(30))
    ]
    for message in shifted:
        collector.add(message)
    samples, counts = collector.finish()
    write_buffer(tmp_path / "buffer", config, samples, counts, ["one", "two"])
    first = [s.joints[0] for s in load_buffer(tmp_path / "buffer").samples]
    assert first == pytest.approx([s.position[0] for s in samples])
    assert first[-1] > 5
