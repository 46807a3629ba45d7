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
    bundled = PathJoinSubstitution([share, "policies", "panda"])
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
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in (
                    ("bundle", bundled, "Directory of the policy bundle."),
                    ("seed", "0", "Scene of the start."),
                    ("autostart", "true", "Configure and activate the node; arming is for you."),
                    ("namespace", "", "Of all topics."),
                    ("required", "true", "End both when one of them ends."),
                )
            ),
            include("sim.launch.py", simulation),
            include("policy.launch.py", policy),
        ]
    )
