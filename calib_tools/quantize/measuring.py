# SPDX-License-Identifier: Apache-2.0
"""Measures what each layer alone does to the action, in local processes or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from calib_tools.common.cores import usable_cores
from calib_tools.common.pool import play_in_processes
from calib_tools.common.ray_cluster import play_on_ray
from calib_tools.common.work import WorkPlayer
from calib_tools.quantize.heap import trim_heap
from calib_tools.quantize.rounding_stage import RoundedLayers
from calib_tools.quantize.work_directory import Workplace, load_mapped
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.models.flow import Flow
from quantvla_ros.quantization.sensitivity import ActionError, ActionMeter, measure_layer
from quantvla_ros.quantization.teacher import Sample

_SETUP = "measuring.pt"


@dataclass(frozen=True)
class Trial:
    """One layer in one precision."""

    name: str
    bits: int

    @property
    def label(self) -> str:
        """Names layer and bits."""
        return f"Layer '{self.name}' with {self.bits} bits"


@dataclass(frozen=True)
class Setup:
    """What every worker needs: a transformed float network, its rounded layers and samples."""

    family: str
    network: Network
    layers: RoundedLayers
    samples: Sequence[Sample]
    flow: Flow


def _mapped(file: Path) -> Setup:
    """Read a setup; the weights are mapped into memory, which all processes share."""
    setup: Setup = load_mapped(file)
    return setup


class MeterPlayer:
    """Measures one layer after the other in a worker process."""

    def __init__(self, file: Path) -> None:
        """Read the setup."""
        import torch

        torch.set_num_threads(1)
        setup = _mapped(file)
        self._family = find_family(setup.family)
        self._network, self._layers = setup.network, setup.layers
        self._meter = ActionMeter(setup.network, setup.samples, setup.flow)

    def play(self, job: Trial, /) -> ActionError:
        """Error of the action with this layer alone quantized."""
        module = self._layers.module(self._network, job.name, job.bits)
        stage = self._family.stage(job.name)
        return measure_layer(self._network, job.name, module, stage, self._meter)


@dataclass(frozen=True)
class MakeMeter:
    """Makes the player from the setup's file, which lies at the same place on every node."""

    file: Path

    def __call__(self) -> WorkPlayer[Trial, ActionError]:
        """Load it."""
        return MeterPlayer(self.file)


def _map_weights(network: Network, file: Path) -> None:
    """Let the network's weights be those of the file, which the workers map into memory too.

    So memory holds them once and not twice.
    """
    for ours, mapped in zip(network.parameters(), _mapped(file).network.parameters(), strict=True):
        ours.data = mapped.data
    trim_heap()


def measure_layers(
    setup: Setup,
    trials: Sequence[tuple[str, int]],
    place: Workplace,
) -> dict[tuple[str, int], ActionError]:
    """Measure every layer in every precision, except those measured before.

    Args:
        setup: float network, rounded layers and samples.
        trials: names and bits.
        place: where; results are kept there.

    Raises:
        QuantVLAError: the cluster cannot be reached, or a layer ended its worker again and again.
    """
    work, ray = place.directory, place.ray
    missing = [trial for trial in trials if work.measure(*trial) is None]
    done = len(trials) - len(missing)
    if missing:
        file = work.keep_object(_SETUP, setup)
        _map_weights(setup.network, file)
        jobs = [Trial(name, bits) for name, bits in missing]
        workers = usable_cores()
        played = (
            play_in_processes(jobs, workers, MakeMeter(file))
            if ray is None
            else play_on_ray(jobs, ray, workers, MakeMeter(file))
        )
        for job, error in played:
            work.keep_measure(job.name, job.bits, asdict(error))
            done += 1
            place.progress(job.name, done / len(trials))
    found = {}
    for trial in trials:
        content = work.measure(*trial)
        assert content is not None
        found[trial] = ActionError(**content)
    return found
