# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from calib_tools.buffer.collector import Collector
from calib_tools.buffer.messages import header_stamp_ns
from calib_tools.buffer.store import load_buffer
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from calib_tools.record.select import select
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError, QuantVLAError


def disturbed(streams):
    """A stream with gaps, so that there is something to reject."""
    return [m for i, m in enumerate(streams.robot(60)) if i % 9 != 4]


def test_a_live_like_stream_and_its_bag_give_the_same_samples(tmp_path, config, streams):
    stream = disturbed(streams)
    live = Collector(config, 32)
    for message in stream:
        live.add(message)
    live_samples, live_counts = live.finish()

    recorded = Collector(config, 32)
    from calib_tools.buffer.bags import Bag

    for message in Bag(streams.bag(tmp_path / "bag", stream), config.topics()).messages():
        recorded.add(message)
    bag_samples, bag_counts = recorded.finish()

    assert live_counts == bag_counts
    assert sum(live_counts.rejected.values()) > 0
    assert len(live_samples) == len(bag_samples) == 32
    for a, b in zip(live_samples, bag_samples, strict=True):
        assert a.pictures == b.pictures
        assert (a.stamp_ns, a.instruction, a.stamps_ns) == (b.stamp_ns, b.instruction, b.stamps_ns)
        assert a.position.tobytes() == b.position.tobytes()
        assert a.velocity.tobytes() == b.velocity.tobytes()


@pytest.mark.parametrize("mcap", [True, False])
def test_select_writes_a_buffer(tmp_path, config, streams, mcap):
    bag = streams.bag(tmp_path / "monday", streams.robot(52), mcap)
    description = select([bag], config, tmp_path / "buffer", 32, force=False)
    assert description.origin == ["monday"]
    assert description.selection.surplus == 20
    assert len(load_buffer(tmp_path / "buffer").samples) == 32


def test_several_bags_share_one_choice(tmp_path, config, streams):
    first = streams.bag(tmp_path / "one", streams.robot(32))
    second = streams.bag(tmp_path / "two", streams.robot(32))
    description = select([first, second], config, tmp_path / "buffer", 32, force=False)
    assert description.origin == ["one", "two"]
    assert description.selection.groups == 64
    assert description.selection.near_duplicates == 32


def test_a_short_bag_leaves_nothing(tmp_path, config, streams):
    bag = streams.bag(tmp_path / "bag", streams.robot(5))
    with pytest.raises(CalibrationBufferError, match=r"Only 5 usable"):
        select([bag], config, tmp_path / "buffer", 32, force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


def test_a_bag_whose_joints_have_other_names_is_refused_with_both_sides_names(
    tmp_path, config, streams
):
    left = [f"left_{name}" for name in config.joint_states.names]
    stream = [
        streams.joints(header_stamp_ns(m.data), [0.1, 0.2, 0.3], left)
        if m.topic == "/joint_states"
        else m
        for m in streams.robot(40)
    ]
    with pytest.raises(CalibrationBufferError) as error:
        select([streams.bag(tmp_path / "bag", stream)], config, tmp_path / "out", 32, force=False)
    assert str(error.value).endswith(
        "; The configuration's joints are shoulder, elbow, finger; /joint_states has left_elbow, "
        "left_finger, left_shoulder; missing: shoulder, elbow, finger."
    )
    assert not (tmp_path / "out").exists()


def test_a_bag_of_another_language_is_refused_for_its_policy(
    tmp_path, config, streams, tiny_bundle
):
    stream = [streams.instruction("nimm bitte Käse"), *streams.robot(32)[1:]]
    bag = streams.bag(tmp_path / "bag", stream)
    with pytest.raises(CalibrationBufferError, match=r"The policy knows 0 of 3 words .*Käse"):
        select([bag], config, tmp_path / "buffer", 32, force=False, bundle=tiny_bundle)
    assert not (tmp_path / "buffer").exists()
    select([bag], config, tmp_path / "buffer", 32, force=False)
    with pytest.raises(
        CalibrationBufferError, match=r"32 of 32 samples of .* cannot know: the policy knows 0 of 3"
    ):
        quantize(tiny_bundle, tmp_path / "buffer", Recipe(), tmp_path / "int8", force=False)
    assert not (tmp_path / "int8").exists()


def test_zeros_beside_the_joint_states_make_no_buffer(tmp_path, config, streams):
    """A `joint_state_publisher` was recorded beside the broadcaster."""
    stream = []
    for message in streams.robot(60):
        stream.append(message)
        if message.topic == "/joint_states":
            stamp = header_stamp_ns(message.data) + 2_000_000
            stream.append(streams.joints(stamp, [2.0, -2.0, 0.0]))
    bag = streams.bag(tmp_path / "bag", stream)
    with pytest.raises(CalibrationBufferError, match=r"joint states that jump: \d+"):
        select([bag], config, tmp_path / "buffer", 40, force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


def test_a_bag_without_velocities_gives_a_buffer(tmp_path, config, streams):
    """A velocity for one joint of three, as a driver gives it that knows those of the arm alone."""
    stream = []
    for each in streams.robot(50):
        message = each
        if message.topic == "/joint_states":
            stamp = header_stamp_ns(message.data)
            angle = 1e-9 * (stamp - streams.start_ns)
            message = streams.joints(stamp, [angle, -angle, 0.04], velocity=[1.0])
        stream.append(message)
    bag = streams.bag(tmp_path / "bag", stream)
    description = select([bag], config, tmp_path / "buffer", 40, force=False)
    assert description.selection.kept == 40


def test_a_bag_without_the_camera_is_refused_before_any_is_read(tmp_path, config, streams):
    good = streams.bag(tmp_path / "good", streams.robot(32))
    bad = streams.bag(
        tmp_path / "bad", [m for m in streams.robot(5) if m.topic != "/front/image_raw"]
    )
    with pytest.raises(QuantVLAError, match=r"bad' has no topic '/front/image_raw'; it has"):
        select([good, bad], config, tmp_path / "buffer", 32, force=False)


def test_an_existing_output_is_refused_before_the_work(tmp_path, config):
    (tmp_path / "buffer").mkdir()
    with pytest.raises(OutputExistsError, match="--force"):
        select([tmp_path / "no bag"], config, tmp_path / "buffer", 32, force=False)
