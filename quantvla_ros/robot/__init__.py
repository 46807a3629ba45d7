# SPDX-License-Identifier: Apache-2.0
"""What a robot is and says: kinematics, observations, chunks, robot.yaml; numpy and pydantic."""
