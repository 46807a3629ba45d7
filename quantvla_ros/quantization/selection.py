# SPDX-License-Identifier: Apache-2.0
"""Which layers become integer, and with how many bits, from what each alone does to the action.

Errors of layers are taken to add up. That is only a ranking: whether a set of layers is good enough
is always measured on the whole set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quantvla_ros.errors import QuantVLAError

MOST_REFUSED = 16  # steps that the search leaves out before it ends
Judge = Callable[[dict[str, int]], bool]
"""Whether a whole set of quantized layers, bits by name, is good enough."""
FLOAT_BITS = 16  # what an entry says of a layer that stays float; 16 bits on disk


@dataclass(frozen=True)
class LayerOption:
    """One way to hold a layer.

    Attributes:
        bits: of its weights.
        error: that it alone adds to the action.
        saved: bytes that it saves against float.
    """

    bits: int
    error: float
    saved: int


@dataclass(frozen=True)
class PrecisionStep:
    """A step of one layer to fewer bits, and what the step costs and brings."""

    name: str
    bits: int
    error: float
    saved: int

    @property
    def price(self) -> float:
        """Action error for each byte saved."""
        return self.error / self.saved


def _steps_of(name: str, options: Sequence[LayerOption]) -> list[PrecisionStep]:
    """Steps along the lower convex hull, from float on: their prices never fall."""
    steps = []
    at = LayerOption(FLOAT_BITS, 0.0, 0)
    while further := [o for o in options if o.saved > at.saved]:
        best = min(further, key=lambda o: ((o.error - at.error) / (o.saved - at.saved), -o.saved))
        steps.append(PrecisionStep(name, best.bits, best.error - at.error, best.saved - at.saved))
        at = best
    return steps


def ranked_steps(options: Mapping[str, Sequence[LayerOption]]) -> list[PrecisionStep]:
    """All steps, the cheapest first; those of one layer stand in their order."""
    steps = [step for name, some in options.items() for step in _steps_of(name, some)]
    return sorted(steps, key=lambda step: step.price)  # stable: the same table, the same order


def applied(steps: Sequence[PrecisionStep]) -> dict[str, int]:
    """Bits by layer after the steps; layers without a step are float and absent."""
    return {step.name: step.bits for step in steps}


def within_gate(steps: Sequence[PrecisionStep], passes: Judge) -> dict[str, int]:
    """Steps that pass together, the cheapest first; one that fails with those before is left out.

    A single step may fail where the policy itself wavers, and later ones still pass; the search
    ends after `MOST_REFUSED` of them.

    Args:
        steps: as `ranked_steps` gives them.
        passes: judges the whole set of quantized layers.

    Returns:
        Bits by layer; empty when no step passes.
    """
    if passes(applied(steps)):
        return applied(steps)
    taken: list[PrecisionStep] = []
    rest, refused = list(steps), 0
    while refused < MOST_REFUSED:
        good = _longest_start(taken, rest, passes)
        taken += rest[:good]
        if good == len(rest):
            break
        failed = rest[good].name
        rest = [step for step in rest[good + 1 :] if step.name != failed]
        refused += 1
    return applied(taken)


def _longest_start(
    taken: Sequence[PrecisionStep],
    steps: Sequence[PrecisionStep],
    passes: Judge,
) -> int:
    """How many steps pass together with those taken before: by doubling, then by halving."""
    good, step, growing = 0, 1, True
    while step and good < len(steps):
        size = min(good + step, len(steps))
        if passes(applied([*taken, *steps[:size]])):
            good = size
        else:
            growing = False
        step = 2 * step if growing else step // 2
    return good


def within_budget(steps: Sequence[PrecisionStep], held: int, budget: int) -> dict[str, int]:
    """The shortest start of the ranking that brings the policy to `budget` bytes.

    Args:
        steps: as `ranked_steps` gives them.
        held: bytes of the float policy's weights.
        budget: bytes wanted.

    Raises:
        QuantVLAError: all steps together do not reach it.
    """
    count, left = 0, held
    while left > budget:
        if count == len(steps):
            raise QuantVLAError(
                f"a budget of {budget} bytes cannot be met: the policy takes {left} bytes with "
                "every layer of the layout at its fewest bits; give more, or a wider --layout"
            )
        left -= steps[count].saved
        count += 1
    return applied(steps[:count])


def dearest(
    errors: Mapping[str, float],
    weights: Mapping[str, int],
    groups: Sequence[Sequence[str]],
    share: float,
) -> list[str]:
    """Layers that are best left float: the most error for each weight, within a share of all.

    Args:
        errors: that each layer alone adds to the action.
        weights: number of each layer's weights.
        groups: layers that read one tensor. They stay float together, as a quantizer in front of
            some of them would still cost its time.
        share: of all weights, 0..1.

    Returns:
        Their names, in the order of `errors`.
    """
    apart: dict[str, tuple[str, ...]] = {name: (name,) for name in errors}
    for group in groups:
        present = tuple(name for name in group if name in errors)
        apart.update(dict.fromkeys(present, present))

    def total(of: Mapping[str, float], group: Sequence[str]) -> float:
        return sum(of[name] for name in group)

    ranked = sorted(set(apart.values()), key=lambda g: (-total(errors, g) / total(weights, g), g))
    left, kept = share * sum(weights.values()), set[str]()
    for group in ranked:
        if total(errors, group) > 0 and total(weights, group) <= left:
            kept.update(group)
            left -= total(weights, group)
    return [name for name in errors if name in kept]
