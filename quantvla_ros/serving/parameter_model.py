# SPDX-License-Identifier: Apache-2.0
"""The one typed model of the policy node's parameters: type, range, unit and text.

Declaration, validation, ``config/policy.yaml`` and the reference page are made from it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from quantvla_ros.backends.registry import DEFAULT, YARDSTICK
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.twist import TwistLimits
from quantvla_ros.processing.trained_range import FARTHEST
from quantvla_ros.robot.gripper_types import GripperType
from quantvla_ros.serving.input_types import Gates

_MOTION = MotionConfig()


def _parameter(
    default: Any,
    text: str,
    *,
    unit: str = "",
    live: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> Any:
    """Return a model field; ``live`` parameters may change while the node is configured."""
    extra: dict[str, Any] = {"unit": unit, "live": live}
    return Field(default=default, description=text, json_schema_extra=extra, ge=ge, gt=gt, le=le)


class PolicyNodeParameters(BaseModel):
    """Parameters of ``policy_node``; the fields' order is the order of the reference page."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    bundle: str = _parameter("", "Directory of the policy bundle. Required.")
    robot: str = _parameter(
        "",
        "The robot's description: path of a robot.yaml, or a preset such as `panda`, `so101` or "
        "`ur5e_robotiq`. It names joints, camera topics, controllers and limits; the parameters "
        "about them go before it. Empty: the policy's names, one `joint_trajectory`.",
    )
    backend: str = _parameter(
        "",
        f"What computes: `{DEFAULT}` multiplies on the processor's integer units, `{YARDSTICK}` "
        "slowly in float on the integer grid, as a yardstick; `quantvla doctor` lists the others "
        f"of this machine. Empty: the one whose gate judged the bundle, else `{DEFAULT}`.",
    )
    threads: int = _parameter(
        1,
        "Threads of the inference process; the chunks are the same for any number.",
        ge=1,
        le=64,
    )
    resident: Literal["all", "sequential"] = _parameter(
        "all",
        "What of the policy stays in the GPU's memory: all of it, or one engine that makes way for "
        "the next (`sequential`, slow), where both do not fit. Backends without engines hold all.",
    )
    seed: int = _parameter(
        0, "Seed of the policy's noise; equal seeds repeat a run.", live=True, ge=0, le=2**31 - 1
    )
    allow_failed_gate: bool = _parameter(
        False, "Run an INT8 bundle that has not passed its gate, with a warning at every start."
    )
    warmup_timeout_s: float = _parameter(
        300.0, "Longest wait for the policy to load, compile and warm up.", unit="s", gt=0, le=3600
    )
    inference_timeout_s: float = _parameter(
        1.0,
        "Longest inference; a slower one is the fault INFERENCE_TIMEOUT.",
        unit="s",
        gt=0,
        le=60,
    )
    image_transport: Literal["raw", "compressed"] = _parameter(
        "raw",
        "`raw` reads `<camera>/image_raw` (Image), `compressed` reads "
        "`<camera>/image_raw/compressed` (CompressedImage).",
    )
    instruction_check: Literal["enforce", "warn", "ignore"] = _parameter(
        "enforce",
        "An instruction that the policy does not know: `enforce` makes the arm hold and refuses "
        "arming, `warn` only says so in the diagnostics. A tokenizer of words tells by itself "
        "(more than half of them unknown); for others the instructions that the bundle was "
        "calibrated on are known. One that is too long, or would be cut, always makes the arm "
        "hold.",
        live=True,
    )
    camera_check: Literal["enforce", "warn", "ignore"] = _parameter(
        "enforce",
        "A camera that does not show what the bundle was calibrated on (black, covered, another "
        "one): `enforce` refuses arming, `warn` only says so in the diagnostics.",
        live=True,
    )
    input_timeout_s: float = _parameter(
        10.0, "Longest wait of configure for the first message of an input.", unit="s", gt=0, le=600
    )
    max_camera_age_s: float = _parameter(
        0.5, "Older camera frames are not used; the fault STALE_CAMERA.", unit="s", live=True,
        gt=0, le=10,
    )  # fmt: skip
    max_joint_age_s: float = _parameter(
        0.2, "Older joint states are not used; the fault STALE_JOINT_STATE.", unit="s", live=True,
        gt=0, le=10,
    )  # fmt: skip
    max_skew_s: float = _parameter(
        0.06, "Largest difference of the stamps of one observation.", unit="s", live=True,
        gt=0, le=10,
    )  # fmt: skip
    skew_timeout_s: float = _parameter(
        0.5, "Inputs that are not of one instant for longer, and for longer than the ages allowed, "
        "are the fault SKEWED_INPUTS.", unit="s", live=True, gt=0, le=10,
    )  # fmt: skip
    max_future_s: float = _parameter(
        0.2, "How far a stamp may be ahead of the ROS clock; messages beyond it are not used.",
        unit="s", live=True, gt=0, le=10,
    )  # fmt: skip
    max_frozen_s: float = _parameter(
        0.0, "How long a picture may stay the same to the last bit, as a camera that hangs sends "
        "it; later ones are not used. 0: for ever, as simulated cameras do.", unit="s", live=True,
        ge=0, le=60,
    )  # fmt: skip
    max_jump_s: float = _parameter(
        0.1, "A joint may be measured as far from where it was as its velocity limit in the URDF "
        "covers between the two stamps and in this time; further is the fault JOINT_JUMP. "
        "`joint_limits.<joint>.max_jump` sets it for one joint.", unit="s", live=True,
        gt=0, le=10,
    )  # fmt: skip
    max_state_deviation: float = _parameter(
        FARTHEST, "A joint that is measured further from its mean in the policy's training is the "
        "fault STATE_OUT_OF_RANGE.", unit="standard deviations", live=True, gt=0, le=1e6,
    )  # fmt: skip
    clock_timeout_s: float = _parameter(
        1.0, "A ROS clock that stands still for longer is the fault CLOCK_JUMP.", unit="s",
        live=True, gt=0, le=60,
    )  # fmt: skip
    max_clock_step_s: float = _parameter(
        0.1, "A ROS clock that goes back, or jumps ahead of the steady clock, by more is the fault "
        "CLOCK_JUMP; a system's clock may go back by 0.02 s at most, a simulation may run up to 10 "
        "times as fast as real time.", unit="s",
        live=True, gt=0, le=60,
    )  # fmt: skip
    limit_tolerance_s: float = _parameter(
        0.1, "The policy may ask a joint to go as far outside its position limits as its velocity "
        "limit covers in this time without a violation; such targets are always clamped.",
        unit="s", live=True, ge=0, le=10,
    )  # fmt: skip
    max_violation_s: float = _parameter(
        0.5, "Violations for more than this time within 5 s are the fault LIMIT_VIOLATION.",
        unit="s", live=True, gt=0, le=5,
    )  # fmt: skip
    tracking_lag_s: float = _parameter(
        0.1, "A joint may be as far from its command as its velocity limit covers in this time; "
        "`joint_limits.<joint>.tracking_tolerance` sets it for one joint.", unit="s", live=True,
        gt=0, le=10,
    )  # fmt: skip
    tracking_timeout_s: float = _parameter(
        0.3, "A joint that is further away for longer is the fault TRACKING_ERROR.", unit="s",
        live=True, gt=0, le=10,
    )  # fmt: skip
    control_rate_hz: float = _parameter(
        50.0, "Rate at which commands are published.", unit="Hz", ge=20, le=200
    )
    transport_margin_s: float = _parameter(
        _MOTION.transport_margin_s,
        "Time in which a published window surely reaches the controller, by a clock that may "
        "differ. A window departs from the one before it this time and a control period after "
        "its tick, or a little later; one that would leave later is not published.",
        unit="s", gt=0, le=0.5,
    )  # fmt: skip
    window_s: float = _parameter(
        _MOTION.window_s, "Length of the moving part of a window.", unit="s", gt=0, le=2
    )
    lookahead_s: float = _parameter(
        _MOTION.lookahead_s, "How far ahead on the path the reference aims.", unit="s", gt=0, le=1
    )
    blend_s: float = _parameter(
        _MOTION.blend_s,
        "Length of the cross-fade from one chunk to the next.",
        unit="s",
        gt=0,
        le=2,
    )
    stop_s: float = _parameter(
        _MOTION.stop_s, "Time in which a stop slows the motion along its path.", unit="s",
        gt=0, le=5,
    )  # fmt: skip
    execute_steps: int = _parameter(
        _MOTION.execute_steps, "Points of a chunk to execute before the next one takes over.",
        ge=1, le=1000,
    )  # fmt: skip
    gripper_type: GripperType = _parameter(
        "trajectory",
        "What the gripper's controller takes: `trajectory`, it is in the arm's; `forward_command`, "
        "std_msgs/Float64MultiArray at every control period; `gripper_command` or "
        "`parallel_gripper_command`, goals of the actions of control_msgs, on change. Policies of "
        "kind `ee_delta` with a gripper have no trajectory.",
    )
    gripper_joint: str = _parameter(
        "",
        "Joint of a gripper with a controller of its own, which is then left out of the "
        "trajectory; for policies of kind `ee_delta` the bundle names it.",
    )
    gripper_output: str = _parameter(
        "",
        "Topic or action of the gripper's controller; empty: `gripper_controller/commands` for "
        "`forward_command`, `gripper_controller/gripper_cmd` for the actions.",
    )
    gripper_max_effort: float = _parameter(
        0.0, "Effort in every goal of the gripper, for the actions. 0: `gripper_command` sends 0, "
        "which the effort controller takes literally; `parallel_gripper_command` sends none, which "
        "is the controller's own.", unit="N or N m", ge=0, le=1000,
    )  # fmt: skip
    gripper_goal_rate_hz: float = _parameter(
        5.0, "Most goals a second to the gripper, for the actions.", unit="Hz", ge=0.1, le=50
    )
    twist_frame: str = _parameter(
        "", "Frame of the twists of an `ee_delta` policy; empty: the base link of the bundle."
    )
    max_linear_velocity: float = _parameter(
        0.25, "Fastest motion of the tip by an `ee_delta` policy.", unit="m/s", gt=0, le=5
    )
    max_angular_velocity: float = _parameter(
        1.0, "Fastest turn of the tip by an `ee_delta` policy.", unit="rad/s", gt=0, le=10
    )
    max_linear_acceleration: float = _parameter(
        1.0, "Acceleration of the tip along each axis by an `ee_delta` policy.", unit="m/s^2",
        gt=0, le=50,
    )  # fmt: skip
    max_angular_acceleration: float = _parameter(
        4.0, "Acceleration of the tip's turn about each axis by an `ee_delta` policy.",
        unit="rad/s^2", gt=0, le=100,
    )  # fmt: skip
    servo_node: str = _parameter(
        "",
        "Full name of MoveIt Servo's node, such as `/servo_node`: before arming, its units, speeds "
        "and topic are checked, and it is told to take twists. Empty: neither.",
    )
    realtime_chunking: bool = _parameter(
        False,
        "Tell the policy what the arm does while it computes, so that its chunk continues that "
        "(guided inpainting, Black et al. 2025).",
        live=True,
    )
    record_path: str = _parameter(
        "", "File for the JSON record of timing and motion, written at deactivate.", live=True
    )

    def gates(self) -> Gates:
        """Return the limits for the inputs."""
        return Gates(
            self.max_camera_age_s,
            self.max_joint_age_s,
            self.max_skew_s,
            self.max_future_s,
            self.max_frozen_s,
            self.max_jump_s,
        )

    def twist_limits(self) -> TwistLimits:
        """Return the limits of the tip."""
        return TwistLimits(
            self.max_linear_velocity,
            self.max_angular_velocity,
            self.max_linear_acceleration,
            self.max_angular_acceleration,
        )

    def motion_config(self) -> MotionConfig:
        """Return the part of the parameters that the motion controller uses.

        Raises:
            QuantVLAError: figures that do not fit each other.
        """
        names = (
            "transport_margin_s",
            "window_s",
            "lookahead_s",
            "blend_s",
            "stop_s",
            "execute_steps",
        )
        values = {name: getattr(self, name) for name in names}
        return MotionConfig(**values, joint_state_age_s=self.max_joint_age_s)
