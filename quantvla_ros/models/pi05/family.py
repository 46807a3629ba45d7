# SPDX-License-Identifier: Apache-2.0
"""The family of the published pi0.5."""

from __future__ import annotations

from quantvla_ros.models.joint.form import joint_family
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.models.pi05.graphs import graphs
from quantvla_ros.models.pi05.importer import importer
from quantvla_ros.models.pi05.network import Pi05
from quantvla_ros.models.pi05.processing import processing

FAMILY = joint_family("pi05", Pi05Config, Pi05, processing, graphs, importer)
