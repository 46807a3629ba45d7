# SPDX-License-Identifier: Apache-2.0
"""What a robot is and says: kinematics, observations, chunks; numpy alone."""
