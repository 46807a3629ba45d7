# SPDX-License-Identifier: Apache-2.0
"""Which modules a run calls, in which order, and where it can be cut into units.

A unit is a module that runs once and whose output is all that the rest of the run has of it: a
transformer block, a layer to be rounded that is in no block, or whatever holds no such layer. What
is computed between units is cheap and is done again whenever it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn


class Call(NamedTuple):
    """A module's call, and the index of the call that made it."""

    name: str
    caller: int | None


@dataclass(frozen=True)
class Plan:
    """How a run is cut.

    Attributes:
        units: modules, in the order of execution.
        places: the unit that calls each of the layers, or None for one that is called outside of
            all; without layers that are never called.
    """

    units: tuple[str, ...]
    places: dict[str, str | None]


@contextmanager
def recorded_calls(network: nn.Module) -> Iterator[list[Call]]:
    """All calls of the network's modules while the block runs, in their order."""
    calls: list[Call] = []
    open_calls: list[int] = []

    def begin(name: str) -> Any:
        def hook(*_: Any) -> None:
            calls.append(Call(name, open_calls[-1] if open_calls else None))
            open_calls.append(len(calls) - 1)

        return hook

    def end(*_: Any) -> None:
        open_calls.pop()

    handles = []
    try:
        for name, module in network.named_modules():
            handles.append(module.register_forward_pre_hook(begin(name)))
            handles.append(module.register_forward_hook(end))
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def plan_units(
    calls: Sequence[Call], layers: Collection[str], refused: Collection[str] = ()
) -> Plan:
    """Cut a run into units.

    A module that runs twice, or shares a layer with what is outside of it, is no unit: its inputs
    would be seen in parts.

    Args:
        calls: of one run.
        layers: that are to be rounded.
        refused: modules that are no units.
    """
    around = {name[:end] for name in layers for end, c in enumerate(name) if c == "."}
    no_units = set(refused)

    def fits(name: str) -> bool:
        is_entry = name.rpartition(".")[2].isdigit()  # of a list: a block
        return bool(name) and name not in no_units and (is_entry or name not in around)

    while True:
        units: list[str] = []
        inside: list[str | None] = []
        places: dict[str, set[str | None]] = {}
        for call in calls:
            unit = None if call.caller is None else inside[call.caller]
            if unit is None and fits(call.name):
                unit = call.name
                units.append(unit)
            inside.append(unit)
            if call.name in layers:
                places.setdefault(call.name, set()).add(unit)
        wrong = {name for name, count in Counter(units).items() if count > 1}
        wrong |= {u for some in places.values() if len(some) > 1 for u in some if u is not None}
        if not wrong:
            return Plan(tuple(units), {name: next(iter(some)) for name, some in places.items()})
        no_units |= wrong
