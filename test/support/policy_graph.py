# SPDX-License-Identifier: Apache-2.0
"""A policy node's process with everything a test needs to drive and to disturb it."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from support import fake_robot, waiting
from support.process_life import import_path
from support.processor_waits import ProcessorWaits
from support.ros_graph import NodeProcess
from support.spaces import ARM, action_space, state_space
from support.waiting import patient, wait_until

from quantvla_ros.bundle.schema import (
    BundleManifest,
    Normalization,
    TokenizerSpec,
    float_manifest,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.lifecycle_client import PolicyNodeClient
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.interface import CameraSlot, Interface

HORIZON = 30
_LATE = (
    "CHUNK_UNDERRUN", "INFERENCE_TIMEOUT", "STALE_CAMERA", "STALE_JOINT_STATE", "TRACKING_ERROR",
    "CLOCK_JUMP: no command could leave", "CLOCK_JUMP: the ROS clock has stood still",
)  # fmt: skip
"""Faults of something that came too late: the program's, or the machine's."""
AT_WORK = {"ARMED", "STOPPING", *(code.value for code in FaultCode)}
LIMITS = [
    f"joint_limits.{joint}.{key}:={value}"
    for joint in fake_robot.JOINTS
    for key, value in (
        ("max_acceleration", fake_robot.ACCELERATION),
        ("max_jerk", fake_robot.JERK),
    )
]


def manifest(joints=fake_robot.JOINTS, **changes) -> BundleManifest:
    n = len(joints)
    chain = tuple(KinematicJoint(j, "revolute", (0, 0, 0.1), (0, 0, 0), (0, 1, 0)) for j in joints)
    groups = (ARM, "rad", joints)
    values = float_manifest(
        "mini_pi05",
        {},
        Interface(
            cameras=tuple(
                CameraSlot(name, fake_robot.SIZE, fake_robot.SIZE) for name in fake_robot.CAMERAS
            ),
            state=state_space(groups, kinematics=Kinematics("l0", "l3", chain)),
            action=action_space(groups),
            dt=0.1,
            horizon=HORIZON,
        ),
        Normalization(
            state_mean=[0.0] * (n + 3),
            state_std=[1.0] * (n + 3),
            action_mean=[[0.0] * n] * HORIZON,
            action_std=[[1.0] * n] * HORIZON,
        ),
        denoise_steps=2,
        tokenizer=TokenizerSpec(max_length=4),
    )
    return BundleManifest(**{**dict(values), **changes})


WORDS = build_word_tokenizer(["swing", "left"])


def write_bundle(path: Path, tokenizer_json: str = WORDS, **changes) -> Path:
    import torch

    return save_bundle(path, manifest(**changes), {"weight": torch.zeros(2)}, tokenizer_json)


_numbers = itertools.count()


def assert_rhythm(times, period: float) -> None:
    """What comes at these times (s) comes with this period.

    A busy machine withholds some, so that most of the time between two may be more; the whole is
    never less, and some come one after another.
    """
    gaps = np.diff(times)
    assert len(gaps) >= 50
    assert times[-1] - times[0] > period * (0.98 * len(gaps) - 1)
    assert np.percentile(gaps, 10) < 1.2 * period


class PolicyProcess:
    """The node in a process, its client, and the file that rules its fake policy."""

    def __init__(
        self,
        robot,
        bundle: Path,
        folder: Path,
        *parameters: str,
        limits=LIMITS,
        module: str = "quantvla_ros.nodes.policy_node",
    ):
        """Start it.

        Args:
            robot: a FakeRobot.
            bundle: of the policy.
            folder: for files.
            parameters: more of the node, like `control_rate_hz:=20.0`.
            limits: parameters with the limits of the joints.
            module: that is run.
        """
        self.robot = robot
        # Every node of a test process has its own name, so that it has its own services.
        self.name = f"policy_node_{next(_numbers)}"
        self.record = folder / "record.json"
        self._mode = folder / "mode"
        self.behave("ok")
        # Repeated parameters: the last one counts.
        self._start = partial(
            NodeProcess,
            module,
            f"bundle:={bundle}",
            "backend:=swinging",
            "inference_timeout_s:=1.5",
            "execute_steps:=4",
            "max_camera_age_s:=2.0",  # a busy machine may hold messages back
            "max_joint_age_s:=2.0",
            f"record_path:={self.record}",
            *limits,
            *parameters,
            arguments=("--ros-args", "-r", f"__node:={self.name}"),
            environment={
                "FAKE_POLICY_MODE": str(self._mode),
                "PYTHONPATH": import_path(),
            },
        )
        self._waits = ProcessorWaits()
        self._judged, self._stall = "", ""
        self.process = self._start()
        self.client = PolicyNodeClient(robot.node, self.name, timeout_s=patient(30.0))
        waiting.witnesses.append(self)

    def behave(self, mode: str) -> None:
        temporary = self._mode.with_suffix(".tmp")
        temporary.write_text(mode)
        os.replace(temporary, self._mode)

    @property
    def message(self) -> str:
        """The control check's newest message."""
        return self.client.diagnostics("control")[0]

    def worker_pid(self) -> int:
        values = wait_until(
            lambda: self.client.diagnostics("inference")[1].get("worker_pid"), 10, "the worker's id"
        )
        return int(values)

    def wait_for(self, message: str, timeout: float = 10.0) -> str:
        """Wait until the control check's message begins so."""
        return wait_until(
            lambda: self.message if self.message.startswith(message) else None,
            timeout,
            f"{message} in diagnostics",
        )

    def wait_for_inputs(self, message: str, timeout: float = 20.0) -> None:
        """Wait until the inputs check's message begins so."""
        wait_until(
            lambda: self.client.diagnostics("inputs")[0].startswith(message),
            timeout,
            lambda: f"{message} of {self.client.diagnostics('inputs')}",
        )

    def said(self) -> str:
        """The control check's newest message and the end of the log, for a test that fails."""
        log = self.process.output.splitlines()[-15:]
        return "\n".join([f"control says '{self.message}'; the log ends:", *log])

    def excuse(self) -> str:
        """Whether something came too late for the node because a process waited for a processor."""
        message = self.message
        if message != self._judged:
            self._judged = message
            self._stall = self._waits.stall() if message.startswith(_LATE) else ""
        return self._stall and f"{self._stall}; {message}"

    def count(self, check: str, name: str) -> int:
        """A counter in the diagnostics, 0 when it is not there."""
        return int(self.client.diagnostics(check)[1].get(name, 0))

    def bring_to_motion(self) -> None:
        """Arm it and wait for motion, whatever the test before left behind."""
        self._waits = ProcessorWaits()
        if not self.process.alive or self.message.partition(":")[0] in AT_WORK:
            self.bring_to_dry_run()
        self.wait_for("DRY_RUN")
        # A policy node that another test killed stays in the graph for a while.
        self.wait_for_inputs("fresh", 60.0)
        self.robot.forget()
        self.arm_when_quiet()
        self.wait_for("ARMED")
        wait_until(lambda: self.robot.speed > 0.05, 10, "motion")

    def arm_when_quiet(self) -> None:
        """Arm a robot that was healed, which the node trusts as soon as it has seen so."""
        refusals = []

        def accepted():
            try:
                self.client.arm()
            except QuantVLAError as error:
                refusals.append(str(error))
                return False
            return True

        wait_until(accepted, 10, lambda: f"arming ({refusals[-1]})")

    def bring_to_dry_run(self) -> None:
        """Undo whatever a test did; start the node again if it ended."""
        self._waits = ProcessorWaits()
        self.behave("ok")
        if not self.process.alive:
            self.process.close()
            self.process = self._start()
            self.activate()
        self.robot.heal()
        self.robot.instruct("swing")
        self.client.arm(False)
        wait_until(lambda: self.robot.silence > 0.3 and self.robot.at_rest, 10, "rest")
        message = wait_until(
            lambda: self.message if self.message not in ("ARMED", "STOPPING") else None,
            10,
            "a mode of rest",
        )
        if message != "DRY_RUN":
            self.client.reset_fault()
        self.wait_for("DRY_RUN")

    def activate(self) -> None:
        self.client.configure(patient(120.0))
        self.client.activate()

    def close(self) -> None:
        waiting.witnesses.remove(self)
        self.process.close()
        self.client.close()


@contextmanager
def active_policy(*arguments, **more):
    """A `PolicyProcess`, configured and active; its node ends with the block."""
    policy = PolicyProcess(*arguments, **more)
    try:
        policy.activate()
        yield policy
    finally:
        policy.close()
