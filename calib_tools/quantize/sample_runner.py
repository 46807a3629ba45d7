# SPDX-License-Identifier: Apache-2.0
"""Runs a network on the calibration samples while the inputs of its layers are observed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import torch

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.family import Family, Network
from quantvla_ros.quantization.blockwise import Run
from quantvla_ros.quantization.observe import InputStatistics, observe_inputs
from quantvla_ros.quantization.teacher import TeacherRecord, encode_each


class SampleRunner:
    """Runs the halves of a network on the samples that everything is fitted on."""

    def __init__(self, family: Family, network: Network, teacher: TeacherRecord) -> None:
        self._family, self._network, self._teacher = family, network, teacher

    def encodings(self) -> list[Run]:
        """Runs of the half that runs once an observation, one for each sample: its contexts."""
        return [partial(self._network.encode, sample.inputs) for sample in self._teacher.fit]

    def steps(self, contexts: Sequence[Any]) -> list[Run]:
        """Runs of the flow's steps, at every point that the float policy visited.

        Args:
            contexts: of the samples.
        """
        pairs = zip(contexts, self._teacher.path.points, strict=True)
        velocity = self._network.velocity
        return [partial(velocity, x, time, c) for c, visited in pairs for x, time in visited]

    def observe(
        self, names: Sequence[str], hessian: bool, sample: bool = False
    ) -> dict[str, InputStatistics]:
        """What layers of both halves are given; both are run whole (see `observe_inputs`).

        Raises:
            QuantVLAError: no sample reaches one of the layers.
        """
        found = observe_inputs(self._network, names, self._both, hessian, sample)
        self.check_reached(names, found)
        return found

    def check_reached(self, names: Sequence[str], reached: Collection[str]) -> None:
        """Refuse layers that no sample reaches, but for those that the family lists as unused.

        Raises:
            QuantVLAError: names the layer.
        """
        unused = self._family.unused(self._network)
        for name in names:
            if name not in reached and name not in unused:
                raise QuantVLAError(
                    f"no calibration sample reaches layer '{name}', which the model family "
                    f"'{self._family.name}' does not list as unused, so it cannot be quantized; "
                    f"keep it float with --keep-float {name}, or mend the family's stages"
                )

    def _both(self) -> None:
        contexts = encode_each(self._network, self._teacher.fit)
        with torch.no_grad():
            self._teacher.path.replay(self._network, contexts)
