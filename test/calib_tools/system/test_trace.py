# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from calib_tools.buffer import messages
from calib_tools.system.trace import TRAJECTORY_TYPE, WATCHED, Curve, read_trace, thinned


def arrivals(*raw):
    return [SimpleNamespace(topic=m.topic, msgtype=m.msgtype, data=m.data) for m in raw]


def window(stamp_ns: int, names: list[str], first: list[float], margin_ns: int = 20_000_000):
    types = messages.type_store().types
    make_point = types["trajectory_msgs/msg/JointTrajectoryPoint"]
    duration = types["builtin_interfaces/msg/Duration"]
    empty = np.zeros(0)

    def point(values, nanosec):
        return make_point(
            positions=np.array(values, dtype=float),
            velocities=empty,
            accelerations=empty,
            effort=empty,
            time_from_start=duration(sec=0, nanosec=nanosec),
        )

    message = types[TRAJECTORY_TYPE](
        header=messages._header(stamp_ns, ""),
        joint_names=names,
        points=[point(first, margin_ns), point([9.0] * len(first), 2 * margin_ns)],
    )
    data = messages.serialize(message, TRAJECTORY_TYPE)
    return messages.RawMessage("/joint_trajectory", TRAJECTORY_TYPE, data)


def test_the_watched_topics_are_those_of_the_interface():
    assert set(WATCHED) == {
        "/front/image_raw",
        "/wrist/image_raw",
        "/joint_states",
        "/instruction",
        "/joint_trajectory",
        "/sim/setpoints",
    }


def test_pictures_are_paired_and_carry_the_instruction(streams):
    stream = streams.robot(5)
    trace = read_trace(arrivals(*stream), ["elbow"])
    assert len(trace.frames) == 5
    np.testing.assert_array_equal(trace.frames[1].front, streams.picture(5))
    np.testing.assert_array_equal(trace.frames[1].wrist, streams.picture(6))
    assert trace.frames[1].instruction == "put the milk in the basket"


def test_a_picture_without_its_pair_is_left_out(streams):
    stream = streams.robot(5)
    lost = [m for m in stream if m.topic == "/wrist/image_raw"][2]
    trace = read_trace(arrivals(*(m for m in stream if m is not lost)), ["elbow"])
    assert len(trace.frames) == 4


def test_measured_and_commanded_positions_by_joint_name(streams):
    t = streams.start_ns
    raw = [
        streams.joints(t, [1.0, 2.0, 0.04]),
        window(t, ["finger", "shoulder"], [0.03, 1.5]),
    ]
    trace = read_trace(arrivals(*raw), ["shoulder", "elbow", "finger"])
    assert trace.measured.time.tolist() == [t * 1e-9]
    assert trace.measured.values.tolist() == [[1.0, 2.0, 0.04]]
    assert trace.commanded.time == pytest.approx([t * 1e-9 + 0.02])
    np.testing.assert_array_equal(trace.commanded.values, [[1.5, np.nan, 0.03]])


def test_nothing_seen_gives_empty_curves():
    trace = read_trace([], ["a", "b"])
    assert trace.measured.values.shape == (0, 2)
    assert thinned(trace.measured, 0.1) == {"time_s": [], "values": []}


def test_thinning_keeps_the_first_and_the_spacing():
    time = np.arange(0, 1, 0.01)
    thin = thinned(Curve(time, time[:, None]), 0.04)
    assert thin["time_s"][:3] == [0.0, 0.04, 0.08]
    assert thin["values"][1] == [0.04]
    assert len(thin["time_s"]) == 25
