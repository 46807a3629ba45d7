# SPDX-License-Identifier: Apache-2.0
"""Fake quantization as a change that an evaluation plays: `@rtn4-all` or `@FILE.safetensors`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calib_tools.evaluate.variants import Change
from quantvla_ros.bundle.storage import file_hash
from quantvla_ros.errors import BundleError, QuantVLAError
from studies.fake_quantization.head import SUFFIX, read_head
from studies.fake_quantization.nearest import fake_quantize, parse_rounding

if TYPE_CHECKING:
    from torch import nn

    from quantvla_ros.models.family import Family


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
