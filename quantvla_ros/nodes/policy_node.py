# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node that runs a policy bundle and publishes joint trajectories."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence

from diagnostic_msgs.srv import AddDiagnostics
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.executors import Executor
from rclpy.lifecycle import (
    LifecycleNode,
    LifecycleNodeMixin,
    LifecycleState,
    TransitionCallbackReturn,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from quantvla_ros.control.faults import Fault, RefusalCode
from quantvla_ros.errors import BackendError, BundleError, QuantVLAError
from quantvla_ros.nodes import parameters as node_parameters
from quantvla_ros.nodes.diagnostics import Diagnostics
from quantvla_ros.nodes.executor import PatientExecutor
from quantvla_ros.nodes.manager_bond import ManagerBond
from quantvla_ros.nodes.runtime import Runtime
from quantvla_ros.nodes.session_builder import SessionBuilder
from quantvla_ros.nodes.transitions import guard_transitions, logged
from quantvla_ros.serving.parameter_table import validate
from quantvla_ros.serving.startup import RefusalError
from quantvla_ros.serving.status import ERROR, report_changes, report_session
from quantvla_ros.serving.threaded_session import ThreadedSession

END_TIMEOUT_S = 10.0
"""Longest wait at the end of the process for a transition that is under way."""
SETTLE_S = 1.0
"""Longest wait at the end of the process for callbacks under way."""
REPORT_S = 1.0
"""Longest time between two messages of diagnostics."""
SWITCH_INTERVAL_S = 0.0005
"""How long a Python thread may keep the control thread waiting; Python's own 5 ms is a quarter
of a control period."""


class PolicyNode(LifecycleNode):
    """Lifecycle around one ``ThreadedSession``: see docs/reference/ros-interface.md."""

    def __init__(self, stop_process: Callable[[], None]) -> None:
        """Declare parameters and create what lives as long as the node.

        Args:
            stop_process: ends the process; called when a thread of the node fails.

        Raises:
            ParameterError: a parameter of a wrong type or out of range.
        """
        # LifecycleNode itself would put the lifecycle services into the group of /clock and the
        # parameters, which would stand still during a transition.
        Node.__init__(self, "policy_node")
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        node_parameters.declare(self)
        self._settings = node_parameters.read(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._stop_process = stop_process
        self.exit_code = 0
        self._session: ThreadedSession | None = None
        self._configuring = False
        self._latched: Fault | None = None  # outlives its session: only a reset ends it
        self.transition_lock = guard_transitions(self)
        self.diagnostics = Diagnostics(self)
        self._bond = ManagerBond(self)
        self._builder = SessionBuilder(
            self,
            self.diagnostics,
            lambda: self._settings,
            self._report_changes,
            self._on_thread_error,
        )
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(SetBool, "~/arm", self._on_arm, callback_group=group)
        self.create_service(Trigger, "~/reset_fault", self._on_reset, callback_group=group)
        # The one stock service with a text in and an answer with a reason out.
        self.create_service(AddDiagnostics, "~/instruct", self._on_instruct, callback_group=group)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        reports = MutuallyExclusiveCallbackGroup()
        self._reported = 0.0
        self.create_timer(REPORT_S, self._report_idle, callback_group=reports, clock=steady)

    @logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check bundle, inputs and limits; start the inference process and warm it up."""
        self.diagnostics.reset("configuring")
        self._configuring = True  # parameters are read one by one
        try:
            self._session = self._builder.build()
            self._session.motion.fault = self._latched
        except RefusalError as refusal:
            return self._refuse(refusal)
        except BundleError as error:
            return self._refuse(RefusalError(RefusalCode.BUNDLE_INVALID, str(error), "bundle"))
        except BackendError as error:
            return self._refuse(RefusalError(RefusalCode.BACKEND_ERROR, str(error), "inference"))
        except QuantVLAError as error:
            return self._refuse(RefusalError(RefusalCode.PARAMETER_INVALID, str(error), "control"))
        finally:
            self._configuring = False
        # rclpy looks up the source of its caller: 20 ms for the first line of a process, which
        # would hold up the control thread if it were the first fault's.
        self.get_logger().info(f"Configured with {self._settings.bundle}.")
        self._report()
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start inference and control, in dry run."""
        assert self._session is not None
        # What exists by now stays: collecting it again and again would delay the control thread.
        gc.collect()
        gc.freeze()
        self._session.activate()
        self._bond.begin()
        self.get_logger().info("Active: inference and control run.")
        self._report()
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Decelerate within the limits to rest, then stop both."""
        assert self._session is not None
        try:
            self._session.deactivate()
        except QuantVLAError as error:
            self.get_logger().error(str(error))
        self._bond.end()
        self._report()
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the inference process and forget the bundle."""
        self._close_session()
        self.diagnostics.reset("not configured")
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Decelerate, then end the inference process, from whichever state."""
        self._close_session()
        self.diagnostics.reset("shut down")
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up after a transition that raised; the node is then unconfigured."""
        self._close_session()
        return TransitionCallbackReturn.SUCCESS

    def end(self) -> None:
        """Bring the arm to rest and end the inference process, whatever is under way."""
        self._builder.abort()
        if self.transition_lock.acquire(timeout=END_TIMEOUT_S):
            try:
                self._close_session()
            finally:
                self.transition_lock.release()
        self._builder.close()

    def _refuse(self, refusal: RefusalError) -> TransitionCallbackReturn:
        self.get_logger().error(str(refusal))
        self.diagnostics.update(refusal.check, ERROR, str(refusal))
        self.diagnostics.publish()
        return TransitionCallbackReturn.FAILURE

    def _close_session(self) -> None:
        self._bond.end()
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close()
        except QuantVLAError as error:
            self.get_logger().error(str(error))
        finally:
            self._log_faults(session)
        self._latched = session.motion.fault

    def _report(self) -> None:
        self._reported = time.monotonic()
        if self._session is not None:
            self._session.look()
            self._log_faults(self._session)
            report_session(self._session, self.diagnostics)
        self.diagnostics.publish()

    def _report_idle(self) -> None:
        if self._session is None or not self._session.active:
            self._report()

    def _report_changes(self) -> None:
        """Called by a thread of the session, which the inference cannot put aside."""
        session = self._session
        if time.monotonic() - self._reported >= REPORT_S:
            self._report()
        elif session is not None:
            self._log_faults(session)
            if report_changes(session, self.diagnostics):
                self._report()  # a new message comes with its figures

    def _log_faults(self, session: ThreadedSession) -> None:
        for fault in session.take_raised():
            self.get_logger().error(f"{fault.code.value}: {fault.text}")

    def _on_arm(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        def act(session: ThreadedSession) -> str:
            if request.data:
                session.arm()
                return "Armed."
            session.disarm()
            return "Disarmed."

        response.success, response.message = self._act(act)
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def act(session: ThreadedSession) -> str:
            session.reset_fault()
            return "The fault is reset; the node is in dry run."

        response.success, response.message = self._act(act)
        return response

    def _on_instruct(
        self, request: AddDiagnostics.Request, response: AddDiagnostics.Response
    ) -> AddDiagnostics.Response:
        text = request.load_namespace
        response.success, response.message = self._act(lambda session: session.instruct(text))
        return response

    def _act(self, action: Callable[[ThreadedSession], str]) -> tuple[bool, str]:
        session = self._session
        if session is None:
            return False, "The node is not configured."
        try:
            text = action(session)
        except QuantVLAError as error:
            self.get_logger().warning(str(error))
            return False, str(error)
        self.get_logger().info(text)
        self._report()
        return True, text

    def _on_set_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        configured = self._configuring or self._session is not None
        result = node_parameters.check_change(self, changes, configured)
        if result.successful:
            known = self._settings.model_dump()
            known.update({p.name: p.value for p in changes if p.name in known})
            self._settings = validate(known)
        return result

    def _on_thread_error(self, error: Exception) -> None:
        # The arm stops by itself: the last window ends at rest.
        self.get_logger().fatal(f"The node gives up: {type(error).__name__}: {error}")
        self.exit_code = 1
        self._stop_process()


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit status."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        with Runtime(args) as runtime:
            node = PolicyNode(runtime.stop)
            executor = PatientExecutor(threads=4)
            runtime.spin(node, executor)
            runtime.wait()
            node.end()
            _settle(executor, node)
            return node.exit_code
    except QuantVLAError as error:
        print(error, file=sys.stderr)
        return 1


def _settle(executor: Executor, node: Node) -> None:
    """Let the callbacks under way end: shutting down over them makes rclpy complain."""
    executor.remove_node(node)
    settled = threading.Event()
    executor.create_task(settled.set)
    settled.wait(SETTLE_S)


if __name__ == "__main__":
    sys.exit(main())
