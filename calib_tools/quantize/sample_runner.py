# SPDX-License-Identifier: Apache-2.0
"""Runs a network on the calibration samples while the inputs of its layers are observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.family import Family, Network
from quantvla_ros.quantization.observe import InputStatistics, observe_inputs
from quantvla_ros.quantization.teacher import TeacherRecord, encode_each

CONTEXT_BYTES = 150_000_000  # at most, of the contexts that are kept


class SampleRunner:
    """Runs the halves of a network on the samples that everything is fitted on."""

    def __init__(self, family: Family, network: Network, teacher: TeacherRecord) -> None:
        self._family, self._network, self._teacher = family, network, teacher
        self._kept: list[Any] = []
        self._room = CONTEXT_BYTES

    def encode(self) -> None:
        """Run the half that runs once an observation."""
        with torch.no_grad():
            for sample in self._teacher.fit:
                self._network.encode(sample.inputs)

    def steps(self) -> None:
        """Run the flow; only when the first half changes no more, as its contexts are kept."""
        self._teacher.path.replay(self._network, self._contexts())

    def both(self) -> None:
        """Run both halves."""
        contexts = encode_each(self._network, self._teacher.fit)
        self._teacher.path.replay(self._network, contexts)

    def observe_stage(
        self, names: Sequence[str], hessian: bool, full_rank: bool, sample: bool = False
    ) -> dict[str, InputStatistics]:
        """What layers of one stage are given; only that half is run (see `observe_inputs`).

        Raises:
            QuantVLAError: no sample reaches one of the layers.
        """
        step = self._family.stage(names[0]) == "step"
        run = self.steps if step else self.encode
        found = observe_inputs(self._network, names, run, hessian, full_rank, sample)
        return self._reached(names, found)

    def observe(
        self, names: Sequence[str], hessian: bool, full_rank: bool, sample: bool = False
    ) -> dict[str, InputStatistics]:
        """What layers of both stages are given (see `observe_stage`)."""
        found = observe_inputs(self._network, names, self.both, hessian, full_rank, sample)
        return self._reached(names, found)

    def _reached(
        self, names: Sequence[str], found: dict[str, InputStatistics]
    ) -> dict[str, InputStatistics]:
        unused = self._family.unused(self._network)
        for name in names:
            if name not in found and name not in unused:
                raise QuantVLAError(
                    f"no calibration sample reaches layer '{name}', which the model family "
                    f"'{self._family.name}' does not list as unused, so it cannot be quantized; "
                    f"keep it float with --keep-float {name}, or mend the family's stages"
                )
        return found

    def _contexts(self) -> Iterator[Any]:
        yield from self._kept
        for context in encode_each(self._network, self._teacher.fit[len(self._kept) :]):
            self._room -= sum(tensor.nbytes for tensor in tree_leaves(context))
            if self._room >= 0:
                self._kept.append(context)
            yield context
