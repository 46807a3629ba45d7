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
RANGES = ("output", "absmax", "percentile", "mse")
RANGE = "output"
BUDGET_BITS = (8, 4)
FLOAT_SHARE = 0.05  # what the recipe for static ranges leaves float
LARGEST_SHARE = 0.5
ADDED_PRODUCTS = 0.05


@dataclass(frozen=True)
class Recipe:
    """The options of `quantvla quantize`; the defaults suit a user who gives none.

    Attributes:
        scheme: a key of `SCHEMES`; with a budget it says how activations are held.
        layout: a key of `LAYOUTS`.
        rounding: how weights are rounded.
        transforms: of the network, before the rounding, in their order; fitted together to static
            ranges. None: as the target says.
        activations: ranges of integer activations; None: as the target says.
        range: how static ranges are chosen; the default with dynamic ones.
        group: inputs that share a scale of 4-bit weights.
        keep_float: patterns of layers that stay float.
        budget: bytes of all weights, met by mixing 8 bits, 4 bits and float.
        sequential: GPTQ sees the inputs that the already quantized layers give.
        float_share: of the layout's weights may stay float, those that cost the action most.
            None: as the target says.
        added_products: share of the layers' own products that rotations may add at run time.
        target: backend that the bundle is for; it says which activations it multiplies.
        corrections: "alpha" for ATM and "beta" for OHB; fewer of them in studies only.
    """

    scheme: str = "w8a8"
    layout: str = "llm+dit_mlp"
    rounding: str = "gptq"
    transforms: tuple[str, ...] | None = None
    activations: str | None = None
    range: str = RANGE
    group: int | None = None
    keep_float: tuple[str, ...] = ()
    budget: int | None = None
    sequential: bool = False
    float_share: float | None = None
    added_products: float = ADDED_PRODUCTS
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
        if self.activations is None or self.transforms is None or self.float_share is None:
            return self._filled(backend.activations).checked(ray)
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
        self._check_shares()
        if ray is not None and not self.measures:
            raise QuantVLAError(
                "--ray spreads the measuring of a search, and nothing is searched here; leave it "
                "out, or give --layout auto, --budget or --float-share"
            )
        if self.measures and self.sequential:
            raise QuantVLAError(
                "--sequential fits each layer to the layers before it, which a search still "
                "changes; leave it out with --layout auto, --budget and --float-share"
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

    def _filled(self, own: Activation) -> Recipe:
        """What is not given, for a target whose activations have ranges of this kind.

        A target with static ranges gets the recipe that a real backbone survives there.
        """
        own = own if has_integer_activations(self.scheme) else "dynamic"
        held = self.activations or own
        static = own == held == "static"
        free = not (self.searches or self.sequential or self.layout == "none")
        share = FLOAT_SHARE if static and free else 0.0
        return replace(
            self,
            activations=held,
            transforms=(TRANSFORMS if static else ())
            if self.transforms is None
            else self.transforms,
            float_share=share if self.float_share is None else self.float_share,
        )

    def _check_shares(self) -> None:
        assert self.float_share is not None
        if not 0.0 <= self.float_share <= LARGEST_SHARE:
            raise QuantVLAError(
                f"--float-share {self.float_share} is not between 0 and {LARGEST_SHARE}; to keep "
                "more float choose another --layout"
            )
        if self.float_share and (self.searches or self.layout == "none"):
            raise QuantVLAError(
                "--float-share chooses from the layers of a fixed --layout, and --layout auto, "
                "--layout none and --budget leave it nothing to choose; leave it out"
            )
        if not 0.0 <= self.added_products <= 1.0:
            raise QuantVLAError(
                f"--added-products {self.added_products} is not a share between 0 and 1"
            )
        if self.added_products != ADDED_PRODUCTS and not (
            self.fits_ranges and "hadamard" in (self.transforms or ())
        ):
            raise QuantVLAError(
                "--added-products bounds the rotations that are fitted to static ranges; leave it "
                "out, or give --activations static and --transform hadamard with it"
            )

    @property
    def fits_ranges(self) -> bool:
        """True when transforms are fitted to static ranges; of a checked recipe."""
        return self.activations == "static" and bool(self.transforms)

    @property
    def measures(self) -> bool:
        """True when each layer's effect on the action decides something; of a checked recipe."""
        return self.searches or bool(self.float_share)

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
