# SPDX-License-Identifier: Apache-2.0
"""The family of GR00T N1.7."""

from __future__ import annotations

from quantvla_ros.models.dit.form import dit_family
from quantvla_ros.models.groot_n17.config import GrootN17Config
from quantvla_ros.models.groot_n17.graphs import graphs
from quantvla_ros.models.groot_n17.guidance import continue_leftover
from quantvla_ros.models.groot_n17.importer import importer
from quantvla_ros.models.groot_n17.network import GrootN17
from quantvla_ros.models.groot_n17.processing import processing
from quantvla_ros.models.groot_n17.sites import find_sites

FAMILY = dit_family(
    "groot_n17",
    GrootN17Config,
    GrootN17,
    processing,
    find_sites,
    graphs=graphs,
    guidance=continue_leftover,
    importer=importer,
)
