# SPDX-License-Identifier: Apache-2.0
"""The simulated robot: MuJoCo, Franka Panda, LIBERO's objects; knows nothing of ROS or torch."""

import os

# Read when mujoco is imported, so it has to be set before any module of this package does that.
os.environ.setdefault("MUJOCO_GL", "egl")
