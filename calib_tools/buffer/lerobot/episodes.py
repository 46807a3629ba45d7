# SPDX-License-Identifier: Apache-2.0
"""Episodes of a LeRobot data set as streams of messages, like bags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.lerobot.layout import EpisodeRecord, Layout, read_layout, table
from calib_tools.buffer.lerobot.video import VideoFrames
from calib_tools.buffer.messages import IMAGE_TYPE, RawMessage, image, joint_state, string
from calib_tools.buffer.sources import JOINT_STATE_TYPE, STRING_TYPE, CalibrationConfig
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.robot_file import RobotFile
from quantvla_ros.robot.units import Units

_STATE = "observation.state"
_IMAGES = "observation.images."
_LOOKED_AT = 5.0
"""Frames a second that are looked at; more of them nearly repeat each other."""
_APART_S = 3600.0  # that two episodes begin apart, by their stamps


class Episode:
    """One episode; `path`, its length and `messages` are those of a bag."""

    def __init__(
        self, layout: Layout, record: EpisodeRecord, config: CalibrationConfig, robot: RobotFile
    ) -> None:
        """Take what is needed; files are opened when messages are asked for."""
        self.path = layout.path
        self._layout, self._record, self._config, self._robot = layout, record, config, robot
        self._frames = range(0, record.length, max(1, round(layout.fps / _LOOKED_AT)))

    def __len__(self) -> int:
        """Messages."""
        return len(self._frames) * (len(self._config.cameras) + 1) + 1

    def messages(self) -> Iterator[RawMessage]:
        """The instruction, then pictures and joint states of every frame that is looked at.

        Raises:
            QuantVLAError: a file is missing or damaged.
        """
        record, layout, joints = self._record, self._layout, self._config.joint_states
        rows = table(record.data, [_STATE, "task_index"], episode_index=record.index)
        if len(rows) != record.length:
            raise QuantVLAError(
                f"{record.data} has {len(rows)} frames of episode {record.index}, and its metadata "
                f"says {record.length}; copy the whole data set"
            )
        positions = self._positions(np.array([row[_STATE] for row in rows], np.float64))
        speed = np.gradient(positions, 1.0 / layout.fps, axis=0)
        velocities = np.ascontiguousarray(speed)
        said = None
        videos = {slot: VideoFrames() for slot in self._config.cameras}
        begin = 1.0 + record.index * _APART_S
        for frame in self._frames:
            task = layout.tasks[int(rows[frame]["task_index"])]
            if task != said:
                said = task
                yield RawMessage(self._config.instruction.topic, STRING_TYPE, string(task))
            stamp = round((begin + frame / layout.fps) * 1e9)
            for slot, source in self._config.cameras.items():
                file, first = record.videos[f"{_IMAGES}{slot}"]
                picture = videos[slot].picture(file, first + frame)
                yield RawMessage(source.topic, IMAGE_TYPE, image(stamp, slot, picture))
            data = joint_state(stamp, joints.names, positions[frame], velocities[frame])
            yield RawMessage(joints.topic, JOINT_STATE_TYPE, data)
        for video in videos.values():
            video.close()

    def _positions(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """The robot's joints [frames, joints] in SI and in the configuration's order."""
        words = state_names(self._layout, self._robot)
        names = self._robot.policy_names
        columns = [words.index(names[joint]) for joint in self._config.joint_states.names]
        entries = tuple(
            self._robot.joints[joint].entry(joint, "") for joint in self._config.joint_states.names
        )
        return np.ascontiguousarray(Units.of(entries).to_si(states[:, columns]))


def open_episodes(path: Path, config: CalibrationConfig, robot: RobotFile) -> list[Episode]:
    """All episodes of a data set.

    Args:
        path: folder of the data set.
        config: sources that the buffer shall have; cameras are called as in the data set.
        robot: its joints in the policy's words and units.

    Raises:
        QuantVLAError: the data set is damaged, or names of it and the robot do not fit.
    """
    layout = read_layout(path)
    there = [key.removeprefix(_IMAGES) for key in layout.pictures]
    for slot in config.cameras:
        if slot not in there:
            raise QuantVLAError(
                f"the data set {path} has no video of camera '{slot}' of robot '{robot.name}'; it "
                f"has {', '.join(there) or 'none'}: name the cameras alike in robot.yaml"
            )
    words = state_names(layout, robot)
    for joint in config.joint_states.names:
        if robot.policy_names[joint] not in words:
            raise QuantVLAError(
                f"the data set {path} has no state '{robot.policy_names[joint]}' (joint '{joint}' "
                f"of robot '{robot.name}'); it has {', '.join(words)}: correct 'policy' or 'state' "
                "in robot.yaml"
            )
    return [Episode(layout, record, config, robot) for record in layout.episodes]


def state_names(layout: Layout, robot: RobotFile) -> list[str]:
    """The policies' words for a state's values, by the data set or else by the robot's file."""
    own = set(robot.policy_names.values())
    if set(layout.states) & own:
        return list(layout.states)
    return list(robot.state or robot.policy_names.values())
