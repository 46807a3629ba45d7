# SPDX-License-Identifier: Apache-2.0
"""Joint states of two sources, of hardware without sensors of velocity, and of a reset scene."""

from __future__ import annotations

import numpy as np
import pytest

from calib_tools.buffer.collector import Collector
from calib_tools.buffer.joint_stream import QUIET_NS
from calib_tools.buffer.synchroniser import JOINTS, Synchroniser
from quantvla_ros.errors import CalibrationBufferError

MS = 1_000_000
JUMP, CONFLICT = "joint states that jump", "joint states of two publishers"
WIDE = 0.8  # how far the arm is from zero, at least


def moved(streams, frames):
    """The robot of all these tests, but away from zero: position by stamp."""
    for tick in range(frames * 5):
        angle = WIDE + 0.02 * tick
        yield tick, streams.start_ns + tick * 20 * MS, [angle, -angle, 0.04]


def stream_of(streams, frames, more=lambda tick, stamp: [], joints=None):
    """Joints at 50 Hz, cameras at 10 Hz, and whatever else arrives after a joint state."""
    made = [streams.instruction("put the milk in the basket")]
    for tick, stamp, position in moved(streams, frames):
        made.append(joints(tick, stamp, position) if joints else streams.joints(stamp, position))
        made += more(tick, stamp)
        if tick % 5 == 0:
            for topic, seed in (("/front/image_raw", tick), ("/wrist/image_raw", tick + 1)):
                made.append(streams.image(topic, stamp, streams.picture(seed)))
    return made


def feed(config, stream):
    synchroniser = Synchroniser(config)
    groups = [group for message in stream for group in synchroniser.add(message)]
    return groups + synchroniser.finish(), synchroniser


@pytest.mark.parametrize("every", [1, 5, 20])
@pytest.mark.parametrize("ahead_ms", [0, 2, 30, -5])
def test_zeros_beside_the_broadcaster_make_no_group(config, streams, every, ahead_ms):
    """Whatever their rate, and whether their stamps lie ahead of the true ones or behind."""

    def zeros(tick, stamp):
        return [streams.joints(stamp + ahead_ms * MS, [0, 0, 0])] if tick % every == 0 else []

    groups, synchroniser = feed(config, stream_of(streams, 40, zeros))
    assert len(groups) <= 1
    assert not any((group.joints.position == 0).all() for group in groups)
    assert synchroniser.rejected[JUMP] > 40
    assert "'shoulder' is measured at " in synchroniser.joints.trouble


def test_what_came_before_the_second_source_and_after_it_is_used(config, streams):
    def zeros(tick, stamp):
        return [streams.joints(stamp + 2 * MS, [0, 0, 0])] if 100 <= tick < 200 else []

    stream = stream_of(streams, 60, zeros)
    groups, _ = feed(config, stream)
    ticks = [(g.stamp_ns - streams.start_ns) / (20 * MS) for g in groups]
    quiet = QUIET_NS / (20 * MS)
    assert [t for t in ticks if t < 100] and [t for t in ticks if t >= 200 + quiet]
    assert not [t for t in ticks if 100 <= t < 200]
    assert all(abs(g.joints.position[0]) >= WIDE for g in groups)


def test_a_scene_that_is_reset_costs_a_moment(config, streams):
    def reset(tick, stamp, position):
        return streams.joints(stamp, position if tick < 100 else [-0.5, 0.5, 0.0])

    groups, synchroniser = feed(config, stream_of(streams, 40, joints=reset))
    assert 40 - 2 * QUIET_NS / (100 * MS) - 2 <= len(groups) < 40
    assert synchroniser.rejected[JUMP] == QUIET_NS / (20 * MS)


def test_a_turn_of_a_continuous_joint_is_no_jump(config, streams):
    def wrapped(tick, stamp, position):
        angle = np.remainder(3.0 + 0.02 * tick + np.pi, 2 * np.pi) - np.pi
        return streams.joints(stamp, [angle, 0.5, 0.0])

    groups, synchroniser = feed(config, stream_of(streams, 20, joints=wrapped))
    assert len(groups) == 20 and not synchroniser.rejected


