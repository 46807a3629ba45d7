# SPDX-License-Identifier: Apache-2.0
"""Start the policy node: `ros2 launch quantvla_ros policy.launch.py bundle:=/path/to/bundle`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from quantvla_ros.nodes.launching import end_launch


def generate_launch_description() -> LaunchDescription:
    """Return one process; with `autostart` it goes to active, which is dry run until ~/arm."""
    params = PathJoinSubstitution([FindPackageShare("quantvla_ros"), "config", "policy.yaml"])
    node = LifecycleNode(
        package="quantvla_ros",
        executable="policy_node",
        name="policy_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("params_file"),
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, kind in (("bundle", str), ("robot", str), ("use_sim_time", bool))
            },
        ],
        output="screen",
    )

    def change(transition: int) -> EmitEvent:
        return EmitEvent(
            event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
        )

    autostart = IfCondition(LaunchConfiguration("autostart"))
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", description="Directory of the policy bundle."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in (
                    ("params_file", params, "Parameters of the node."),
                    ("robot", "panda", "The robot: path of a robot.yaml, or a preset of ours."),
                    ("use_sim_time", "false", "Take the time from /clock."),
                    ("autostart", "true", "Configure and activate the node; arming is for you."),
                    ("namespace", "", "Of all its topics."),
                    ("required", "true", "End the whole launch when the node ends."),
                )
            ),
            # Before the node: the handlers must be there when the process starts, or ends.
            RegisterEventHandler(
                OnProcessExit(target_action=node, on_exit=end_launch),
                condition=IfCondition(LaunchConfiguration("required")),
            ),
            RegisterEventHandler(
                OnProcessStart(
                    target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)]
                ),
                condition=autostart,
            ),
            RegisterEventHandler(
                OnStateTransition(
                    target_lifecycle_node=node,
                    start_state="configuring",
                    goal_state="inactive",
                    entities=[change(Transition.TRANSITION_ACTIVATE)],
                ),
                condition=autostart,
            ),
            node,
        ]
    )
