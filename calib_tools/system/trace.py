# SPDX-License-Identifier: Apache-2.0
"""What was seen and heard on the topics: pictures, joint positions, commands, setpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.messages import RawMessage, decode, decode_image
from calib_tools.common.setpoints import Setpoints, Shares
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.serving.stamps import seconds_of

if TYPE_CHECKING:
    from quantvla_ros.nodes.recorder import Arrival


SETPOINTS = "/sim/setpoints"
_NS = 1_000_000_000
_LONGEST_PERIOD_S = 0.06  # a longer pause means that something was not heard, or a reset


class HeardSetpoints:
    """Collects messages; a pause or a reset of the scene begins another run of setpoints."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the joints [n] wanted, in their order."""
        self._names = list(names)
        self._runs: list[tuple[list[float], list[list[float]]]] = []
        self._scene: str | None = None

    def clear(self) -> None:
        """Forget them."""
        self._runs.clear()
        self._scene = None

    def take(self, message: Any) -> None:
        """Add a decoded message."""
        order = [list(message.joint_names).index(name) for name in self._names]
        begin = message.header.stamp.sec * _NS + message.header.stamp.nanosec
        times = [
            (begin + p.time_from_start.sec * _NS + p.time_from_start.nanosec) / _NS
            for p in message.points
        ]
        scene, self._scene = self._scene, message.header.frame_id
        if scene != self._scene or not 0 < times[0] - self._runs[-1][0][-1] < _LONGEST_PERIOD_S:
            self._runs.append(([], []))
        run_times, run_positions = self._runs[-1]
        run_times += times
        run_positions += [[p.positions[k] for k in order] for p in message.points]

    def runs(self) -> Iterator[Setpoints]:
        """Setpoints received without a gap; times in s of the robot's clock."""
        for times, positions in self._runs:
            yield Setpoints(np.array(times), np.array(positions))

    def newest(self) -> Setpoints:
        """The newest run; empty when nothing was received."""
        return ([Setpoints(np.empty(0), np.empty((0, len(self._names)))), *self.runs()])[-1]

    def shares(self, limits: JointLimits) -> Shares:
        """Largest rates of all runs as shares of the limits of the joints."""
        largest = Shares()
        for run in self.runs():
            largest = largest.joined(run.shares(limits))
        return largest


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
    """Decode watched messages."""
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
