# SPDX-License-Identifier: Apache-2.0
"""What was seen on the topics during the episodes: pictures, joint positions, commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.messages import RawMessage, decode, decode_image
from calib_tools.system.heard_setpoints import SETPOINTS
from quantvla_ros.serving.stamps import seconds_of

if TYPE_CHECKING:
    from quantvla_ros.nodes.recorder import Arrival

TRAJECTORY_TYPE = "trajectory_msgs/msg/JointTrajectory"
JOINT_STATE_TYPE = "sensor_msgs/msg/JointState"
IMAGE_TYPE = "sensor_msgs/msg/Image"
_STRING_TYPE = "std_msgs/msg/String"

WATCHED: dict[str, tuple[str, ...]] = {
    "/front/image_raw": (IMAGE_TYPE,),
    "/wrist/image_raw": (IMAGE_TYPE,),
    "/joint_states": (JOINT_STATE_TYPE,),
    "/instruction": (_STRING_TYPE,),
    "/joint_trajectory": (TRAJECTORY_TYPE,),
    SETPOINTS: (TRAJECTORY_TYPE,),
}
_SAME_INSTANT_S = 0.05


@dataclass(frozen=True)
class Frame:
    """Both pictures of one instant, uint8 [height, width, 3], and the instruction then."""

    stamp: float
    front: NDArray[np.uint8]
    wrist: NDArray[np.uint8]
    instruction: str


@dataclass(frozen=True)
class Curve:
    """Positions of joints over time: time [n] in s, values [n, joints] in rad or m."""

    time: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """Frames, measured positions and commanded positions of the same joints."""

    joints: list[str]
    frames: list[Frame]
    measured: Curve
    commanded: Curve


def read_trace(arrivals: Iterable[Arrival], joints: Sequence[str]) -> Trace:
    """Decode watched messages.

    Args:
        arrivals: messages of the topics in `WATCHED`, in their order.
        joints: the joints wanted, in their order.
    """
    names = list(joints)
    frames: list[Frame] = []
    wrist: tuple[float, NDArray[np.uint8]] | None = None
    front: tuple[float, NDArray[np.uint8]] | None = None
    instruction = ""
    measured: list[tuple[float, list[float]]] = []
    commanded: list[tuple[float, list[float]]] = []
    for arrival in arrivals:
        message = RawMessage(arrival.topic, arrival.msgtype, arrival.data)
        if arrival.topic == "/instruction":
            instruction = decode(message).data
        elif arrival.topic == "/joint_states":
            state = decode(message)
            measured.append(
                (seconds_of(state.header.stamp), _pick(state.name, state.position, names))
            )
        elif arrival.topic == "/joint_trajectory":
            commanded.append(_first_point(decode(message), names))
        elif arrival.topic == SETPOINTS:
            continue
        else:
            picture = (seconds_of(decode(message).header.stamp), decode_image(message))
            if arrival.topic.startswith("/front"):
                front = picture
            else:
                wrist = picture
            if front and wrist and abs(front[0] - wrist[0]) < _SAME_INSTANT_S:
                frames.append(Frame(front[0], front[1], wrist[1], instruction))
                front = wrist = None
    return Trace(names, frames, _curve(measured, len(names)), _curve(commanded, len(names)))


def _first_point(message: Any, names: list[str]) -> tuple[float, list[float]]:
    """The first point of a window, which is due when it comes."""
    point = message.points[0]
    offset = seconds_of(point.time_from_start)
    positions = _pick(message.joint_names, point.positions, names)
    return seconds_of(message.header.stamp) + offset, positions


def _pick(have: Sequence[str], values: Any, wanted: list[str]) -> list[float]:
    place = {name: i for i, name in enumerate(have)}
    return [float(values[place[name]]) if name in place else float("nan") for name in wanted]


def _curve(rows: list[tuple[float, list[float]]], width: int) -> Curve:
    times = np.array([time for time, _ in rows], dtype=float)
    values = np.array([row for _, row in rows], dtype=float).reshape(len(rows), width)
    return Curve(times, values)


def thinned(curve: Curve, every_s: float) -> dict[str, Any]:
    """A curve as plain values, at most one row each `every_s` seconds."""
    kept: list[int] = []
    for i, time in enumerate(curve.time):
        if not kept or time - curve.time[kept[-1]] >= every_s - 1e-6:
            kept.append(i)
    return {
        "time_s": [round(float(curve.time[i]), 4) for i in kept],
        "values": [[round(float(v), 5) for v in curve.values[i]] for i in kept],
    }
