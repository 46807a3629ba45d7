# SPDX-License-Identifier: Apache-2.0
"""FAKE quantization of a whole policy, calibrated and corrected as a real one, for studies.

Weights and activations are rounded but held and computed in float: what no kernel multiplies
(weights of 2 and 3 bits, activations of 4, DuQuant's frame) is compared so with what kernels do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calib_tools.quantize.judging import chunks_of, draws_of, judge_chunks
from calib_tools.quantize.rounding_stage import transform_network
from calib_tools.quantize.sample_runner import SampleRunner
from calib_tools.quantize.teaching import record_teacher_run
from calib_tools.quantize.work_directory import Progress
from quantvla_ros.backends.policy import policy_of
from quantvla_ros.bundle.schema import GateRecord
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Family, Network
from quantvla_ros.quantization.fit import Corrections, fit_corrections
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.quantization.layerwise import (
    HESSIAN_SHARE,
    batches,
    load_on_tensors,
    round_layer,
)
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.teacher import TeacherRecord
from quantvla_ros.robot.observation import Observation
from studies.ablation.catalogue import Study
from studies.fake_quantization.duquant import DuQuant
from studies.fake_quantization.file import StudyLinear

KERNEL = "fake quantization"
DUQUANT = "duquant"
DUQUANT_QUANTILE = 0.999  # of a token's magnitudes, where the paper's activation grid ends


@dataclass(frozen=True)
class Studied:
    """A fake-quantized policy, what ATM and OHB kept, its judgement, its number of layers."""

    network: Network
    corrections: Corrections
    gate: GateRecord
    layers: int


def make_study(
    path: Path,
    calibration: Sequence[Observation],
    held_out: Sequence[Observation],
    study: Study,
    progress: Progress,
) -> Studied:
    """Fake-quantize a float bundle.

    Raises:
        QuantVLAError: bundle or samples cannot be used.
    """
    bundle = load_bundle(path)
    network = load_on_tensors(bundle.manifest, bundle.tensors)
    family = find_family(bundle.manifest.family)
    names = select_layers(family.roles(network), study.layout)
    policy = policy_of(bundle, network)
    progress("run the float policy", 0.0)
    draws = draws_of(policy, held_out)
    teacher = record_teacher_run(policy, calibration)
    _transform(family, network, names, study, teacher)
    _round(family, network, names, study, teacher, progress)
    corrections = fit_corrections(teacher, network, family.attentions(network), study.corrections)
    got = chunks_of(policy, held_out)
    gate = judge_chunks(bundle.manifest, draws, got, held_out, load_thresholds(), KERNEL)
    return Studied(network, corrections, gate, len(names))


def _transform(
    family: Family, network: Network, names: list[str], study: Study, teacher: TeacherRecord
) -> None:
    if DUQUANT not in study.transforms:
        transform_network(family, network, names, study.transforms, teacher)
        return
    runner = SampleRunner(family, network, teacher)
    # All layers are observed before the first one changes: the transform leaves inputs alone.
    fitted = []
    for part in batches(network, names, _limit(network), family.stage):
        seen = runner.observe(part, hessian=True)
        transform = DuQuant()
        transform.fit(network, seen)
        fitted.append(transform)
    for transform in fitted:
        transform.fold(network)


def _round(
    family: Family,
    network: Network,
    names: list[str],
    study: Study,
    teacher: TeacherRecord,
    progress: Progress,
) -> None:
    precision = Precision(study.weight_bits)
    quantile = DUQUANT_QUANTILE if DUQUANT in study.transforms else 1.0
    runner, made, done = SampleRunner(family, network, teacher), {}, 0
    for part in batches(network, names, _limit(network), family.stage):
        seen = runner.observe(part, study.rounding == "gptq")
        for name in part:
            progress(name, done / len(names))
            linear = linear_at(network, name)
            codes = round_layer(name, linear, precision, seen.get(name), study.rounding)
            weight = dequantize(codes)
            made[name] = StudyLinear(linear, weight, study.activation_bits, quantile)
            done += 1
    for name, layer in made.items():
        replace_module(network, name, layer)


def _limit(network: Network) -> float:
    return HESSIAN_SHARE * sum(parameter.nbytes for parameter in network.parameters())
