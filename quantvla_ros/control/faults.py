# SPDX-License-Identifier: Apache-2.0
"""The one table of everything that stops the arm or refuses to start it.

The node raises these names, the diagnostics show them, and the reference page is made from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal


class FaultCode(str, Enum):
    """Why the arm was stopped; the value is the name shown in diagnostics."""

    STALE_CAMERA = "STALE_CAMERA"
    STALE_JOINT_STATE = "STALE_JOINT_STATE"
    JOINT_STATE_CONFLICT = "JOINT_STATE_CONFLICT"
    JOINT_JUMP = "JOINT_JUMP"
    STATE_OUT_OF_RANGE = "STATE_OUT_OF_RANGE"
    SKEWED_INPUTS = "SKEWED_INPUTS"
    CLOCK_JUMP = "CLOCK_JUMP"
    NONFINITE_ACTION = "NONFINITE_ACTION"
    LIMIT_VIOLATION = "LIMIT_VIOLATION"
    CHUNK_UNDERRUN = "CHUNK_UNDERRUN"
    INFERENCE_TIMEOUT = "INFERENCE_TIMEOUT"
    WORKER_DIED = "WORKER_DIED"
    BACKEND_ERROR = "BACKEND_ERROR"
    TRACKING_ERROR = "TRACKING_ERROR"
    OUTPUT_CONFLICT = "OUTPUT_CONFLICT"
    GRIPPER_FAILED = "GRIPPER_FAILED"


class RefusalCode(str, Enum):
    """Why the node was not configured; the value is the name shown in diagnostics."""

    BUNDLE_INVALID = "BUNDLE_INVALID"
    GATE_FAILED = "GATE_FAILED"
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    JOINT_MISMATCH = "JOINT_MISMATCH"
    CAMERA_MISMATCH = "CAMERA_MISMATCH"
    LIMITS_MISSING = "LIMITS_MISSING"
    INPUT_MISSING = "INPUT_MISSING"
    BACKEND_ERROR = "BACKEND_ERROR"
    PARAMETER_INVALID = "PARAMETER_INVALID"
    ABORTED = "ABORTED"


@dataclass(frozen=True)
class Fault:
    """A latched fault: what, one sentence for the user, and when (s, ROS clock)."""

    code: FaultCode
    text: str
    stamp: float


Condition = tuple[FaultCode, str]
"""A fault that holds now, as a code and a sentence; what it leads to depends on the mode."""


@dataclass(frozen=True)
class FaultEntry:
    """What a user should know of one fault.

    Attributes:
        condition: raised when.
        parameters: of the node, that set the threshold.
        remedy: what to do before ``~/reset_fault``.
        dry_run: what its condition does in dry run, where nothing moves.
        arm: what the arm does.
    """

    condition: str
    parameters: tuple[str, ...]
    remedy: str
    dry_run: Literal["latches", "refuses arming", "nothing"] = "nothing"
    arm: str = "decelerates along its path"


FAULTS: Mapping[FaultCode, FaultEntry] = {
    FaultCode.STALE_CAMERA: FaultEntry(
        "the newest usable frame of a camera is too old: nothing comes, or every frame is skipped "
        "for the reason that the text gives (stamp zero, in the future, repeated or going back; "
        "an encoding that cannot be read; an unchanging picture, where that is checked)",
        ("max_camera_age_s", "max_future_s", "max_frozen_s"),
        "check the camera and its clock; the text names both",
        dry_run="refuses arming",
    ),
    FaultCode.STALE_JOINT_STATE: FaultEntry(
        "the newest complete joint state is too old: nothing comes, a joint is missing from it, or "
        "every message is skipped for the reason that the text gives (stamps as above; a position "
        "that is not a number)",
        ("max_joint_age_s", "max_future_s"),
        "check the joint state broadcaster; the text names the joint",
        dry_run="refuses arming",
    ),
    FaultCode.JOINT_STATE_CONFLICT: FaultEntry(
        "two publishers name the same joint in their joint states (found where the middleware "
        "numbers messages: Fast DDS, from Iron on; elsewhere `JOINT_JUMP` finds them when they "
        "disagree)",
        (),
        "end one of the publishers, which the text names: a `joint_state_publisher` beside the "
        "robot's broadcaster, or a second robot's without a namespace",
        dry_run="refuses arming",
    ),
    FaultCode.JOINT_JUMP: FaultEntry(
        "a joint is measured further from where it was than it can move between the two stamps: "
        "what its velocity limit in the URDF covers in that time and in `max_jump_s`. Such a "
        "message is not used; 0.5 s without another one are needed for arming",
        ("max_jump_s", "joint_limits.<joint>.max_jump"),
        "look for a second publisher of joint states (the text names all, where there are several) "
        "or an encoder that slips; a scene that was reset needs a moment",
        dry_run="refuses arming",
    ),
    FaultCode.STATE_OUT_OF_RANGE: FaultEntry(
        "a joint is measured further than `max_state_deviation` standard deviations from its mean "
        "in the policy's training, by the bundle's normalization; of a continuous joint the "
        "nearest turn counts",
        ("max_state_deviation",),
        "move the joint back, which the text names with its range; or check its unit and zero, or "
        "whether the bundle is this robot's",
        dry_run="refuses arming",
    ),
    FaultCode.SKEWED_INPUTS: FaultEntry(
        "each input is fresh, but for some time no set of them is of one instant",
        ("max_skew_s", "skew_timeout_s"),
        "synchronise the cameras' clocks, or allow more skew",
        dry_run="refuses arming",
    ),
    FaultCode.CLOCK_JUMP: FaultEntry(
        "the ROS clock stands still, goes back (a system's clock: by more than 20 ms), or jumps "
        "ahead, against the steady clock; or no command could leave in time for `clock_timeout_s`. "
        "Arming is refused while two nodes publish `/clock`",
        ("clock_timeout_s", "max_clock_step_s"),
        "check `/clock` (the text names both, where two simulations share a ROS domain), "
        "time synchronisation, or what else the computer does",
        dry_run="refuses arming",
        arm="a clock that stands still: no new window, and a deceleration when it runs again; a "
        "jump: no new window at all, the last one ends at rest by itself",
    ),
    FaultCode.NONFINITE_ACTION: FaultEntry(
        "a chunk holds NaN, infinity or a number that no joint has, has a wrong shape, or a stamp "
        "in the future; it is dropped whole",
        (),
        "check the inputs and the bundle",
        dry_run="latches",
    ),
    FaultCode.LIMIT_VIOLATION: FaultEntry(
        "the policy keeps asking for positions outside a joint's limits, by more than its velocity "
        "limit covers in `limit_tolerance_s`, for too long within 5 s; each such target is clamped "
        "all the while. Or a joint is measured outside its limits by more than its tolerance; for "
        "arming, by more than its velocity limit covers in 0.01 s",
        ("limit_tolerance_s", "max_violation_s", "tracking_lag_s"),
        "look at `~/chunk`: the bundle may be of another robot, or its inputs wrong; or move the "
        "joint back, or correct its encoder",
        dry_run="refuses arming",
    ),
    FaultCode.CHUNK_UNDERRUN: FaultEntry(
        "no next chunk came, and the one in execution lasts no longer than the slowest stop along "
        "it (`stop_s` and two control periods); the text tells which input is missing, if one is",
        ("stop_s",),
        "if none is, inference is too slow: `quantvla bench`, fewer other programs",
    ),
    FaultCode.INFERENCE_TIMEOUT: FaultEntry(
        "one inference took too long; the inference process is ended",
        ("inference_timeout_s",),
        "as above; the reset starts another inference process",
        dry_run="latches",
    ),
    FaultCode.WORKER_DIED: FaultEntry(
        "the inference process is gone: crash, kill, out of memory",
        (),
        "look at the system's log; the reset starts another inference process",
        dry_run="latches",
    ),
    FaultCode.BACKEND_ERROR: FaultEntry(
        "inference raised an error, or its answer is damaged",
        (),
        "the text holds its sentence",
        dry_run="latches",
    ),
    FaultCode.TRACKING_ERROR: FaultEntry(
        "a joint is further from its command than its tolerance, for some time; the tolerance is "
        "the joint's own, or what its velocity limit covers in `tracking_lag_s`",
        ("tracking_lag_s", "tracking_timeout_s", "joint_limits.<joint>.tracking_tolerance"),
        "see what holds the arm, or whether its controller runs",
        arm="decelerates to where it is measured, so that it presses on nothing",
    ),
    FaultCode.OUTPUT_CONFLICT: FaultEntry(
        "another node publishes on a command topic, or a controller executes somebody else's goal: "
        "of `follow_joint_trajectory` beside the command topic, or of the gripper's action; or "
        "another client cancelled or replaced the gripper's goal",
        (),
        "end the other node, which the text names (one that was killed stays in the ROS graph for "
        "about 20 s), or wait for the end of the goal",
        dry_run="refuses arming",
    ),
    FaultCode.GRIPPER_FAILED: FaultEntry(
        "nobody takes the commands of a gripper with a controller of its own; or its controller "
        "rejected a goal, did not answer it in 2 s, or gave it up without holding anything (to "
        "stall on an object is no failure)",
        (),
        "start the controller, or see its log",
        dry_run="refuses arming",
        arm="decelerates along its path; the gripper stays where it was told to be",
    ),
}


@dataclass(frozen=True)
class RefusalEntry:
    """What a user should know of one refusal at configure."""

    reason: str
    remedy: str


REFUSALS: Mapping[RefusalCode, RefusalEntry] = {
    RefusalCode.BUNDLE_INVALID: RefusalEntry(
        "no bundle, a changed file, another schema, or actions that this node cannot drive",
        "make or copy the bundle again",
    ),
    RefusalCode.GATE_FAILED: RefusalEntry(
        "the gate of a quantized bundle failed or is missing",
        "quantize with a better buffer; `allow_failed_gate` overrides it, and the node then warns "
        "at every start",
    ),
    RefusalCode.FINGERPRINT_MISMATCH: RefusalEntry(
        "the gate of a quantized bundle judged another kind of machine or another kernel than runs "
        "now, or the engines beside the bundle are missing, or of another bundle or machine",
        "judge it here by `quantvla gate ... --write`; `allow_failed_gate` overrides it; engines "
        "are built by `quantvla build`, never by the node",
    ),
    RefusalCode.JOINT_MISMATCH: RefusalEntry(
        "joint states or URDF lack a joint of the bundle; names both sides",
        "use a bundle of this robot, or rename the joints",
    ),
    RefusalCode.CAMERA_MISMATCH: RefusalEntry(
        "a picture has an encoding that cannot be read; names the camera",
        "convert the pictures before this node",
    ),
    RefusalCode.LIMITS_MISSING: RefusalEntry(
        "a joint has no position, velocity, acceleration or jerk limit; names both",
        "add it to the URDF or to `joint_limits.<joint>`",
    ),
    RefusalCode.INPUT_MISSING: RefusalEntry(
        "nothing usable arrived on a topic within `input_timeout_s`; names it, who publishes what "
        "there, and what is wrong with what did arrive",
        "start the driver, or correct the topic's name",
    ),
    RefusalCode.BACKEND_ERROR: RefusalEntry(
        "the inference process could not load the bundle, or not within `warmup_timeout_s`",
        "the text holds its sentence",
    ),
    RefusalCode.PARAMETER_INVALID: RefusalEntry(
        "parameters that do not fit each other", "the text names them"
    ),
    RefusalCode.ABORTED: RefusalEntry("the node is being shut down", "nothing"),
}
