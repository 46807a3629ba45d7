# SPDX-License-Identifier: Apache-2.0
"""Which layers become integer with how many bits: for `--layout auto` and `--budget`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from calib_tools.quantize.judging import chunks_of, draws_of, judge_chunks
from calib_tools.quantize.measuring import Setup, measure_layers
from calib_tools.quantize.rounding_stage import RoundedLayers
from calib_tools.quantize.work_directory import Progress, Workplace
from quantvla_ros.backends.policy import Policy
from quantvla_ros.backends.registry import YARDSTICK
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.gate import Thresholds, load_thresholds
from quantvla_ros.quantization.modules import linear_at
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.selection import (
    LayerOption,
    PrecisionStep,
    dearest,
    ranked_steps,
    within_budget,
    within_gate,
)
from quantvla_ros.quantization.sensitivity import ActionError, swapped
from quantvla_ros.robot.observation import Observation

MARGIN = 0.8  # of the gate's limits: the search sees other samples than the gate
JUDGED = 16  # calibration samples that a set of layers is judged on


@dataclass(frozen=True)
class Choice:
    """What a search found.

    Attributes:
        bits: by layer; a layer that stays float is absent.
        record: the whole table, for `sensitivity.json`; empty where nothing was measured.
    """

    bits: dict[str, int]
    record: dict[str, Any]

    def left_float(self, names: Sequence[str]) -> list[str]:
        """Those of the candidates that stay float."""
        return [name for name in names if name not in self.bits]


def stricter(thresholds: Thresholds) -> Thresholds:
    """Limits for the search, which must hold on samples that it does not see."""
    return thresholds.model_copy(
        update={
            "error_share": thresholds.error_share * MARGIN,
            "chunk_max": thresholds.chunk_max * MARGIN,
            "chunk_max_m": thresholds.chunk_max_m * MARGIN,
            "cosine": 1.0 - (1.0 - thresholds.cosine) * MARGIN,
            "jerk_ratio": 1.0 + (thresholds.jerk_ratio - 1.0) * MARGIN,
        }
    )


def saved_bytes(layer: QuantizedLinear) -> int:
    """Bytes on disk that a quantized layer saves against 16-bit weights."""
    rows = layer.scale.shape[0]
    held = layer.weight.nbytes + layer.scale.nbytes
    held += 0 if layer.activation_scale is None else layer.activation_scale.nbytes
    return 2 * rows * layer.columns - held


def choose(
    setup: Setup,
    policy: Policy,
    observations: Sequence[Observation],
    names: Sequence[str],
    bits: Sequence[int],
    budget: int | None,
    place: Workplace,
) -> Choice:
    """Measure every layer alone, then choose.

    Args:
        setup: transformed float network, rounded layers, and the samples of the measurement.
        policy: around the same network.
        observations: calibration samples that sets of layers are judged on.
        names: candidates.
        bits: that each may get.
        budget: bytes of all weights on disk; None takes what the gate allows.
        place: where measurements are kept.

    Raises:
        QuantVLAError: the budget cannot be met, or a worker fails.
    """
    trials = [(name, width) for name in names for width in bits]
    errors = measure_layers(setup, trials, place)

    def option(name: str, width: int) -> LayerOption:
        layer = setup.layers.module(setup.network, name, width)
        return LayerOption(width, errors[name, width].chunk, saved_bytes(layer))

    options = {name: [option(name, width) for width in bits] for name in names}
    steps = ranked_steps(options)
    if budget is None:
        judge = _SetJudge(policy, observations, setup.layers, place.progress)
        chosen = within_gate(steps, judge.passes)
    else:
        held = 2 * sum(parameter.numel() for parameter in setup.network.parameters())
        chosen = within_budget(steps, held, budget)
    return Choice(chosen, _record(steps, options, errors, chosen, budget))


def choose_float(
    setup: Setup,
    names: Sequence[str],
    bits: int,
    share: float,
    place: Workplace,
) -> Choice:
    """Measure every layer alone, and leave those float that cost the action most.

    Args:
        setup: see `choose`.
        names: layers of the layout.
        bits: of their weights.
        share: of the layout's weights that may stay float.
        place: see `choose`.

    Raises:
        QuantVLAError: a worker fails.
    """
    errors = measure_layers(setup, [(name, bits) for name in names], place)
    options = {
        name: [LayerOption(bits, errors[name, bits].chunk, saved_bytes(layer))]
        for name in names
        if (layer := setup.layers.module(setup.network, name, bits))
    }
    kept = dearest(
        {name: option.error for name, (option,) in options.items()},
        {name: linear_at(setup.network, name).weight.numel() for name in names},
        find_family(setup.family).siblings(setup.network),
        share,
    )
    chosen = {name: bits for name in names if name not in kept}
    return Choice(chosen, _record(ranked_steps(options), options, errors, chosen, None))


class _SetJudge:
    """Judges sets of quantized layers by the gate's measures, on calibration samples."""

    def __init__(
        self,
        policy: Policy,
        observations: Sequence[Observation],
        layers: RoundedLayers,
        progress: Progress,
    ) -> None:
        step = max(1, len(observations) // JUDGED)
        self._observations = observations[::step][:JUDGED]
        if len(self._observations) < load_thresholds().samples:
            self._observations = observations
        self._policy, self._layers, self._progress = policy, layers, progress
        self._draws = draws_of(policy, self._observations)

    def passes(self, bits: dict[str, int]) -> bool:
        self._progress(f"judge {len(bits)} layers together", 1.0)
        with ExitStack() as stack:
            for name, width in bits.items():
                module = self._layers.module(self._policy.network, name, width)
                stack.enter_context(swapped(self._policy.network, name, module))
            got = chunks_of(self._policy, self._observations)
        limits = stricter(load_thresholds())
        return judge_chunks(
            self._policy.manifest, self._draws, got, self._observations, limits, YARDSTICK
        ).passed


def _record(
    steps: Sequence[PrecisionStep],
    options: dict[str, list[LayerOption]],
    errors: dict[tuple[str, int], ActionError],
    chosen: dict[str, int],
    budget: int | None,
) -> dict[str, Any]:
    """Layers by what they do to the action, the worst first."""
    rows = [
        {
            "name": name,
            "bits": option.bits,
            "action_error": option.error,
            "step_errors": errors[name, option.bits].steps,
            "saved_bytes": option.saved,
            "chosen": chosen.get(name) == option.bits,
        }
        for name, some in options.items()
        for option in some
    ]
    rows.sort(key=lambda row: -errors[str(row["name"]), int(str(row["bits"]))].chunk)
    return {
        "unit": "mean absolute error of the normalized action chunk, this layer alone quantized",
        "budget_bytes": budget,
        "layers": rows,
        "order": [[step.name, step.bits] for step in steps],
    }
