# SPDX-License-Identifier: Apache-2.0
"""What ``configure`` does: from parameters and a bundle on disk to a ready session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from rclpy.node import Node

from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.control.faults import RefusalCode
from quantvla_ros.errors import BackendError
from quantvla_ros.inference.client import InferenceClient
from quantvla_ros.nodes import parameters as node_parameters
from quantvla_ros.nodes.clock_sources import ClockSources
from quantvla_ros.nodes.diagnostics import Diagnostics
from quantvla_ros.nodes.drive_builder import DriveBuilder
from quantvla_ros.nodes.goal_watch import GoalWatch
from quantvla_ros.nodes.inputs import Inputs
from quantvla_ros.nodes.output_watch import OutputWatch
from quantvla_ros.nodes.ros_clock import RosClock
from quantvla_ros.nodes.visuals import ChunkDisplay
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.robot_file import PRESETS, read_robot
from quantvla_ros.serving.graph import GraphWatches
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.instruction_gate import instruction_gate
from quantvla_ros.serving.joint_limit_texts import MAX_JUMP, TRACKING_TOLERANCE
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.parts import PolicyParts, RobotParts, SessionParts
from quantvla_ros.serving.record import check_record_path
from quantvla_ros.serving.startup import (
    RefusalError,
    backend_for,
    check_built,
    check_cameras,
    check_chunk_length,
    check_fingerprint,
    check_gate,
    read_bundle,
    read_observed,
    wait_for_inputs,
)
from quantvla_ros.serving.status import OK, WARN
from quantvla_ros.serving.supervision import jump_distances, tracking_tolerances
from quantvla_ros.serving.threaded_session import ThreadedSession
from quantvla_ros.serving.trained_state import TrainedState


class SessionBuilder:
    """Builds one session after another; what belongs to the topics is made once."""

    def __init__(
        self,
        node: Node,
        diagnostics: Diagnostics,
        parameters: Callable[[], PolicyNodeParameters],
        report: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Create publishers and the subscriptions that need no bundle.

        Args:
            node: the policy node.
            diagnostics: its check `bundle` is filled here.
            parameters: the newest ones.
            report: of the sessions, see ``ThreadedSession``.
            on_error: of the sessions, too.
        """
        self._node = node
        self._diagnostics = diagnostics
        self._parameters = parameters
        self._report = report
        self._on_error = on_error
        self._inputs = Inputs(node, on_error)
        self._drives = DriveBuilder(node)
        self._goals = GoalWatch(node)
        self._display = ChunkDisplay(node)
        self._aborted = threading.Event()
        self._starting: InferenceClient | None = None

    def build(self) -> ThreadedSession:
        """Check everything, start the inference process and wait until it is warm.

        Raises:
            RefusalError: one of the checks.
            BundleError: the inference process refuses the bundle.
            BackendError: the inference process does not come up.
            QuantVLAError: parameters that do not fit each other.
        """
        parameters = self._parameters()
        manifest = read_bundle(parameters.bundle)
        backend = backend_for(manifest, parameters.backend)
        parameters = parameters.model_copy(update={"backend": backend})
        robot = None
        if parameters.robot:
            robot = read_robot(parameters.robot, shared_file(PRESETS))
            known = {"interface": robot.fit(manifest.interface)}
            manifest = manifest.model_copy(update=known)
        interface = manifest.interface
        find_backend(backend)  # refused here and not by a process that ends
        check_built(parameters.bundle, parameters.backend)
        warning = check_gate(manifest, parameters.bundle, parameters.allow_failed_gate)
        check_chunk_length(interface, parameters.motion_config(), 1 / parameters.control_rate_hz)
        check_record_path(parameters.record_path)
        given = node_parameters.declare_joint_limits(self._node, interface.action.joints)
        if robot is not None:
            given = {key: robot.limits(key) | own for key, own in given.items()}
        buffer = InputBuffer(
            [c.name for c in interface.cameras],
            interface.state.names,
            lambda: self._parameters().gates(),
            instruction_gate(
                Path(os.path.expanduser(parameters.bundle)),
                manifest,
                lambda: self._parameters().instruction_check,
            ),
            [c.name for c in interface.cameras if c.optional],
        )
        clocks = ClockSources(self._node, self._node.get_parameter("use_sim_time").value)
        cameras = {} if robot is None else robot.cameras
        self._inputs.connect(buffer, parameters.image_transport, cameras)
        try:
            wait_for_inputs(self._inputs, buffer, parameters.input_timeout_s, self._aborted)
            check_cameras(self._inputs, buffer)
            for name in {c.name for c in interface.cameras} - set(buffer.cameras):
                self._node.get_logger().info(f"Camera '{name}' sends nothing; it is optional.")
            description = self._inputs.robot_description
            assert description is not None  # wait_for_inputs saw it
            drive = self._drives.build(
                interface, parameters, description, self._inputs.description_topic, given, robot
            )
            observed = read_observed(buffer.joints, description, self._inputs.description_topic)
            buffer.know_joints(observed, jump_distances(observed.names, given[MAX_JUMP]))
            client = self._start_worker(parameters)
            warning = warning or self._check_fingerprint(manifest, parameters, client)
        except BaseException as error:
            self._inputs.disconnect()
            if isinstance(error, RefusalError) and error.code is RefusalCode.INPUT_MISSING:
                clocks.look()
                if clocks.conflict is not None:  # then every other stamp lies in the future
                    text = f"{error.text} There are {clocks.conflict[1]}."
                    raise RefusalError(error.code, text, error.check) from error
            raise
        self._report_bundle(warning, Path(os.path.expanduser(parameters.bundle)), manifest, client)
        output = OutputWatch(self._node, drive.publishers, self._goals, drive.grippers)
        joints = self._inputs.publishers
        parts = SessionParts(
            self._parameters,
            RosClock(self._node),
            PolicyParts(manifest, TrainedState(manifest, observed.continuous), client),
            RobotParts(
                drive, tracking_tolerances(drive, given[TRACKING_TOLERANCE]), self._inputs, buffer
            ),
            GraphWatches(output, clocks, joints, self._inputs.graph),
            self._display,
        )
        return ThreadedSession(parts, self._report, self._on_error)

    def abort(self) -> None:
        """Make a build under way in another thread, and every later one, refuse soon."""
        self._aborted.set()
        starting = self._starting
        if starting is not None:
            starting.close()

    def close(self) -> None:
        """Take no more messages; to be called before the node is destroyed."""
        self._inputs.close()

    def _start_worker(self, parameters: PolicyNodeParameters) -> InferenceClient:
        client = InferenceClient(
            Path(os.path.expanduser(parameters.bundle)),
            parameters.backend,
            parameters.threads,
            parameters.inference_timeout_s,
            parameters.resident,
        )
        self._starting = client
        try:
            if not self._aborted.is_set():  # it may have been before there was a client to close
                client.start(parameters.warmup_timeout_s)
        except BackendError:
            if not self._aborted.is_set():
                raise
        finally:
            self._starting = None
        if self._aborted.is_set():
            client.close()
            raise RefusalError(RefusalCode.ABORTED, "The node is being shut down.", "inference")
        return client

    def _check_fingerprint(
        self, manifest: BundleManifest, parameters: PolicyNodeParameters, client: InferenceClient
    ) -> str:
        assert client.ready is not None
        try:
            return check_fingerprint(
                manifest,
                parameters.bundle,
                parameters.backend,
                client.ready.kernel,
                parameters.allow_failed_gate,
            )
        except RefusalError:
            client.close()
            raise

    def _report_bundle(
        self, warning: str, path: Path, manifest: BundleManifest, client: InferenceClient
    ) -> None:
        if warning:
            self._node.get_logger().warning(warning)
        known = manifest.calibration
        values: dict[str, object] = {
            "path": path,
            "sha256": bundle_hash(path),
            "calibrated_instructions": len(known.instructions)
            if known and known.instructions
            else "none known",
            "camera_statistics": ", ".join(known.cameras) if known else "none known",
        }
        if client.ready is not None:
            values |= {
                "kernel": client.ready.kernel,
                "integer_layers": client.ready.integer_layers,
                "weight_bytes": client.ready.weight_bytes,
            }
        self._diagnostics.update("bundle", WARN if warning else OK, warning or "loaded")
        self._diagnostics.set_values("bundle", values)
