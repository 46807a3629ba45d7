# SPDX-License-Identifier: Apache-2.0
"""Runs a network on many samples block by block, so that each block is run once for all of them.

A block's outputs are kept on disk. To run the next one, the network's own code is run again from
its beginning, where every block that was run before gives what it gave then, and nothing goes
beyond the next block. So the arithmetic is the network's own, to the last bit, and no family says
how its blocks are joined. Work that was stopped goes on with the block it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.stored import widened
from quantvla_ros.quantization.call_trace import Plan, plan_units, recorded_calls
from quantvla_ros.quantization.kept_outputs import KeptOutputs, can_be_kept, example_of

Run = Callable[[], Any]
"""Runs the network once and returns what is wanted of it."""


class _EndOfRun(Exception):  # noqa: N818, nothing went wrong
    """Ends a run behind the last module that is of interest."""


@dataclass(frozen=True)
class Part:
    """Layers that are observed together.

    Attributes:
        layers: of one block, or siblings outside of blocks.
        last: the unit behind which a run ends; None: at its own end.
    """

    layers: tuple[str, ...]
    last: str | None


class Blockwise:
    """The runs of one half of a network.

    Attributes:
        reached: those of the layers that a run calls.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str],
        siblings: Sequence[tuple[str, ...]],
        runs: Sequence[Run],
        folder: Path,
    ) -> None:
        """Run the network once, to see what it calls.

        Args:
            network: of the runs.
            layers: linears of interest, at whose blocks the runs are cut.
            siblings: linears that are given the same tensor, see `Family.siblings`.
            runs: alike but for their numbers.
            folder: where outputs are kept; what is there already is of the same runs.
        """
        self._network, self._siblings, self._runs = network, siblings, runs
        self._plan, examples = _traced(network, layers, runs[0])
        self._kept = {u: KeptOutputs(folder, u, examples[u]) for u in self._plan.units}
        self.reached = [name for name in layers if name in self._plan.places]
        self._number = 0

    def parts(self) -> list[Part]:
        """In the order of execution; layers of modules that run more than once come last."""
        found: list[Part] = []
        for unit in self._plan.units:
            inside = self._in(unit)
            if found and self._are_siblings(found[-1].layers, inside):
                found[-1] = Part(found[-1].layers + inside, unit)
            elif inside:
                found.append(Part(inside, unit))
        outside = self._in(None)
        return [*found, Part(outside, None)] if outside else found

    def kept(self, part: Part) -> bool:
        """Whether what its layers gave is there."""
        return all(self._kept[unit].whole for unit in self._units_of(part))

    def run(self, part: Part, keep: bool = True) -> None:
        """Run all samples as far as a part goes; what is kept in front of it is not run again.

        Args:
            part: of `parts`.
            keep: keep what it gives; else only what is in front of it.

        Raises:
            QuantVLAError: a module is run on some samples only.
        """
        units, own = self._plan.units, self._units_of(part)
        end = len(units) if part.last is None else units.index(part.last) + 1
        live = [unit for unit in units[:end] if unit in own or not self._kept[unit].whole]
        for _ in self._outputs(live, part.last, () if keep else own):
            pass

    def results(self) -> list[Any]:
        """What each run gives, on the disk as far as it comes from units.

        What was not run yet is run now, and kept.
        """
        missing = [unit for unit in self._plan.units if not self._kept[unit].whole]
        for _ in self._outputs(missing) if missing else ():
            pass
        return list(self._outputs(()))

    def _in(self, unit: str | None) -> tuple[str, ...]:
        return tuple(name for name in self.reached if self._plan.places[name] == unit)

    def _units_of(self, part: Part) -> set[str]:
        units = (self._plan.places[name] for name in part.layers)
        return {unit for unit in units if unit is not None}

    def _are_siblings(self, first: tuple[str, ...], second: tuple[str, ...]) -> bool:
        """Whether layers outside of blocks, one behind the other, are given one tensor."""
        both = {*first, *second}
        alone = all(self._plan.places[name] == name for name in both)
        return bool(second) and alone and any(both <= set(group) for group in self._siblings)

    def _outputs(
        self, live: Sequence[str], last: str | None = None, forgotten: Collection[str] = ()
    ) -> Iterator[Any]:
        """What the runs give; None for those that end behind the unit `last`.

        Args:
            live: units that are run; all others give what is kept of them.
            last: where a run ends.
            forgotten: units whose outputs are not kept.
        """
        kept = [unit for unit in live if unit not in forgotten]
        with ExitStack() as stack:
            if last is not None:
                stack.enter_context(widened(self._network.get_submodule(last)))
            for unit, outputs in self._kept.items():
                module = self._network.get_submodule(unit)
                if unit in live:
                    add = stack.enter_context(outputs.writing()) if unit in kept else None
                    call = _live(module.forward, add, unit == last)
                elif outputs.whole:
                    call = self._replayed(outputs)
                else:
                    continue  # behind the last
                stack.enter_context(_instead(module, call))
            for number, run in enumerate(self._runs):
                self._number, result = number, None
                with suppress(_EndOfRun), torch.no_grad():
                    result = run()
                yield result
        for unit in kept:
            if (count := len(self._kept[unit])) != len(self._runs):
                raise QuantVLAError(
                    f"module '{unit}' runs in {count} of {len(self._runs)} calibration runs, and a "
                    "network that is quantized must run all its modules on each; mend its family, "
                    "or record samples that are alike"
                )

    def _replayed(self, kept: KeptOutputs) -> Callable[..., Any]:
        return lambda *arguments, **named: kept[self._number]


def _live(
    forward: Callable[..., Any], add: Callable[[Any], None] | None, ends: bool
) -> Callable[..., Any]:
    """A module's own forward, whose output is added to those that are kept."""

    def call(*arguments: Any, **named: Any) -> Any:
        output = forward(*arguments, **named)
        if add is not None:
            add(output)
        if ends:
            raise _EndOfRun
        return output

    return call


@contextmanager
def _instead(module: nn.Module, call: Callable[..., Any]) -> Iterator[None]:
    """Let a module call something else in place of its own forward."""
    module.forward = call
    try:
        yield
    finally:
        del module.forward


def _traced(network: nn.Module, layers: Sequence[str], run: Run) -> tuple[Plan, dict[str, Any]]:
    """The units of a run, and an example of what each gives."""
    examples: dict[str, Any] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if can_be_kept(output):
                examples[name] = example_of(output)

        return hook

    named = dict(network.named_modules())
    with ExitStack() as stack, torch.no_grad(), recorded_calls(network) as calls:
        for name, module in named.items():
            stack.callback(module.register_forward_hook(keep(name)).remove)
        run()
    return plan_units(calls, layers, named.keys() - examples.keys()), examples
