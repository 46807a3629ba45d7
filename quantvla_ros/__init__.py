# SPDX-License-Identifier: Apache-2.0
"""Quantized vision-language-action policies that move a robot over ROS 2."""

__version__ = "0.1.0"
