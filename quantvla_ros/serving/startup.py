# SPDX-License-Identifier: Apache-2.0
"""What ``configure`` checks before an inference process is started; each refusal has a code."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from quantvla_ros.backends.registry import DEFAULT, YARDSTICK, find_backend
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.faults import RefusalCode
from quantvla_ros.control.limits import JointLimits, LimitsMissingError, limits_from_urdf
from quantvla_ros.control.observed import ObservedJoints, observed_from_urdf
from quantvla_ros.control.schedule import reserve_s
from quantvla_ros.errors import BackendError, BundleError, QuantVLAError
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.urdf import UrdfError, read_joints
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.inputs import StartingInputs
from quantvla_ros.serving.joint_names import joint_mismatch
from quantvla_ros.serving.status import Check

OPTIONAL_GRACE_S = 1.0
"""After the first message of every other input: time for cameras that the policy can be without."""
JOINT_GRACE_S = 1.0
"""After the first joint state message: time for the joints that come in messages of their own."""


class RefusalError(QuantVLAError):
    """The node refuses to be configured; the text begins with the code."""

    def __init__(self, code: RefusalCode, text: str, check: Check) -> None:
        """Keep the code, the sentence and the diagnostics entry that shows them."""
        super().__init__(f"{code.value}: {text}")
        self.code = code
        self.text = text
        self.check = check


def read_bundle(path: str) -> BundleManifest:
    """Return the manifest of a bundle that this node can run.

    Raises:
        RefusalError: BUNDLE_INVALID.
    """
    if not path:
        raise RefusalError(
            RefusalCode.BUNDLE_INVALID, "Parameter 'bundle' is empty: give a directory.", "bundle"
        )
    try:
        manifest = load_manifest(Path(os.path.expanduser(path)), check_files=True)
    except BundleError as error:
        raise RefusalError(RefusalCode.BUNDLE_INVALID, str(error), "bundle") from error
    if set(manifest.interface.action.joints) - set(manifest.interface.state.names):
        raise RefusalError(
            RefusalCode.BUNDLE_INVALID,
            f"The policy in '{path}' commands joints that it does not observe.",
            "bundle",
        )
    return manifest


def check_chunk_length(interface: Interface, config: MotionConfig, period_s: float) -> None:
    """Check that a chunk lasts longer than the stop that must still fit on its end.

    Raises:
        QuantVLAError: it does not, so that every chunk would be CHUNK_UNDERRUN at once.
    """
    lasts = interface.horizon * interface.dt
    if lasts <= reserve_s(config, period_s):
        raise QuantVLAError(
            f"A chunk of this policy lasts {lasts:g} s, and a stop on its end takes 'stop_s' "
            f"({config.stop_s:g}) and two control periods; lower 'stop_s'."
        )


def check_gate(manifest: BundleManifest, path: str, allow_failed: bool) -> str:
    """Return a warning (empty for none) about a quantized bundle's gate.

    Raises:
        RefusalError: GATE_FAILED, unless ``allow_failed``.
    """
    if manifest.quantization is None or (manifest.gate is not None and manifest.gate.passed):
        return ""
    why = "has no gate record" if manifest.gate is None else "has failed its gate"
    text = f"The quantized bundle '{path}' {why}"
    if allow_failed:
        return f"GATE_FAILED: {text}; it runs because allow_failed_gate is set."
    raise RefusalError(
        RefusalCode.GATE_FAILED,
        f"{text}: quantize it again with a better calibration buffer, or set allow_failed_gate.",
        "bundle",
    )


def backend_for(manifest: BundleManifest, asked: str) -> str:
    """The backend to run a bundle: the one asked for, else the one whose gate judged it.

    The yardstick runs no robot unless it is asked for.
    """
    judged = manifest.gate.backend if manifest.gate else YARDSTICK
    return asked or (DEFAULT if judged == YARDSTICK else judged)


def check_built(path: str, backend: str) -> None:
    """Check that what a backend needs beside a bundle is there and of this machine.

    Raises:
        RefusalError: FINGERPRINT_MISMATCH with the command that builds it; nothing does by itself.
    """
    try:
        find_backend(backend).check_built(Path(os.path.expanduser(path)))
    except BackendError as error:
        raise RefusalError(RefusalCode.FINGERPRINT_MISMATCH, str(error), "bundle") from error


def check_fingerprint(
    manifest: BundleManifest, path: str, backend: str, kernel: str, allow_other: bool
) -> str:
    """Return a warning (empty for none) about a gate that judged something else than runs now.

    Args:
        manifest: of the bundle.
        path: of the bundle.
        backend: name of the one that runs it.
        kernel: what the inference process runs.
        allow_other: run it all the same.

    Raises:
        RefusalError: FINGERPRINT_MISMATCH, unless ``allow_other``.
    """
    gate = manifest.gate
    if manifest.quantization is None or gate is None:
        return ""
    running = find_backend(backend)
    here = running.target()
    if (gate.backend, gate.target) == (backend, here) and running.same_arithmetic(
        gate.kernel, kernel
    ):
        return ""
    text = (
        f"The gate of '{path}' judged kernel '{gate.kernel}' of backend '{gate.backend}' on "
        f"'{gate.target}'; here runs '{kernel}' of '{backend}' on '{here}'"
    )
    if allow_other:
        return f"FINGERPRINT_MISMATCH: {text}; it runs because allow_failed_gate is set."
    raise RefusalError(
        RefusalCode.FINGERPRINT_MISMATCH,
        f"{text}: judge it on this machine by `quantvla gate {path} FLOAT_BUNDLE BUFFER "
        f"--backend {backend} --write`, or set allow_failed_gate.",
        "bundle",
    )


def wait_for_inputs(
    inputs: StartingInputs, buffer: InputBuffer, timeout_s: float, aborted: threading.Event
) -> None:
    """Wait for a first message of every input, and a moment for optional cameras.

    An optional camera that sends nothing until then is left out of the buffer.

    Raises:
        RefusalError: INPUT_MISSING names the topic and the seconds waited; JOINT_MISMATCH.
    """
    started = time.monotonic()
    joints_since: float | None = None
    complete_since: float | None = None
    while not aborted.is_set():
        now = time.monotonic()
        inputs.graph.look()
        silent = _silent_source(inputs, buffer)
        if buffer.joint_names_seen and joints_since is None:
            joints_since = now
        joints_late = joints_since is not None and now - joints_since > JOINT_GRACE_S
        if silent is None and (buffer.newest_joints() is not None or joints_late):
            complete_since = complete_since or now
            waits = buffer.silent_cameras(optional=True)
            if not waits or now - complete_since > OPTIONAL_GRACE_S:
                break
        if now - started > timeout_s:
            if silent is None:
                break
            raise RefusalError(
                RefusalCode.INPUT_MISSING,
                _why_silent(silent, inputs, buffer, timeout_s),
                "inputs",
            )
        inputs.wait(0.05)
    if aborted.is_set():
        raise RefusalError(RefusalCode.ABORTED, "The node is being shut down.", "inputs")
    buffer.leave_out(buffer.silent_cameras(optional=True))
    _check_joint_states(inputs, buffer)


def _silent_source(inputs: StartingInputs, buffer: InputBuffer) -> str | None:
    """Return the name of an input of which nothing usable has come."""
    for camera in buffer.silent_cameras(optional=False):
        return camera
    if not buffer.joint_names_seen:
        return "joint_states"
    if inputs.robot_description is None:
        return "robot_description"
    return None


def _why_silent(source: str, inputs: StartingInputs, buffer: InputBuffer, timeout_s: float) -> str:
    trouble = buffer.trouble(source)
    if trouble:
        topic = inputs.graph.topic(source)
        return f"Messages arrive on {topic}, but none was usable in {timeout_s:g} s: {trouble}."
    return inputs.graph.nothing_arrived(source, timeout_s)


def _check_joint_states(inputs: StartingInputs, buffer: InputBuffer) -> None:
    _check_joints(buffer.joints, inputs.joint_topic, buffer.joint_names_seen)
    if buffer.newest_joints() is None:
        trouble = buffer.trouble("joint_states")
        raise RefusalError(
            RefusalCode.JOINT_MISMATCH,
            f"{inputs.joint_topic} names the policy's joints but gives no usable positions"
            f"{': ' if trouble else ''}{trouble}.",
            "inputs",
        )


def _check_joints(wanted: Sequence[str], source: str, offered: Set[str]) -> None:
    if text := joint_mismatch("policy", wanted, source, offered):
        raise RefusalError(RefusalCode.JOINT_MISMATCH, text, "inputs")


def check_cameras(inputs: StartingInputs, buffer: InputBuffer) -> None:
    """Decode the newest frame of every camera that is used.

    Raises:
        RefusalError: CAMERA_MISMATCH names the camera and what is wrong.
    """
    for camera in buffer.cameras:
        frame = buffer.frame(camera)
        assert frame is not None  # wait_for_inputs saw it
        try:
            inputs.decode(camera, frame)
        except QuantVLAError as error:
            raise RefusalError(RefusalCode.CAMERA_MISMATCH, str(error), "inputs") from error


def read_limits(
    interface: Interface, description: str, topic: str, given: Mapping[str, Mapping[str, float]]
) -> JointLimits:
    """Return the limits of the action's joints from the URDF and the parameters.

    ``given`` has the maps max_velocity, max_acceleration and max_jerk (joint -> limit);
    max_velocity may only lower the URDF's.

    Raises:
        RefusalError: JOINT_MISMATCH, LIMITS_MISSING.
    """
    names = tuple(interface.action.joints)
    try:
        offered = {joint.name for joint in read_joints(description) if joint.type != "fixed"}
    except UrdfError as error:
        raise _no_urdf(topic, error) from error
    _check_joints(names, topic, offered)
    try:
        limits = limits_from_urdf(description, names, given["max_acceleration"], given["max_jerk"])
    except LimitsMissingError as error:
        raise RefusalError(RefusalCode.LIMITS_MISSING, str(error), "control") from error
    lowered = [given["max_velocity"].get(name, np.inf) for name in names]
    return dataclasses.replace(limits, velocity=np.minimum(limits.velocity, lowered))


def read_observed(joints: Sequence[str], description: str, topic: str) -> ObservedJoints:
    """Return what the URDF says of the observed joints.

    Raises:
        RefusalError: LIMITS_MISSING, it is no XML.
    """
    try:
        return observed_from_urdf(description, joints)
    except UrdfError as error:
        raise _no_urdf(topic, error) from error


def _no_urdf(topic: str, error: UrdfError) -> RefusalError:
    return RefusalError(
        RefusalCode.LIMITS_MISSING, f"{topic} is not a URDF ({error.reason}).", "control"
    )
