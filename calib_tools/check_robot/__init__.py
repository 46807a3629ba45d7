# SPDX-License-Identifier: Apache-2.0
"""`quantvla check-robot`: whether a live robot is what its robot.yaml says."""
