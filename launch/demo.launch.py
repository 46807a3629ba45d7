# SPDX-License-Identifier: Apache-2.0
"""Start the simulated robot and the policy node: `ros2 launch quantvla_ros demo.launch.py`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Return both; then publish an instruction and call /policy_node/arm."""
    share = FindPackageShare("quantvla_ros")
    both = ("namespace", "required")
    policy = {name: LaunchConfiguration(name) for name in ("bundle", "autostart", *both)} | {
        "use_sim_time": "true"
    }
    simulation = {name: LaunchConfiguration(name) for name in ("seed", *both)}

    def include(name: str, arguments: dict[str, object]) -> IncludeLaunchDescription:
        path = PathJoinSubstitution([share, "launch", name])
        return IncludeLaunchDescription(
            PythonLaunchDescriptionSource(path), launch_arguments=arguments.items()
        )

    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "bundle",
                default_value=PathJoinSubstitution([share, "policies", "panda"]),
                description="Directory of the policy bundle.",
            ),
            DeclareLaunchArgument("seed", default_value="0", description="Scene of the start."),
            DeclareLaunchArgument(
                "autostart",
                default_value="true",
                description="Configure and activate the node; arming is always left to you.",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Of all topics."),
            DeclareLaunchArgument(
                "required", default_value="true", description="End both when one of them ends."
            ),
            include("sim.launch.py", simulation),
            include("policy.launch.py", policy),
        ]
    )
