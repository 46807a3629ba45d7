# SPDX-License-Identifier: Apache-2.0
"""Runs the float policy on the calibration samples for everything that is fitted to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from quantvla_ros.backends.policy import Policy
from quantvla_ros.models.families import find_family
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.quantization.teacher import Sample, TeacherRecord, record_teacher
from quantvla_ros.robot.observation import Observation

NOISE_SEED = 7001  # noise of calibration, fixed so that the same buffer gives the same bundle
VALIDATE_EVERY = 4  # every fourth calibration sample decides what is kept instead of fitting


def record_teacher_run(
    policy: Policy,
    calibration: Sequence[Observation],
    once: Callable[[str, Callable[[], Any]], Any] = lambda name, make: make(),
) -> TeacherRecord:
    """Record what the float `policy` does on the calibration samples.

    Args:
        policy: float.
        calibration: samples.
        once: makes what it did not make before, see `WorkDirectory.once`.
    """
    samples = [
        Sample(
            policy.inputs(observation),
            torch.from_numpy(draw_noise(policy.manifest, NOISE_SEED, counter))[None],
        )
        for counter, observation in enumerate(calibration)
    ]
    fit = [sample for i, sample in enumerate(samples) if i % VALIDATE_EVERY]
    validate = samples[::VALIDATE_EVERY]
    family, network = find_family(policy.manifest.family), policy.network
    flow, attentions = family.flow(policy.manifest), family.attentions(network)

    def run() -> TeacherRecord:
        seen = record_teacher(network, attentions, fit, validate, flow)
        return replace(seen, fit=(), validate=())  # samples take space, and are made in no time

    seen: TeacherRecord = once("teacher.pt", run)
    return replace(seen, fit=fit, validate=validate)
