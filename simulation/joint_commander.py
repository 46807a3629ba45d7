# SPDX-License-Identifier: Apache-2.0
"""Who commands the joints: the trajectory controller, or the twist servo; the newer one wins."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from simulation.servo import TwistServo
from simulation.trajectory import JointTrajectory
from simulation.trajectory_controller import TrajectoryController

Array = npt.NDArray[np.float64]


class JointCommander:
    """Gives the servos their targets from what was received; safe for several threads.

    The last joint is the gripper's finger, which twists do not move. After a command for the
    gripper alone, its position replaces the finger's in the trajectories.

    Attributes:
        counts: trajectories_accepted, trajectories_rejected, twists_accepted, twists_rejected,
            grips_accepted, grips_rejected, nonfinite_setpoints.
        trajectory_joints: those of the trajectory controller.
        last_rejection: the reason of the newest rejection, "" before the first.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        positions: Array,
        servo: TwistServo,
        own_gripper: bool = False,
        **controller: Any,
    ) -> None:
        """Hold `positions` [n].

        Args:
            joint_names: [n].
            positions: [n].
            servo: of the joints but the last.
            own_gripper: the last joint is no joint of the trajectory controller.
            controller: release, rate and option of the `TrajectoryController`.
        """
        self._arm = slice(0, -1 if own_gripper else None)
        self._own_gripper = own_gripper
        self.trajectory_joints = tuple(joint_names[self._arm])
        self._controller = TrajectoryController(
            self.trajectory_joints, positions[self._arm], **controller
        )
        self._servo = servo
        self._lock = threading.Lock()
        self._held = np.array(positions, dtype=np.float64)
        self._last_time: float | None = None
        self.counts: Counter[str] = Counter()
        self.last_rejection = ""

    def reset(self, positions: Array) -> None:
        """Forget all commands and hold `positions` [n]; the counts stay."""
        with self._lock:
            self._servo.stop()
            self._controller.reset(positions[self._arm])
            self._held = np.array(positions, dtype=np.float64)
            self._last_time = None

    def submit_trajectory(self, trajectory: JointTrajectory, now: float) -> str | None:
        """Hand a trajectory to the controller; return the reason when it is rejected."""
        with self._lock:
            reason = self._controller.submit(trajectory, now)
            if reason is None:
                self._servo.stop()
            return self._counted("trajectories", reason)

    def submit_twist(self, twist: Array, frame: str, stamp: float, now: float) -> str | None:
        """Hand a twist [6] to the servo; return the reason when it is refused."""
        with self._lock:
            reason = self._servo.submit(twist, frame, stamp, now, self._held[:-1])
            return self._counted("twists", reason)

    def submit_grip(self, position: float) -> str | None:
        """Move the gripper's finger (m); return the reason when it is refused."""
        with self._lock:
            reason = None
            if not self._own_gripper:
                reason = "the gripper is a joint of the trajectory controller"
            elif not np.isfinite(position):
                reason = f"the gripper's position is {position}"
            else:
                self._held[-1] = position
            return self._counted("grips", reason)

    def take_executed(self) -> list[tuple[float, Array]]:
        """When each control cycle since the last call began (s), and its targets [n].

        Of the trajectory controller's joints, and of the time since it was reset last.
        """
        with self._lock:
            taken = list(self._controller.executed)
            self._controller.executed.clear()
            return taken

    def setpoint(self, now: float, measured: tuple[Array, Array] | None = None) -> Array:
        """Return the targets [n] at `now` (s); ask in rising time.

        As a drive does, it drops targets that are not finite and keeps the last one. `measured`
        (positions and velocities [n]) is for a controller that starts from there.
        """
        with self._lock:
            if self._servo.active and self._last_time is not None:
                arm = self._servo.step(now, now - self._last_time)
                self._controller.reset(np.append(arm, self._held[-1])[self._arm])
            self._last_time = now
            if measured is not None:
                measured = (measured[0][self._arm], measured[1][self._arm])
            target = self._controller.setpoint(now, measured)
            if np.isfinite(target).all():
                self._held[self._arm] = target
            else:
                self.counts["nonfinite_setpoints"] += 1
            result: Array = self._held.copy()
            return result

    def _counted(self, kind: str, reason: str | None) -> str | None:
        self.counts[f"{kind}_{'accepted' if reason is None else 'rejected'}"] += 1
        if reason is not None:
            self.last_rejection = reason
        return reason
