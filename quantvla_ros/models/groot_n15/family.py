# SPDX-License-Identifier: Apache-2.0
"""The family of GR00T N1.5."""

from __future__ import annotations

from quantvla_ros.models.dit.form import dit_family
from quantvla_ros.models.groot_n15.config import GrootN15Config
from quantvla_ros.models.groot_n15.graphs import graphs
from quantvla_ros.models.groot_n15.importer import importer
from quantvla_ros.models.groot_n15.network import GrootN15
from quantvla_ros.models.groot_n15.processing import processing
from quantvla_ros.models.groot_n15.sites import find_sites

FAMILY = dit_family(
    "groot_n15", GrootN15Config, GrootN15, processing, find_sites, graphs=graphs, importer=importer
)
