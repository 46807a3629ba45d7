# SPDX-License-Identifier: Apache-2.0
"""The simulated robot without ROS: servos, sensors, cameras, and the task's scene around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from simulation.cameras import IMAGE_SIZE, CameraRenderer, project
from simulation.expert import FINGER_OPEN_M
from simulation.kinematics import ARM_HOME, TOOL_SITE, Array, ToolKinematics
from simulation.scene import TIMESTEP_S, load_scene
from simulation.shifts import ShiftedScene
from simulation.tasks.objects import FIXTURES, parked_poses
from simulation.tasks.registry import make_task
from simulation.tasks.task import Scene, Task

JOINT_NAMES = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")

_BASE_BODY = "robot0_link0"
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_SETTLE_S = 0.2


@dataclass(frozen=True)
class RobotState:
    """The physics and the task's memory: all that the motion from here depends on."""

    physics: Array
    memory: object


class SimulatedRobot:
    """A Panda under joint position servos with the task's objects in front of it.

    Joint order everywhere: `joint_names`, seven arm joints in rad, then the finger in m
    (0 closed, 0.04 open; the second finger mimics it).
    """

    joint_names = JOINT_NAMES

    def __init__(self, task: str = "pick_place", shifts: Sequence[str] = ()) -> None:
        """Load the scene; call `reset` before anything else.

        Raises:
            QuantVLAError: unknown task or shift, or the simulator is not installed.
        """
        self.model = load_scene()
        self.data = mujoco.MjData(self.model)
        self.kinematics = ToolKinematics(self.model)
        self._shifted = ShiftedScene(self.model, shifts)
        self.change_task(task)
        self._site = self.model.site(TOOL_SITE).id
        self._base = self.model.body(_BASE_BODY).id
        self._bodies: dict[str, int] = {}
        self._renderers: dict[int, CameraRenderer] = {}
        self._wording = self.task.wordings[0]
        mujoco.mj_kinematics(self.model, self.data)

    def change_task(self, name: str) -> None:
        """Take the scenes of another task, from the next reset on.

        Raises:
            QuantVLAError: unknown task.
        """
        self.task = make_task(name)
        self.task.layout = self._shifted.layout

    def reset(
        self,
        seed: int,
        goal: int | None = None,
        wording: int | None = None,
        tool_position: Array | None = None,
    ) -> None:
        """Put the scene of `seed` on the table and the arm at its start, at time 0.

        Args:
            seed: same seed, same scene.
            goal: index into the goals of the scene, modulo their number; from the seed when None.
            wording: index into the task's wordings, modulo their number; negative ones count
                through the held-out wordings, -1 is the first; the first wording when None.
            tool_position: start of the tool [3], m, world frame; from the seed when None.
        """
        scene = self.task.reset(seed, goal)
        self._wording = _template(self.task, 0 if wording is None else wording)
        self._shifted.reset(seed)
        start = scene.tool_position if tool_position is None else tool_position
        arm = self.kinematics.inverse(np.asarray(start, np.float64), ARM_HOME, iterations=30)
        mujoco.mj_resetData(self.model, self.data)
        self._place(scene)
        self.data.qpos[:9] = [*arm, FINGER_OPEN_M, -FINGER_OPEN_M]
        self.command(np.append(arm, FINGER_OPEN_M))
        mujoco.mj_step(self.model, self.data, round(_SETTLE_S / TIMESTEP_S))
        self.data.time = 0.0
        self._refresh()
        self.task.begin(self)

    def _place(self, scene: Scene) -> None:
        for name, (position, quaternion) in {**parked_poses(), **scene.poses}.items():
            if name in FIXTURES:
                body = self.model.body(_body(name)).mocapid[0]
                self.data.mocap_pos[body] = position
                self.data.mocap_quat[body] = quaternion
            else:
                joint = self.model.joint(f"{_instance(name)}_joint0").id
                start = self.model.jnt_qposadr[joint]
                self.data.qpos[start : start + 3] = position
                self.data.qpos[start + 3 : start + 7] = quaternion

    def _refresh(self) -> None:
        """Make body and site poses those of the current joint positions, not one step older."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def command(self, positions: npt.ArrayLike) -> None:
        """Set the servos' targets [8] now; both fingers get the finger's."""
        values = np.asarray(positions, np.float64)
        self.data.ctrl[:8] = values
        self.data.ctrl[8] = -values[7]

    def advance(
        self, seconds: float, setpoint: Callable[[float], npt.ArrayLike] | None = None
    ) -> None:
        """Step the physics.

        Args:
            seconds: a multiple of the physics' `TIMESTEP_S` (rounded to it).
            setpoint: asked at each step of the physics with its time (s) for the targets [8] to
                hold during it; the last command is held when None.
        """
        steps = round(seconds / TIMESTEP_S)
        if setpoint is None:
            mujoco.mj_step(self.model, self.data, steps)
        else:
            for _ in range(steps):
                self.command(setpoint(self.time))
                mujoco.mj_step(self.model, self.data)
        self._refresh()
        self.task.observe(self)

    @property
    def time(self) -> float:
        """Simulation time since the reset, s."""
        return float(self.data.time)

    @property
    def commanded(self) -> Array:
        """Targets [8] that the servos hold now."""
        return np.array(self.data.ctrl[:8])

    @property
    def positions(self) -> Array:
        """Measured joint positions [8]."""
        return np.array(self.data.qpos[:8])

    @property
    def velocities(self) -> Array:
        """Measured joint velocities [8], rad/s and m/s."""
        return np.array(self.data.qvel[:8])

    @property
    def opening(self) -> float:
        """Distance between the fingers, m."""
        return float(self.data.qpos[7] - self.data.qpos[8])

    @property
    def tool_position(self) -> Array:
        """Position of the tool (link panda_grip_site) [3], m, world frame."""
        return np.array(self.data.site_xpos[self._site])

    @property
    def tool_yaw(self) -> float:
        """Turn of the tool about the world's z axis, rad; 0 in the home posture."""
        return self.kinematics.yaw(self.data.site_xmat[self._site].reshape(3, 3))

    @property
    def base_position(self) -> Array:
        """Position of panda_link0 [3], m, world frame; its axes are parallel to the world's."""
        return np.array(self.data.xpos[self._base])

    def object_position(self, name: str) -> Array:
        """Position of an object's body [3], m, world frame (name as in the instruction)."""
        return np.array(self.data.xpos[self._body_of(name)])

    def object_rotation(self, name: str) -> Array:
        """Rotation [3, 3] of an object's body to the world frame."""
        return np.array(self.data.xmat[self._body_of(name)]).reshape(3, 3)

    def _body_of(self, name: str) -> int:
        """Index of an object's body; the model's own look-up by name is slow."""
        if name not in self._bodies:
            self._bodies[name] = int(self.model.body(_body(name)).id)
        return self._bodies[name]

    def project(self, points: Array) -> npt.NDArray[np.float32]:
        """Image coordinates [n, cameras, 2] of world points [n, 3]; see `cameras.project`."""
        return project(self.model, self.data, points)

    def render(self, size: int = IMAGE_SIZE) -> dict[str, npt.NDArray[np.uint8]]:
        """Return the cameras' pictures, uint8 [size, size, 3], rgb.

        Always call it from the same thread: the GL context belongs to the first that did.
        """
        if size not in self._renderers:
            self._renderers[size] = CameraRenderer(self.model, size)
        images = self._renderers[size].render(self.data)
        return self._shifted.pictures(images, self.time)

    def success(self) -> bool:
        """Whether the task is done, judged from the simulation's state."""
        return bool(self.task.success(self))  # numpy's own kind is no JSON

    @property
    def instruction(self) -> str:
        """The sentence for the task's present goal, in the wording chosen at the reset."""
        return self.task.words(self._wording)

    @property
    def first_moved(self) -> str | None:
        """The thing that left its place first since the reset."""
        return self.task.first_moved

    def save_state(self) -> RobotState:
        """Return everything needed to continue from here exactly."""
        physics = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, physics, _STATE)
        return RobotState(physics, self.task.memory())

    def restore_state(self, state: RobotState) -> None:
        """Go back to a saved state; continuing from it repeats the same motion bit for bit."""
        mujoco.mj_setState(self.model, self.data, state.physics, _STATE)
        self._refresh()
        self.task.restore(state.memory)

    def close(self) -> None:
        """Free the GL contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


def _instance(name: str) -> str:
    return f"{name.replace(' ', '_')}_1"


def _body(name: str) -> str:
    return name if name in FIXTURES else f"{_instance(name)}_main"


def _template(task: Task, wording: int) -> str:
    if wording >= 0:
        return task.wordings[wording % len(task.wordings)]
    return task.held_out_wordings[(-1 - wording) % len(task.held_out_wordings)]
