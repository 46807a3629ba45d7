# SPDX-License-Identifier: Apache-2.0
"""The simulated robot as a ROS node."""
