# SPDX-License-Identifier: Apache-2.0
"""One quantization, from the float network in memory to the bundle on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from calib_tools.buffer.store import CalibrationBuffer
from calib_tools.common.output import json_text
from calib_tools.quantize.action_errors import action_errors
from calib_tools.quantize.calibration_record import calibration_record
from calib_tools.quantize.choosing import Choice, choose, choose_float
from calib_tools.quantize.heap import trim_heap
from calib_tools.quantize.judging import Chunks, chunks_of, draws_of, judge_chunks
from calib_tools.quantize.layer_records import layer_records, named_scheme, on_disk, round_to_disk
from calib_tools.quantize.measuring import Setup
from calib_tools.quantize.recipe import Recipe
from calib_tools.quantize.rounding_stage import (
    RoundedLayers,
    fit_to_static_ranges,
    round_all,
    transform_network,
)
from calib_tools.quantize.teaching import record_teacher_run
from calib_tools.quantize.work_directory import Workplace, load_mapped
from quantvla_ros.backends.policy import Policy, policy_of
from quantvla_ros.backends.registry import YARDSTICK, find_backend
from quantvla_ros.bundle.schema import GateRecord, Quantization
from quantvla_ros.bundle.storage import (
    Bundle,
    save_bundle,
)
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.quantization.fit import Corrections, fit_corrections
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.quantization.kept_outputs import keep_outputs
from quantvla_ros.quantization.largest import largest_by_part
from quantvla_ros.quantization.layerwise import unrotate_float_layers
from quantvla_ros.quantization.layouts import AUTO
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.teacher import TeacherRecord, encode_each
from quantvla_ros.quantization.transforms.static_fit import StaticFit
from quantvla_ros.robot.observation import Observation

_TENSORS = "tensors.pt"
LAYERS_FILE, SENSITIVITY_FILE = "layers.json", "sensitivity.json"

SHARE_SAMPLES = 4  # that each layer is measured on before a few of them are left float

_SHARES = {"teacher": 0.1, "round": 0.65, "choose": 0.75, "correct": 0.9, "judge": 0.97}


@dataclass(frozen=True)
class QuantizationReport:
    """What a quantization did.

    Attributes:
        path: the bundle written.
        quantization: scheme, layout, layers and coefficients as the bundle holds them.
        gate: judgement on the held-out samples, as the target computes on this machine.
        corrections: what ATM and OHB fitted and kept.
    """

    path: Path
    quantization: Quantization
    gate: GateRecord
    corrections: Corrections


@dataclass(frozen=True)
class Samples:
    """Samples to fit on, others for the gate, and the hash of the buffer that both came from."""

    calibration: Sequence[Observation]
    held_out: Sequence[Observation]
    sha256: str


class QuantizationRun:
    """One quantization; its parts in the order in which they happen."""

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        names: list[str],
        data: Samples | CalibrationBuffer,
        recipe: Recipe,
        activation_bits: int,
        place: Workplace,
    ) -> None:
        self._bundle, self._network, self._names, self._data = bundle, network, names, data
        self._recipe, self._bits, self._place = recipe, activation_bits, place
        self._work, self._progress = place.directory, place.progress
        self._family = find_family(bundle.manifest.family)
        self._roles = self._family.roles(network)
        self._layers = RoundedLayers(self._work.path, recipe.precisions(), activation_bits)
        self._skipped: dict[str, dict[str, str]] = {}
        self._fit: StaticFit | None = None
        self._effects: dict[str, float] = {}

    def finish(self, out: Path, force: bool) -> QuantizationReport:
        """Do all of it."""
        self._progress("run the float policy", 0.01)
        draws, teacher = self._observe_teacher()
        chosen = self._quantize(teacher)
        float_too = chosen.left_float(self._names) if self._recipe.float_share else []
        self._progress("fit attention temperature and output balance", _SHARES["choose"])
        corrections = fit_corrections(
            teacher,
            self._network,
            self._family.attentions(self._network),
            self._recipe.corrections,
            partial(keep_outputs, self._work.path / "contexts"),
        )
        round_to_disk(self._network)
        largest = self._largest(teacher)
        self._progress("judge on held-out samples", _SHARES["correct"])
        # On the disk while the integer units hold their own copy of the weights.
        kept = self._work.keep_object(_TENSORS, on_disk(self._network))
        records = layer_records(self._network, self._roles)
        gate = self._judge(draws)
        del self._network
        trim_heap()
        tensors = load_mapped(kept)
        quantization = Quantization(
            scheme=named_scheme(self._recipe.scheme, records),
            layout=AUTO if self._recipe.searches else self._recipe.layout,
            keep_float=[*self._recipe.keep_float, *float_too],
            activation_bits=self._bits,
            layers=records,
            alpha=corrections.alpha,
            beta=corrections.beta,
            corrections_kept=corrections.kept,
            calibration_sha256=self._data.sha256,
            largest=largest,
        )
        self._progress("write the bundle", _SHARES["judge"])
        known = calibration_record([*self._data.calibration, *self._data.held_out])
        update = {"quantization": quantization, "gate": gate, "calibration": known}
        manifest = self._bundle.manifest.model_copy(update=update)
        beside = {LAYERS_FILE: json_text(self._layer_report(chosen.bits, corrections))}
        if chosen.record:
            beside[SENSITIVITY_FILE] = json_text(chosen.record)
        save_bundle(out, manifest, tensors, self._bundle.tokenizer.json, force, beside)
        self._progress("done", 1.0)
        return QuantizationReport(out, quantization, gate, corrections)

    def _policy(self) -> Policy:
        return policy_of(self._bundle, self._network)

    def _observe_teacher(self) -> tuple[Chunks, TeacherRecord]:
        policy = self._policy()
        draws = self._work.once("draws.pt", lambda: draws_of(policy, self._data.held_out))
        return draws, record_teacher_run(policy, self._data.calibration, self._work.once)

    def _quantize(self, teacher: TeacherRecord) -> Choice:
        """Transform, round, choose, and put the quantized layers in their places."""
        if not self._names:
            return Choice({}, {})
        family, recipe, network = self._family, self._recipe, self._network
        self._progress("transforms", _SHARES["teacher"] / 2)
        if recipe.fits_ranges:
            self._fit = fit_to_static_ranges(
                family, network, self._names, recipe, self._bits, teacher
            )
        else:
            kinds = recipe.transforms or ()
            self._skipped = transform_network(family, network, self._names, kinds, teacher)
        place = self._part("teacher", "round")
        round_all(family, network, self._names, recipe, teacher, self._bits, place)
        chosen = self._choose(teacher)
        self._effects = self._action_errors(chosen, teacher)
        for name, width in chosen.bits.items():
            if not recipe.sequential:  # there they are in place
                replace_module(network, name, self._layers.module(network, name, width))
        unrotate_float_layers(network)
        round_to_disk(network)
        trim_heap()
        return chosen

    def _choose(self, teacher: TeacherRecord) -> Choice:
        widths = list(self._recipe.precisions())
        if not self._recipe.measures:
            return Choice(dict.fromkeys(self._names, widths[0]), {})
        samples = teacher.validate
        setup = Setup(self._family.name, self._network, self._layers, samples, teacher.flow)
        place = self._part("round", "choose")
        if self._recipe.float_share:
            setup = dataclasses.replace(setup, samples=samples[:SHARE_SAMPLES])
            return choose_float(setup, self._names, widths[0], self._recipe.float_share, place)
        return choose(
            setup,
            self._policy(),
            self._data.calibration,
            self._names,
            widths,
            self._recipe.budget,
            place,
        )

    def _action_errors(self, chosen: Choice, teacher: TeacherRecord) -> dict[str, float]:
        if chosen.record:
            rows = chosen.record["layers"]
            return {row["name"]: row["action_error"] for row in rows if row["chosen"]}
        if self._recipe.sequential:  # no layer is alone there
            return {}
        place = self._part("round", "choose")
        return action_errors(self._family, self._network, self._layers, chosen.bits, teacher, place)

    def _largest(self, teacher: TeacherRecord) -> dict[str, float]:
        """Of each part of the network, for engines, which take static ranges alone."""
        if self._family.graphs is None or self._recipe.activations != "static":
            return {}
        graphs, network = self._family.graphs(self._network), self._network

        def run() -> None:
            teacher.path.replay(network, encode_each(network, teacher.fit))

        found = largest_by_part(network, lambda name: graphs.part_of(name, graphs.step.part), run)
        return {part: float(f"{value:.6g}") for part, value in found.items()}

    def _judge(self, draws: Chunks) -> GateRecord:
        """Run the quantized policy as the target does; takes the network over.

        A target that runs what it built has nothing to run yet: the yardstick judges until
        `quantvla gate` does on that machine.
        """
        target = self._recipe.target
        if find_backend(target).runs_what_it_built:
            target = YARDSTICK
        policy = policy_of(self._bundle, self._network, target)
        got = chunks_of(policy, self._data.held_out)
        return judge_chunks(
            policy.manifest, draws, got, self._data.held_out, load_thresholds(), policy.kernel,
            target,
        )  # fmt: skip

    def _part(self, start: str, end: str) -> Workplace:
        return self._place.part(_SHARES[start], _SHARES[end])

    def _layer_report(self, bits: dict[str, int], corrections: Corrections) -> dict[str, Any]:
        effects = self._effects
        return {
            "recipe": dataclasses.asdict(self._recipe),
            "layers": [
                {**self._work.layer(name, width).record, "action_error": effects.get(name)}
                for name, width in bits.items()
            ],
            "not_transformed": self._skipped,
            "static_fit": None if self._fit is None else self._fit.record(),
            "corrections": dataclasses.asdict(corrections),
        }