def test_the_next_bag_and_a_clock_set_back_begin_afresh(config, streams):
    synchroniser = Synchroniser(config)
    for position in ([2.0, 2.0, 0.0], [0.0, 0.0, 0.0]):
        for message in stream_of(
            streams, 5, joints=lambda tick, stamp, _, p=position: streams.joints(stamp, p)
        ):
            synchroniser.add(message)
        synchroniser.new_stream()
    assert not synchroniser.rejected
    last = streams.start_ns
    for stamp, value in ((last + 5000 * MS, 2.0), (last, 0.0)):
        synchroniser.add(streams.joints(stamp, [value] * 3))
    assert synchroniser.rejected == {"clock set back": 1}


def test_two_publishers_that_agree_are_told_apart_by_their_numbers(config, streams):
    def numbered(tick, stamp, position):
        return streams.joints(stamp, position, number=100 + tick)

    def second(tick, stamp):
        angle = WIDE + 0.02 * tick
        return [streams.joints(stamp + 1 * MS, [angle, -angle, 0.04], number=tick)]

    groups, synchroniser = feed(config, stream_of(streams, 40, second, numbered))
    assert len(groups) <= 1
    assert set(synchroniser.rejected) <= {CONFLICT, f"skewed {JOINTS}", f"stale {JOINTS}"}
    assert synchroniser.joints.trouble == "two publishers name joint 'shoulder', end one of them"


def test_arm_and_gripper_of_two_drivers_are_fine(config, streams):
    def arm(tick, stamp, position):
        return streams.joints(stamp, position[:2], ["shoulder", "elbow"], number=tick)

    def gripper(tick, stamp):
        return [streams.joints(stamp, [0.04], ["finger"], number=tick)]

    groups, synchroniser = feed(config, stream_of(streams, 20, gripper, arm))
    assert len(groups) == 20 and not synchroniser.rejected


def test_the_sentence_names_the_joint_and_asks_for_the_second_node(config, streams):
    collector = Collector(config, 40)
    for message in stream_of(streams, 40, lambda t, s: [streams.joints(s + 2 * MS, [0, 0, 0])]):
        collector.add(message)
    with pytest.raises(CalibrationBufferError, match=rf"{JUMP}: \d+") as error:
        collector.finish()
    sentence = str(error.value)
    assert "Joint 'shoulder' is measured at 0.80 and at 0.00 within 0.002 s" in sentence
    assert sentence.endswith("(does a second node publish on /joint_states?).")


NAN = float("nan")


@pytest.mark.parametrize(
    ("velocity", "stored"),
    [
        ([], [NAN] * 3),
        ([NAN] * 3, [NAN] * 3),
        ([0.1, 0.2], [NAN] * 3),
        ([0.1, NAN, float("inf")], [0.1, NAN, NAN]),
    ],
)
def test_velocities_that_hardware_does_not_give_make_no_sample_useless(
    config, streams, velocity, stored
):
    """The same rule as the node's: positions decide."""
    groups, synchroniser = feed(
        config,
        stream_of(streams, 5, joints=lambda _, s, p: streams.joints(s, p, velocity=velocity)),
    )
    assert len(groups) == 5 and not synchroniser.rejected
    np.testing.assert_array_equal(groups[0].joints.velocity, stored)


@pytest.mark.parametrize(
    ("names", "position", "reason"),
    [
        (["shoulder", "elbow", "finger"], [1.0, 2.0], "without a position for each name"),
        (["shoulder", "elbow", "finger"], [1.0, NAN, 0.0], "not finite"),
        (["shoulder", "elbow", "shoulder"], [1.0, 1.0, 2.0], "that name a joint twice"),
    ],
)
def test_positions_that_are_no_use_are_counted_by_their_reason(
    config, streams, names, position, reason
):
    _, synchroniser = feed(config, [streams.joints(streams.start_ns, position, names)])
    assert synchroniser.rejected == {f"joint states {reason}": 1}


def test_a_wheel_without_an_encoder_is_no_reason(config, streams):
    names = ["shoulder", "elbow", "finger", "wheel"]

    def with_wheel(tick, stamp, position):
        return streams.joints(stamp, [*position, NAN], names)

    groups, synchroniser = feed(config, stream_of(streams, 5, joints=with_wheel))
    assert len(groups) == 5 and not synchroniser.rejected
