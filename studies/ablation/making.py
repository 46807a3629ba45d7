# SPDX-License-Identifier: Apache-2.0
"""Makes the variants of an ablation, each once, and loads them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib_tools.buffer.store import CalibrationBuffer
from calib_tools.common.output import read_json, write_json
from calib_tools.quantize.recipe import Recipe
from quantvla_ros.backends.policy import Policy, policy_of
from quantvla_ros.backends.registry import DEFAULT
from quantvla_ros.bundle.schema import GateRecord
from quantvla_ros.bundle.storage import WEIGHTS, bundle_hash, file_hash, load_bundle
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.stored import widen
from quantvla_ros.quantization.gate import load_thresholds
from quantvla_ros.quantization.layouts import AUTO
from quantvla_ros.quantization.network import load_network
from studies.ablation.catalogue import AblationVariant
from studies.fake_quantization.changes import SUFFIX
from studies.fake_quantization.file import apply_study

if TYPE_CHECKING:
    from calib_tools.quantize.judging import Chunks
    from calib_tools.quantize.work_directory import Progress


def load_made(bundle: Path, path: Path) -> Policy:
    """Return the policy of a bundle, on integer units, or of a file of fake quantization.

    Args:
        bundle: float bundle.
        path: `bundle`, one quantized from it, or a file of its fake quantization.

    Raises:
        QuantVLAError: what is to be loaded is damaged.
    """
    loaded = load_bundle(path if path.is_dir() else bundle)
    network = load_network(loaded)
    if not path.is_dir():
        widen(network)
        apply_study(network, path)
    return policy_of(loaded, network, DEFAULT)


VARIANTS, MADE = "variants", "made"
_CORRECTIONS = ("fitted", "kept", "error_plain", "error_corrected")


@dataclass(frozen=True)
class VariantStore:
    """Makes variants from a bundle and its samples, and keeps them in a directory."""

    bundle: Path
    samples: CalibrationBuffer
    out: Path

    def argument(self, variant: AblationVariant) -> str:
        """The argument that names the variant to an evaluation."""
        path = self.path(variant)
        return f"{self.bundle}@{path}" if variant.fake else str(path)

    def made(self, variant: AblationVariant, progress: Progress) -> dict[str, Any]:
        """Make the variant unless it is there.

        Returns:
            Its gate record and corrections, the hash of its tensors' file, and the bytes of its
            weights where they are real; or under "refused" the sentence why it cannot be made.
        """
        note = self.out / MADE / f"{variant.name}.json"
        if note.is_file():
            found = read_json(note)
            same = found["gate"]["thresholds"] == load_thresholds().model_dump()
            if found["how"] == variant.as_dict()["how"] and (same or not _chosen_by_gate(variant)):
                if not same:
                    found = {**found, "gate": self._judged(variant, progress)}
                    write_json(note, found)
                return found
        try:
            made = (self._studied if variant.fake else self._real)(variant, progress)
        except QuantVLAError as error:
            return {**variant.as_dict(), "refused": str(error)}
        path = self.path(variant)
        tensors = path if variant.fake else path / WEIGHTS
        # Equal hashes are the same network.
        row = {**variant.as_dict(), **made, "sha256": file_hash(tensors)}
        write_json(note, row)
        return row

    def path(self, variant: AblationVariant) -> Path:
        """Its bundle, or the file of its fake quantization."""
        return self.out / VARIANTS / f"{variant.name}{SUFFIX if variant.fake else ''}"

    def _judged(self, variant: AblationVariant, progress: Progress) -> dict[str, Any]:
        """The gate's verdict on a variant that exists."""
        from calib_tools.quantize.judging import chunks_of, judge_chunks
        from studies.ablation.study import KERNEL

        progress("judge again", 0.0)
        samples = self.samples.held_out
        policy = load_made(self.bundle, self.path(variant))
        judged = judge_chunks(
            policy.manifest,
            self._draws,
            chunks_of(policy, samples),
            samples,
            load_thresholds(),
            KERNEL if variant.fake else policy.kernel,
        )
        return gate_row(judged)

    @cached_property
    def _draws(self) -> Chunks:
        """What every variant is judged against, see `draws_of`."""
        from calib_tools.quantize.judging import draws_of

        return draws_of(load_made(self.bundle, self.bundle), self.samples.held_out)

    def _real(self, variant: AblationVariant, progress: Progress) -> dict[str, Any]:
        import torch

        from calib_tools.quantize.quantizing import quantize_bundle
        from quantvla_ros.backends.policy import load_policy
        from studies.scheme_bench.bench import held_bytes

        assert isinstance(variant.how, Recipe)
        samples = self.samples
        report = quantize_bundle(
            self.bundle,
            samples,
            variant.how,
            self.path(variant),
            True,  # it was begun and not noted down
            None,
            progress,
        )
        threads = torch.get_num_threads()  # of the variants to come, too
        control, loaded = (
            load_policy(path, threads=threads) for path in (self.bundle, report.path)
        )
        held = held_bytes(control, loaded)
        layers = [r for r in report.quantization.layers if r.precision != "float"]
        return {
            "gate": gate_row(report.gate),
            "corrections": {key: getattr(report.corrections, key) for key in _CORRECTIONS},
            "integer_layers": len(layers),
            "weight_bytes": {**held, "all_float": control.weight_bytes()},
        }

    def _studied(self, variant: AblationVariant, progress: Progress) -> dict[str, Any]:
        from studies.ablation.study import make_study
        from studies.fake_quantization.file import save_study

        assert not isinstance(variant.how, Recipe)
        samples = self.samples
        studied = make_study(
            self.bundle, samples.calibration, samples.held_out, variant.how, progress
        )
        path = self.path(variant)
        save_study(path, studied.network, self.bundle, bundle_hash(self.bundle))
        return {
            "gate": gate_row(studied.gate),
            "corrections": {key: getattr(studied.corrections, key) for key in _CORRECTIONS},
            "integer_layers": studied.layers,
            "weight_bytes": None,
        }


def _chosen_by_gate(variant: AblationVariant) -> bool:
    """Whether other thresholds could make another network of it."""
    how = variant.how
    return isinstance(how, Recipe) and how.layout == AUTO and how.budget is None


def gate_row(gate: GateRecord) -> dict[str, Any]:
    """A judgement as a record has it: with the figures of its worst motion in the first place."""
    worst = gate.worst
    assert worst is not None
    keys = ("error_share", "chunk_mae", "chunk_max", "jerk_ratio")
    return {key: getattr(worst, key) for key in keys} | gate.model_dump()
