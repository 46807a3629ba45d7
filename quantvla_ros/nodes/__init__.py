# SPDX-License-Identifier: Apache-2.0
"""The ROS side: the only room that imports rclpy and ROS messages."""
