# SPDX-License-Identifier: Apache-2.0
"""From a float bundle and calibration samples to a quantized bundle with its gate record."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from calib_tools.judging import judge
from quantvla_ros.backends.int8_kernel import native_activation_bits
from quantvla_ros.backends.policy import TorchPolicy, policy_of
from quantvla_ros.bundle.chunk import draw_noise
from quantvla_ros.bundle.observation import Observation
from quantvla_ros.bundle.schema import GateRecord, LayerRecord, Quantization
from quantvla_ros.bundle.storage import Bundle, load_bundle, prepare_output, save_bundle
from quantvla_ros.errors import BundleError, CalibrationBufferError
from quantvla_ros.models.build import float_network
from quantvla_ros.models.pi05 import Pi05, layer_roles
from quantvla_ros.quantization.fit import Corrections, fit_corrections
from quantvla_ros.quantization.integer_linear import make_integer
from quantvla_ros.quantization.layouts import check_scheme, select_layers
from quantvla_ros.quantization.teacher import Sample

NOISE_SEED = 7001  # noise of calibration, fixed so that the same buffer gives the same bundle
VALIDATE_EVERY = 4  # every fourth calibration sample decides what is kept instead of fitting
MIN_CALIBRATION = 8

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class QuantizationReport:
    """What a quantization did.

    Attributes:
        path: the bundle written.
        quantization: scheme, layout, layers and coefficients as the bundle holds them.
        gate: judgement on the held-out samples with this machine's integer kernel.
        corrections: what ATM and OHB fitted and kept.
    """

    path: Path
    quantization: Quantization
    gate: GateRecord
    corrections: Corrections


def quantize_bundle(
    bundle_path: Path,
    calibration: Sequence[Observation],
    held_out: Sequence[Observation],
    buffer_hash: str,
    scheme: str,
    layout: str,
    out: Path,
    force: bool,
    progress: Progress,
) -> QuantizationReport:
    """Quantize a float bundle and write the result, judged, to `out`.

    Args:
        bundle_path: float bundle.
        calibration: samples that ATM and OHB are fitted and checked on.
        held_out: samples of the gate, none of them in `calibration`.
        buffer_hash: hash of the buffer both came from; written into the bundle.
        scheme: "w8a8".
        layout: see `quantvla_ros.quantization.layouts`.
        out: directory of the new bundle.
        force: replace `out` when it exists.
        progress: called with a stage's name and the share done, 0..1.

    Raises:
        QuantVLAError: unknown scheme or layout, a bundle that is already quantized or damaged,
            too few samples, or an output that exists.
    """
    check_scheme(scheme)
    prepare_output(out, force)
    progress("load the float bundle", 0.0)
    bundle = load_bundle(bundle_path)
    if bundle.manifest.quantization is not None:
        raise BundleError(f"bundle {bundle_path} is already quantized; give the float bundle")
    if len(calibration) < MIN_CALIBRATION:
        raise CalibrationBufferError(
            f"quantization needs {MIN_CALIBRATION} calibration samples and the buffer has "
            f"{len(calibration)}; record a larger buffer"
        )
    teacher = float_network(bundle)
    names = select_layers(layer_roles(teacher), layout)
    bits = native_activation_bits()
    progress(f"quantize {len(names)} layers", 0.1)
    student = copy.deepcopy(teacher)
    make_integer(student, names, bits)
    corrections = _correct(bundle, teacher, student, calibration, progress)
    progress("judge on held-out samples", 0.7)
    teacher_policy = policy_of(bundle, teacher)
    tensors = {name: value.clone() for name, value in student.state_dict().items()}
    student_policy = policy_of(bundle, student, "cpu" if names else "reference")
    gate = judge(teacher_policy, student_policy, held_out)
    quantization = Quantization(
        scheme="w8a8",
        layout=layout,
        activation_bits=bits,
        layers=_layer_records(teacher, set(names)),
        alpha=corrections.alpha,
        beta=corrections.beta,
        kept=corrections.kept,
        calibration_sha256=buffer_hash,
    )
    progress("write the bundle", 0.9)
    manifest = bundle.manifest.model_copy(update={"quantization": quantization, "gate": gate})
    path = save_bundle(out, manifest, _on_disk(tensors), bundle.tokenizer.json, force=force)
    progress("done", 1.0)
    return QuantizationReport(path, quantization, gate, corrections)


def _samples(policy: TorchPolicy, observations: Sequence[Observation]) -> list[Sample]:
    return [
        Sample(
            policy.inputs(observation),
            torch.from_numpy(draw_noise(policy.manifest, NOISE_SEED, counter))[None],
        )
        for counter, observation in enumerate(observations)
    ]


def _correct(
    bundle: Bundle,
    teacher: Pi05,
    student: Pi05,
    calibration: Sequence[Observation],
    progress: Progress,
) -> Corrections:
    progress("fit attention temperature and output balance", 0.2)
    samples = _samples(policy_of(bundle, teacher), calibration)
    validate = samples[::VALIDATE_EVERY]
    fit = [s for i, s in enumerate(samples) if i % VALIDATE_EVERY]
    return fit_corrections(teacher, student, fit, validate, bundle.manifest.denoise_steps)


def _layer_records(network: Pi05, integer: set[str]) -> list[LayerRecord]:
    records = []
    for name, role in layer_roles(network).items():
        rows, cols = network.get_submodule(name).weight.shape  # type: ignore[misc]
        precision = "int8" if name in integer else "float"
        records.append(
            LayerRecord(name=name, role=role, precision=precision, rows=int(rows), cols=int(cols))
        )
    return records


def _on_disk(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """16-bit weights as in the float bundle; integers and their scales stay as they are."""
    return {
        name: value.half()
        if value.dtype == torch.float32 and not name.endswith(".scale")
        else value
        for name, value in tensors.items()
    }
