# SPDX-License-Identifier: Apache-2.0
"""Compares a live robot with its robot.yaml: what is missing, wrong or too slow."""

from __future__ import annotations

import math
from collections.abc import Callable

from calib_tools.buffer.messages import decode, decode_image
from calib_tools.buffer.sources import STRING_TYPE, CalibrationConfig
from calib_tools.check_robot.description import (
    description_facts,
    missing_joints,
    strange_places,
)
from calib_tools.check_robot.listening import Heard, listen
from calib_tools.record.robot_sources import read_sources
from quantvla_ros.backends.base import Fact
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.gripper_types import DEFAULT_NAMES
from quantvla_ros.robot.robot_file import PRESETS, RobotFile, RobotGroup, read_robot
from quantvla_ros.serving.parameter_model import PolicyNodeParameters

DESCRIPTION = "/robot_description"
_ACTIONS = ("gripper_command", "parallel_gripper_command")
_COMPRESSED = "set image_transport: compressed and record from the topic with /compressed."
_Asked = Callable[[str], bool]
_CLOCKS = 1.0  # s that a stamp may lie behind or ahead before clocks are doubted
_EPOCH = 1e8  # s: no real clock is so early


def check_robot(given: str, seconds: float = 5.0) -> list[Fact]:
    """Listen to a robot's topics and judge them.

    Args:
        given: path of a robot.yaml, or name of a preset.
        seconds: to listen, after topics were looked for as long.

    Raises:
        QuantVLAError: the file is not valid, or ROS is not there.
    """
    from quantvla_ros.nodes.recorder import TopicTap

    robot = read_robot(given, shared_file(PRESETS))
    config = read_sources(None, given)
    topics = {**config.topics(), DESCRIPTION: (STRING_TYPE,)}
    with TopicTap(topics, name="check_robot") as tap:
        silent = set(tap.subscribe(seconds, optional=set(topics)))
        heard = listen(tap, list(topics), seconds)
        reasons = {t: str(tap.silent(t, seconds)) for t in topics if heard[t].last is None}
        for camera in config.cameras.values():
            if camera.topic in reasons and tap.published(f"{camera.topic}/compressed"):
                reasons[camera.topic] += " There are compressed pictures; " + _COMPRESSED
        outputs = [_output(group, content, tap.taken, tap.served)
                   for group, content in robot.groups.items()]  # fmt: skip
    return [
        *_cameras(config, robot, heard, reasons),
        *_joint_states(config, robot, heard[config.joint_states.topic], reasons),
        *_description(robot, heard[DESCRIPTION], reasons),
        *outputs,
        _instruction(config, heard[config.instruction.topic], config.instruction.topic in silent),
    ]


def _cameras(
    config: CalibrationConfig, robot: RobotFile, heard: dict[str, Heard], reasons: dict[str, str]
) -> list[Fact]:
    most = float(PolicyNodeParameters.model_fields["max_camera_age_s"].default)
    found = []
    for slot, source in config.cameras.items():
        name, known = f"camera {slot}", heard[source.topic]
        if known.last is None:
            found.append(_missing(name, source.topic, reasons))
            continue
        try:
            height, width, _ = decode_image(known.last).shape
        except QuantVLAError as error:
            found.append(Fact(name, "bad", str(error), "Let the driver send 8-bit colour."))
            continue
        shown = f"{source.topic}: {width}x{height}"
        slow = robot.rate if robot.rate is not None else 0.0
        found.append(_timed(name, shown, known, most, slow))
    return found


def _joint_states(
    config: CalibrationConfig, robot: RobotFile, known: Heard, reasons: dict[str, str]
) -> list[Fact]:
    topic, names = config.joint_states.topic, config.joint_states.names
    if known.last is None:
        return [_missing("joint states", topic, reasons)]
    state = decode(known.last)
    if wrong := missing_joints(robot, topic, state.name):
        remedy = "Correct the joints in robot.yaml, or start the driver of all of them."
        return [Fact("joint states", "bad", wrong, remedy)]
    positions = dict(zip(state.name, state.position, strict=False))
    for name in names:
        if not math.isfinite(positions.get(name, math.nan)):
            text = f"{topic}: the position of '{name}' is missing or not finite"
            return [Fact("joint states", "bad", text, "Look at its driver.")]
    most = float(PolicyNodeParameters.model_fields["max_joint_age_s"].default)
    shown = f"{topic}: {len(names)} joints"
    return [_timed("joint states", shown, known, most, 0.0), *strange_places(robot, positions)]


def _timed(name: str, shown: str, known: Heard, most: float, wanted: float) -> Fact:
    """Judge rate and stamps of a topic whose content is right.

    Args:
        name: of the source.
        shown: what came.
        known: all that was heard.
        most: age above which the node stops the robot, s.
        wanted: rows of a chunk a second; a slower source is worth a note.
    """
    shown = f"{shown}, {known.rate:.1f} Hz, largest gap {known.largest_gap:.2f} s"
    if len(known.stamps) < 2 or known.largest_gap > most:
        return Fact(
            name,
            "bad",
            f"{shown}: too slow, the node stops the robot after {most:g} s",
            "Raise its rate, or mend the connection.",
        )
    if known.stamps[-1] < _EPOCH:
        text, remedy = f"{shown}; in a simulation's time", "Start the node with use_sim_time:=true."
        return Fact(name, "note", text, remedy)
    if abs(known.behind) > _CLOCKS:
        side = "behind" if known.behind > 0 else "ahead of"
        return Fact(
            name,
            "note",
            f"{shown}; its stamps are {abs(known.behind):.1f} s {side} this computer's clock",
            "Synchronize the clocks (chrony).",
        )
    if known.rate < 0.9 * wanted:
        return Fact(
            name,
            "note",
            f"{shown}: slower than the {wanted:g} rows a second that the policy was trained with",
            "Raise its rate if the policy was trained with a faster one.",
        )
    return Fact(name, "good", shown)


def _description(robot: RobotFile, known: Heard, reasons: dict[str, str]) -> list[Fact]:
    if known.last is None:
        return [_missing("robot_description", DESCRIPTION, reasons)]
    return description_facts(robot, DESCRIPTION, str(decode(known.last).data))


def _output(group: str, content: RobotGroup, taken: _Asked, served: _Asked) -> Fact:
    kind = content.controller
    default = "joint_trajectory" if kind == "trajectory" else DEFAULT_NAMES[kind]
    name = content.output or default
    full = name if name.startswith("/") else f"/{name}"
    there = served(full) if kind in _ACTIONS else taken(full)
    if there:
        return Fact(f"controller of {group}", "good", f"{full} takes {kind}")
    return Fact(
        f"controller of {group}",
        "bad",
        f"nothing takes {kind} on {full}",
        "Start and activate the controller, or correct 'output' in robot.yaml.",
    )


def _instruction(config: CalibrationConfig, known: Heard, silent: bool) -> Fact:
    topic = config.instruction.topic
    if known.last is not None:
        return Fact("instruction", "good", f"{topic}: '{decode(known.last).data}'")
    text = f"nobody publishes {topic} yet" if silent else f"{topic} has sent nothing yet"
    return Fact("instruction", "note", text, "The node waits for one after it is armed.")


def _missing(name: str, topic: str, reasons: dict[str, str]) -> Fact:
    return Fact(name, "bad", reasons[topic], "Start its driver, or correct robot.yaml.")
