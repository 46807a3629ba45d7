# SPDX-License-Identifier: Apache-2.0
"""Data sets of the training in LeRobot's layout v3.0: schema, writing, reading."""
