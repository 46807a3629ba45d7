# SPDX-License-Identifier: Apache-2.0
"""How the JointTrajectoryController differs between ROS distributions.

Read from `validate_trajectory_msg`, `update` and the parameter files of ros2_controllers, branches
humble, jazzy and kilted, August 2026. All else that the simulated controller does is the same on
the three of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantvla_ros.errors import QuantVLAError


@dataclass(frozen=True)
class ControllerRelease:
    """Defaults and names of one distribution.

    Attributes:
        name: of the distribution.
        allow_nonzero_velocity_at_trajectory_end: its default; without it such a trajectory is
            refused, with it the last point is held all the same.
        desired_state_parameters: names under which it knows the option that this package needs: a
            new trajectory starts from the last setpoint and not from where the joints are measured.
        commands_ahead: whether `update` commands for the end of its cycle, and notes the setpoint
            with the cycle's beginning all the same; a new trajectory that has to be approached then
            begins one cycle off. Otherwise it commands for the beginning, and approaches a new
            trajectory from the last setpoint one cycle late.
        effort_refusal: why a position controller refuses effort values, in its own words.
    """

    name: str
    allow_nonzero_velocity_at_trajectory_end: bool
    desired_state_parameters: tuple[str, ...]
    commands_ahead: bool
    effort_refusal: str


_EFFORT = (
    "Trajectories with effort fields are only supported for controllers using the 'effort' command "
    "interface."
)
_DESIRED, _FORMER = "interpolate_from_desired_state", "open_loop_control"
_HUMBLE = "Trajectories with effort fields are currently not supported."
RELEASES = {
    "humble": ControllerRelease("humble", True, (_FORMER,), False, _HUMBLE),
    "jazzy": ControllerRelease("jazzy", False, (_DESIRED, _FORMER), True, _EFFORT),
    "kilted": ControllerRelease("kilted", False, (_DESIRED,), True, _EFFORT),
}
STRICTEST = RELEASES["kilted"]


def find_release(name: str) -> ControllerRelease:
    """The release of this name.

    Raises:
        QuantVLAError: there is none.
    """
    if name not in RELEASES:
        raise QuantVLAError(f"Unknown release '{name}'; choose one of: {', '.join(RELEASES)}.")
    return RELEASES[name]
