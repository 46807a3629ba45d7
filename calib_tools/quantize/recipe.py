# SPDX-License-Identifier: Apache-2.0
"""What a user asks of a quantization, and whether it can be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layouts import AUTO, select_layers
from quantvla_ros.quantization.schemes import (
    Activation,
    Precision,
    check_scheme,
    has_integer_activations,
    precision,
)

ROUNDINGS = ("rtn", "clip", "gptq")
TRANSFORMS = ("smoothquant", "hadamard")
ACTIVATIONS: dict[str, Activation] = {"dynamic": "dynamic", "static": "static"}
RANGES = ("absmax", "percentile", "mse")
RANGE = "mse"
BUDGET_BITS = (8, 4)


@dataclass(frozen=True)
class Recipe:
    """The options of `quantvla quantize`; the defaults suit a user who gives none.

    Attributes:
        scheme: a key of `SCHEMES`; with a budget it says how activations are held.
        layout: a key of `LAYOUTS`.
        rounding: how weights are rounded.
        transforms: of the network, before the rounding, in their order.
        activations: ranges of integer activations; None: as the target says.
        range: how static ranges are chosen; the default with dynamic ones.
        group: inputs that share a scale of 4-bit weights.
        keep_float: patterns of layers that stay float.
        budget: bytes of all weights, met by mixing 8 bits, 4 bits and float.
        sequential: GPTQ sees the inputs that the already quantized layers give.
        target: backend that the bundle is for; it says which activations it multiplies.
        corrections: "alpha" for ATM and "beta" for OHB; fewer of them in studies only.
    """

    scheme: str = "w8a8"
    layout: str = "llm+dit_mlp"
    rounding: str = "gptq"
    transforms: tuple[str, ...] = ()
    activations: str | None = None
    range: str = RANGE
    group: int | None = None
    keep_float: tuple[str, ...] = ()
    budget: int | None = None
    sequential: bool = False
    target: str = DEFAULT
    corrections: tuple[str, ...] = ("alpha", "beta")

    def checked(self, ray: str | None = None) -> Recipe:
        """Refuse what cannot be had, before anything is loaded.

        Args:
            ray: cluster that a search is to be spread over, if any.

        Returns:
            The same recipe with what the target says where nothing is given.

        Raises:
            QuantVLAError: an unknown name, or options that do not go together.
        """
        check_scheme(self.scheme)
        backend = find_backend(self.target)
        if self.activations is None:
            own = backend.activations if has_integer_activations(self.scheme) else "dynamic"
            return replace(self, activations=own).checked(ray)
        select_layers({}, self.layout)
        _known("rounding", self.rounding, ROUNDINGS)
        _known("kind of activation range", self.activations, tuple(ACTIVATIONS))
        _known("range", self.range, RANGES)
        if "duquant" in self.transforms:
            raise QuantVLAError(
                "duquant's rotations run online and no integer kernel computes them, so it is for "
                f"studies only; choose --transform {' or '.join(TRANSFORMS)}"
            )
        for name in self.transforms:
            _known("transform", name, TRANSFORMS)
        if self.range != RANGE and self.activations != "static":
            raise QuantVLAError(
                f"--range {self.range} is for static ranges of integer activations; leave it "
                "out, or give --activations static with it"
            )
        if ray is not None and not self.searches:
            raise QuantVLAError(
                "--ray spreads the measuring of a search, and nothing is searched here; leave it "
                "out, or give --layout auto or --budget"
            )
        if self.searches and self.sequential:
            raise QuantVLAError(
                "--sequential fits each layer to the layers before it, which a search still "
                "changes; leave it out with --layout auto and with --budget"
            )
        if self.sequential and self.rounding == "rtn" and self.activations == "dynamic":
            raise QuantVLAError(
                "--sequential changes nothing with --rounding rtn, which looks at no inputs; leave "
                "it out, or choose --rounding gptq"
            )
        if self.budget is not None and self.layout == "none":
            raise QuantVLAError(
                "--budget with --layout none has nothing to quantize; give a layout"
            )
        for held in self.precisions().values():
            if why := backend.supports(held):
                raise QuantVLAError(f"backend '{self.target}' cannot run this: {why}")
        return self

    @property
    def searches(self) -> bool:
        """True when layers are chosen by their effect on the action."""
        return self.layout == AUTO or self.budget is not None

    def precisions(self) -> dict[int, Precision]:
        """The precisions that a layer may get, by bits of its weights; of a checked recipe.

        Raises:
            QuantVLAError: the group or the kind of range does not go with the scheme.
        """
        assert self.activations is not None
        activation = ACTIVATIONS[self.activations]
        only = precision(self.scheme, activation, self.group if self.budget is None else None)
        if self.budget is None:
            return {only.weight_bits: only}
        suffix = self.scheme[2:]
        return {
            bits: precision(f"w{bits}{suffix}", activation, self.group if bits == 4 else None)
            for bits in BUDGET_BITS
        }


def check_groups(
    precisions: dict[int, Precision], columns: Callable[[str], int], names: list[str]
) -> None:
    """Raise QuantVLAError naming a layer whose inputs the group size does not divide."""
    for name in names:
        for held in precisions.values():
            try:
                held.groups(columns(name))
            except QuantVLAError as error:
                raise QuantVLAError(f"layer '{name}': {error}") from error


def _known(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise QuantVLAError(f"unknown {what} '{name}'; known: {', '.join(names)}")
