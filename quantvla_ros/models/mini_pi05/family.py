# SPDX-License-Identifier: Apache-2.0
"""The family of the bundled policies."""

from __future__ import annotations

from quantvla_ros.models.joint.form import joint_family
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.graphs import graphs
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.processing.processing import mean_std_processing

FAMILY = joint_family("mini_pi05", MiniPi05Config, MiniPi05, mean_std_processing, graphs)
