# SPDX-License-Identifier: Apache-2.0
"""What each quantized layer alone does to the action, for the report of a fixed layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from calib_tools.quantize.rounding_stage import RoundedLayers
from calib_tools.quantize.work_directory import Workplace
from quantvla_ros.models.family import Family, Network
from quantvla_ros.quantization.sensitivity import ActionMeter, measure_layer
from quantvla_ros.quantization.teacher import TeacherRecord

LARGEST = 50_000_000  # parameters; a larger network is measured with `--layout auto` alone
SAMPLES = 2  # enough to see which layers matter; the search looks at more


def action_errors(
    family: Family,
    network: Network,
    layers: RoundedLayers,
    bits: Mapping[str, int],
    teacher: TeacherRecord,
    place: Workplace,
) -> dict[str, float]:
    """Mean absolute error of the normalized chunk with each layer alone quantized.

    Args:
        family: of the network.
        network: transformed, float; the same when this returns.
        layers: rounded.
        bits: of the layers to measure.
        teacher: its validation samples are looked at.
        place: layers found there are not measured again.

    Returns:
        By name; empty for a network that is too large to measure without being asked.
    """
    if sum(parameter.numel() for parameter in network.parameters()) > LARGEST:
        return {}
    meter = ActionMeter(network, teacher.validate[:SAMPLES], teacher.flow)
    found = {}
    for done, (name, width) in enumerate(bits.items()):
        known = place.directory.measure(name, width)
        if known is None:
            place.progress(f"effect of {name}", done / len(bits))
            module = layers.module(network, name, width)
            known = asdict(measure_layer(network, name, module, family.stage(name), meter))
            place.directory.keep_measure(name, width, known)
        found[name] = float(known["chunk"])
    return found
