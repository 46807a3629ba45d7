# SPDX-License-Identifier: Apache-2.0
"""FAKE quantization as a change that an evaluation plays: `@rtn4-all` or `@FILE.safetensors`.

`rtn4-all` rounds weights to few bits, but they are held and computed in float. It shows what an
error of that size does to success; it saves neither memory nor time. Nothing in it is calibrated or
corrected: it is the baseline that a method has to beat.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib_tools.evaluate.variants import Change
from quantvla_ros.bundle.storage import file_hash
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.quantization.layouts import AUTO, LAYOUTS, select_layers

if TYPE_CHECKING:
    from torch import nn

    from quantvla_ros.models.family import Family


SUFFIX = ".safetensors"
KEY, KIND = "study", "quantvla study: fake quantization, for no robot"


@dataclass(frozen=True)
class StudyHead:
    """What a study says of itself.

    Attributes:
        bundle_sha256: of the float bundle that it belongs to.
        layers: by name how the layer is computed: bits of its activations, quantile of their grid,
            block of its rotation (None without), whether DuQuant's transform precedes it.
    """

    bundle_sha256: str
    layers: Mapping[str, Mapping[str, Any]]


def read_head(path: Path) -> StudyHead:
    """Read what a study says of itself, without its tensors.

    Raises:
        QuantVLAError: it is no study.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as stored:
            head = json.loads((stored.metadata() or {})[KEY])
        if head["kind"] != KIND:
            raise KeyError(KIND)
        return StudyHead(head["bundle_sha256"], head["layers"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise QuantVLAError(
            f"'{path}' is no study of fake quantization; make one with "
            "`python -m studies.ablation`."
        ) from error


_NAME = re.compile(r"rtn([2-8])-(.+)")


def parse_rounding(name: str) -> tuple[int, str]:
    """Bits and layout of a name such as "rtn4-all" or "rtn4-llm+dit_mlp".

    Raises:
        QuantVLAError: it is no such name.
    """
    found = _NAME.fullmatch(name)
    layouts = [layout for layout in LAYOUTS if layout not in ("none", AUTO)]
    if found is None or found.group(2) not in layouts:
        raise QuantVLAError(
            f"Unknown rounding '@{name}'; write @rtnBITS-LAYOUT with 2 to 8 bits and one of the "
            f"layouts {', '.join(layouts)}, or @rtc for real-time chunking."
        )
    return int(found.group(1)), found.group(2)


def fake_quantize(
    network: nn.Module, roles: Mapping[str, str], bits: int, layout: str
) -> list[str]:
    """Round the weights of a float network's linears in place.

    Returns:
        Names of the rounded layers.
    """
    import torch

    from quantvla_ros.quantization.modules import linear_at
    from quantvla_ros.quantization.rounding.codes import dequantize
    from quantvla_ros.quantization.rounding.nearest import round_nearest

    names = select_layers(roles, layout)
    with torch.no_grad():
        for name in names:
            weight = linear_at(network, name).weight
            weight.copy_(dequantize(round_nearest(weight, bits)))
    return names


@dataclass(frozen=True)
class RoundedToNearest:
    """Weights rounded to nearest, see `nearest`; its `label` is such as "rtn4-all"."""

    label: str
    backend: None = None

    @property
    def identity(self) -> str:
        """Its label says all."""
        return self.label

    def apply(self, network: nn.Module, family: Family) -> None:
        """Round the weights in place."""
        bits, layout = parse_rounding(self.label)
        fake_quantize(network, family.roles(network), bits, layout)


@dataclass(frozen=True)
class StudyFile:
    """A fake quantization that an ablation has made; its `identity` is the file's sha256."""

    path: Path
    identity: str
    backend: None = None

    @property
    def label(self) -> str:
        """Name of the file, without its end."""
        return self.path.stem

    def apply(self, network: nn.Module, family: Family) -> None:
        """Put the file's weights into the network.

        Raises:
            BundleError: the file was changed.
            QuantVLAError: it is damaged.
        """
        from studies.fake_quantization.file import apply_study

        if file_hash(self.path) != self.identity:
            raise BundleError(
                f"The study '{self.path}' was changed since the evaluation began; start again "
                "with another --out."
            )
        apply_study(network, self.path)


def read_change(wanted: str, bundle: Path, bundle_sha256: str) -> Change:
    """Return the change that the words behind `BUNDLE@` ask for.

    Raises:
        QuantVLAError: an unknown rounding, no study, or a study of another bundle.
    """
    if not wanted.endswith(SUFFIX):
        parse_rounding(wanted)
        return RoundedToNearest(wanted)
    path = Path(wanted).resolve()
    if read_head(path).bundle_sha256 != bundle_sha256:
        raise QuantVLAError(
            f"The study '{path}' was made from another bundle than '{bundle}'; give that one."
        )
    return StudyFile(path, file_hash(path))
