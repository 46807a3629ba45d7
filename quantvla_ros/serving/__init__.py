# SPDX-License-Identifier: Apache-2.0
"""What the policy node does that needs no ROS: session, loops, supervision, inputs."""
