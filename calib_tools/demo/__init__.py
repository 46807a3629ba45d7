# SPDX-License-Identifier: Apache-2.0
"""The whole chain on the simulated robot, with real processes over real ROS topics."""
