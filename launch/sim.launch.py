# SPDX-License-Identifier: Apache-2.0
"""Start the simulated robot: `ros2 launch quantvla_ros sim.launch.py seed:=3`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

ARGUMENTS = (
    ("task", "pick_place", str, "Family of scenes and instructions."),
    ("seed", "0", int, "Scene of the start; each reset takes the next one."),
    ("real_time_factor", "1.0", float, "Simulated seconds per second; 0.0: as fast as possible."),
)


def generate_launch_description() -> LaunchDescription:
    """Return one process: the robot, whose topics lie in `namespace`."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Of all its topics."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, _, text in ARGUMENTS
            ),
            Node(
                package="quantvla_ros",
                executable="sim_robot_node",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, _, kind, _ in ARGUMENTS
                    }
                ],
                output="screen",
            ),
        ]
    )
