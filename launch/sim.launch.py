# SPDX-License-Identifier: Apache-2.0
"""Start the simulated robot: `ros2 launch quantvla_ros sim.launch.py seed:=3`."""

import sys
from importlib.util import find_spec

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from quantvla_ros.nodes.launching import end_launch

MODULE = "simulation.ros.robot_node"
ARGUMENTS = (
    ("task", "pick_place", str, "Family of scenes and instructions."),
    ("seed", "0", int, "Scene of the start; each reset takes the next one."),
    ("real_time_factor", "1.0", float, "Simulated seconds per second; 0.0: as fast as possible."),
)


def generate_launch_description() -> LaunchDescription:
    """Return one process: the robot, whose topics lie in `namespace`."""
    if find_spec("simulation") is None:
        raise RuntimeError(
            "The simulated robot is not installed: a robot needs none. To run it, put the "
            "source folder of quantvla_ros on PYTHONPATH."
        )
    robot = Node(
        executable=sys.executable,
        arguments=["-m", MODULE],
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, _, kind, _ in ARGUMENTS
            }
        ],
        output="screen",
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in (
                    *((name, default, text) for name, default, _, text in ARGUMENTS),
                    ("namespace", "", "Of all its topics."),
                    ("required", "true", "End the whole launch when the robot ends."),
                )
            ),
            # Before the node: the handler must be there when the process ends.
            RegisterEventHandler(
                OnProcessExit(target_action=robot, on_exit=end_launch),
                condition=IfCondition(LaunchConfiguration("required")),
            ),
            robot,
        ]
    )
