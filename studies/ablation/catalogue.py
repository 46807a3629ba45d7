# SPDX-License-Identifier: Apache-2.0
"""The variants of the ablation: the method's parts one by one, and what they are compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from calib_tools.quantize.recipe import Recipe
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layouts import ALL, AUTO

if TYPE_CHECKING:
    from quantvla_ros.bundle.schema import BundleManifest

FLOAT = "float"
ATM, OHB = ("alpha",), ("beta",)
BOTH = (*ATM, *OHB)
_WHOLE: Any = {"rounding": "gptq", "transforms": ("smoothquant", "hadamard"), "corrections": BOTH}


@dataclass(frozen=True)
class Study:
    """Fake quantization of a policy: rounded values, held and computed in float.

    Attributes:
        weight_bits: 2, 3, 4 or 8; a scale per output channel.
        activation_bits: a scale per token.
        layout: a key of `LAYOUTS`.
        rounding: how weights are rounded.
        transforms: before the rounding: "smoothquant", "hadamard", or "duquant" alone.
        corrections: "alpha" for ATM, "beta" for OHB.
    """

    weight_bits: int
    activation_bits: int
    layout: str = "llm+dit_mlp"
    rounding: str = "rtn"
    transforms: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()


@dataclass(frozen=True)
class AblationVariant:
    """One way to quantize the policy.

    Attributes:
        name: such as "w4a8-gptq+atm"; also of its files.
        how: a recipe gives a bundle that integer kernels run, a study fake quantization.
    """

    name: str
    how: Recipe | Study

    @property
    def fake(self) -> bool:
        """Whether it computes in float, on rounded values."""
        return isinstance(self.how, Study)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        how = json.loads(json.dumps(asdict(self.how)))  # as a record gives it back
        return {"name": self.name, "fake": self.fake, "how": how}


def _corrected(name: str, how: Recipe | Study) -> list[AblationVariant]:
    """A variant, and the same with ATM, with OHB, and with both."""
    return [
        AblationVariant(name, how),
        AblationVariant(f"{name}+atm", replace(how, corrections=ATM)),
        AblationVariant(f"{name}+ohb", replace(how, corrections=OHB)),
        AblationVariant(f"{name}+both", replace(how, corrections=BOTH)),
    ]


def _real(scheme: str) -> list[AblationVariant]:
    plain = Recipe(scheme=scheme, rounding="rtn", corrections=())
    gptq = replace(plain, rounding="gptq")
    parts = {
        "all": replace(plain, layout=ALL),
        "all-gptq": replace(gptq, layout=ALL),
        "rtn": plain,
        "clip": replace(plain, rounding="clip"),
        "smoothquant": replace(plain, transforms=("smoothquant",)),
        "hadamard": replace(plain, transforms=("hadamard",)),
    }
    found = [AblationVariant(f"{scheme}-{name}", how) for name, how in parts.items()]
    found += _corrected(f"{scheme}-gptq", gptq)
    more = {
        "gptq-smoothquant": replace(gptq, transforms=("smoothquant",)),
        "gptq-hadamard": replace(gptq, transforms=("hadamard",)),
        "gptq-sequential": replace(gptq, sequential=True),
        "gptq-static": replace(gptq, activations="static"),
        "gptq-static-absmax": replace(gptq, activations="static", range="absmax"),
        "gptq-static-percentile": replace(gptq, activations="static", range="percentile"),
        "gptq-llm": replace(gptq, layout="llm"),
        "gptq-dit": replace(gptq, layout="dit"),
        "gptq-llm+dit": replace(gptq, layout="llm+dit"),
        "whole": replace(plain, **_WHOLE),
        "auto": replace(plain, **_WHOLE, layout=AUTO),
    }
    return found + [AblationVariant(f"{scheme}-{name}", how) for name, how in more.items()]


def _fake(weight_bits: int, activation_bits: int) -> list[AblationVariant]:
    scheme = f"w{weight_bits}a{activation_bits}"
    plain = Study(weight_bits, activation_bits)
    found = [
        AblationVariant(f"{scheme}-all", replace(plain, layout=ALL)),
        AblationVariant(f"{scheme}-all-gptq", replace(plain, layout=ALL, rounding="gptq")),
        AblationVariant(f"{scheme}-rtn", plain),
        *_corrected(f"{scheme}-gptq", replace(plain, rounding="gptq")),
        AblationVariant(f"{scheme}-whole", replace(plain, **_WHOLE)),
    ]
    return found + _duquant(weight_bits, activation_bits)


def _duquant(weight_bits: int, activation_bits: int) -> list[AblationVariant]:
    scheme = f"w{weight_bits}a{activation_bits}"
    plain = Study(weight_bits, activation_bits, transforms=("duquant",))
    return [
        AblationVariant(f"{scheme}-all-duquant", replace(plain, layout=ALL)),
        *_corrected(f"{scheme}-duquant", plain)[::3],  # plain, and with both
    ]


def catalogue(mixed_budget: int) -> list[AblationVariant]:
    """All variants."""
    grouped = Recipe(scheme="w4a8", group=64, corrections=())
    mixed = Recipe(scheme="w4a8", layout="llm+dit", budget=mixed_budget, corrections=())
    return [
        *_real("w8a8"),
        *_duquant(8, 8),
        *_real("w4a8"),
        AblationVariant("w4a8-gptq-group64", grouped),
        AblationVariant("mixed", mixed),
        *_duquant(4, 8),
        *_fake(3, 8),
        *_fake(2, 8),
        *_fake(4, 4),
    ]


def choose(variants: Sequence[AblationVariant], patterns: Sequence[str]) -> list[AblationVariant]:
    """Those whose names match a pattern as in a shell; all without patterns.

    Raises:
        QuantVLAError: a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(variant.name, pattern) for variant in variants):
            names = ", ".join(variant.name for variant in variants)
            raise QuantVLAError(f"No variant matches '{pattern}'; there are {names}.")
    return [v for v in variants if not patterns or any(fnmatchcase(v.name, p) for p in patterns)]


def budget_between(manifest: BundleManifest) -> int:
    """Bytes half way between the method's layers at 8 bits and at 4, for mixed precision."""
    import torch

    from quantvla_ros.models.build import empty_network
    from quantvla_ros.models.families import find_family
    from quantvla_ros.quantization.layouts import select_layers
    from quantvla_ros.quantization.modules import linear_at

    with torch.device("meta"):
        network = empty_network(manifest)
    held = 2 * sum(parameter.numel() for parameter in network.parameters())
    saved = 0
    for name in select_layers(find_family(manifest.family).roles(network), "llm+dit_mlp"):
        rows, columns = linear_at(network, name).weight.shape
        saved += rows * columns * 5 // 4 - 4 * rows  # 1 byte a weight at 8 bits, 1.5 at 4
    return int(held - saved)
