# SPDX-License-Identifier: Apache-2.0
"""What is compared: bundles, with real-time chunking (`BUNDLE@rtc`), by a backend (`BUNDLE@NAME`).

A caller may allow more: `BUNDLE@CHANGE` is a float bundle whose network is changed before it plays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import BACKENDS, DEFAULT, find_backend
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.models.families import find_family

if TYPE_CHECKING:
    from torch import nn

    from quantvla_ros.backends.policy import Policy
    from quantvla_ros.bundle.schema import BundleManifest
    from quantvla_ros.models.family import Family


class Change(Protocol):
    """What is done to a float network before it plays; workers get it by pickle."""

    @property
    def label(self) -> str:
        """How tables name it, behind the bundle's name."""
        ...

    @property
    def identity(self) -> str:
        """Identifies the change in records."""
        ...

    @property
    def backend(self) -> str | None:
        """Plays any bundle as it is; None: the usual one plays a float bundle that is changed."""
        ...

    def apply(self, network: nn.Module, family: Family) -> None:
        """Change the network in place.

        Raises:
            QuantVLAError: its file is damaged, or another one than when the evaluation began.
        """
        ...


ReadChange = Callable[[str, Path, str], Change]
"""Makes a change of the words behind `@`, the bundle's directory and the bundle's sha256."""


@dataclass(frozen=True)
class Variant:
    """A policy to evaluate.

    Attributes:
        label: how tables name it; unlike those of all other variants.
        bundle: its directory.
        sha256: of the bundle.
        change: of its network; None for the bundle as it is.
        continues: whether it runs with real-time chunking.
        backend: what computes it; None for the usual one.
    """

    label: str
    bundle: Path
    sha256: str
    change: Change | None = None
    continues: bool = False
    backend: str | None = None


CHUNKING = "rtc"


def parse_variants(
    arguments: Sequence[str], read_change: ReadChange | None = None, backend: str | None = None
) -> list[Variant]:
    """Find the bundles and check that they can drive the simulated robot.

    Args:
        arguments: `BUNDLE`, `BUNDLE@BACKEND` or, with `read_change`, `BUNDLE@CHANGE` each, and
            `@rtc` after it.
        read_change: raises QuantVLAError for a change that it does not know.
        backend: of those that name none; None for the usual one.

    Raises:
        QuantVLAError: no bundle, a damaged one, one for another robot, an unknown change, a
            variant given twice.
    """
    if not arguments:
        raise QuantVLAError("There is nothing to evaluate; give at least one bundle.")
    parsed = [_split(argument) for argument in arguments]
    names = _names({path.resolve() for path, _, _ in parsed})
    variants = []
    for path, wanted, continues in parsed:
        manifest = load_manifest(path, check_files=True)
        check_fits_robot(manifest, path)
        computing = backend
        if wanted in BACKENDS.names():
            wanted, computing = "", wanted
        if wanted and read_change is None:
            raise QuantVLAError(
                f"Unknown way '@{wanted}' to run '{path}'; write @{CHUNKING} for real-time "
                f"chunking, the name of a backend ({', '.join(BACKENDS.names())}), or nothing."
            )
        if computing is not None:
            find_backend(computing).check(Options())
            find_backend(computing).check_built(path)
        full, sha256 = path.resolve(), bundle_hash(path)
        change = read_change(wanted, path, sha256) if wanted and read_change else None
        if change and change.backend is None and manifest.quantization is not None:
            raise BundleError(
                f"The bundle '{path}' is quantized already; '@{wanted}' needs a float bundle."
            )
        label = f"{names[full]}@{change.label}" if change else names[full]
        label += f"@{computing}" if computing not in (None, backend) else ""
        label += f"@{CHUNKING}" if continues else ""
        variants.append(Variant(label, full, sha256, change, continues, computing))
    labels = [variant.label for variant in variants]
    for label in labels:
        if labels.count(label) > 1:
            raise QuantVLAError(f"The variant '{label}' is given twice; give each once.")
    return variants


def _names(paths: Collection[Path]) -> dict[Path, str]:
    """By path, the shortest end of it that no other path has."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return {path: "/".join(path.parts[-depth:]) for path in paths}


def _split(argument: str) -> tuple[Path, str, bool]:
    """Bundle, change and chunking; a directory that exists is a bundle whatever its name is."""
    if Path(argument).is_dir():
        return Path(argument), "", False
    rest = argument.removesuffix(f"@{CHUNKING}")
    continues = rest != argument
    head, mark, tail = rest.rpartition("@")
    if not mark or Path(rest).is_dir():
        return Path(rest), "", continues
    return Path(head), tail, continues


def check_fits_robot(manifest: BundleManifest, path: Path) -> None:
    """Refuse a bundle whose inputs and outputs are not those of the simulated robot.

    Raises:
        BundleError: names the camera or the joint.
    """
    from simulation.cameras import CAMERAS
    from simulation.robot import JOINT_NAMES

    interface = manifest.interface
    for camera in interface.cameras:
        if camera.name not in CAMERAS:
            raise BundleError(
                f"The bundle '{path}' wants a camera '{camera.name}' and the simulated robot has "
                f"{', '.join(CAMERAS)}; give a bundle that was made for it."
            )
    first = interface.cameras[0]
    if any((c.height, c.width) != (first.height, first.height) for c in interface.cameras):
        raise BundleError(
            f"The bundle '{path}' wants pictures of several shapes and the simulated robot gives "
            "square ones of one size; give a bundle that was made for it."
        )
    for what, names in (("state", interface.state.names), ("actions", interface.action.names)):
        if sorted(names) != sorted(JOINT_NAMES):
            strange = [name for name in names if name not in JOINT_NAMES]
            detail = f"joint '{strange[0]}', which is unknown there" if strange else "fewer joints"
            raise BundleError(
                f"The bundle '{path}' has among its {what} {detail}: the simulated robot has "
                f"{', '.join(JOINT_NAMES)}; give a bundle that was made for it."
            )
    if interface.action.moves_tip:
        raise BundleError(
            f"The bundle '{path}' commands motions of the tool (ee_delta), which need MoveIt "
            "Servo, and the simulated robot has none; give a bundle of joints or of poses of the "
            "tool."
        )


def load_variant(variant: Variant, denoise_steps: int | None) -> Policy:
    """Load a policy on one CPU thread.

    Args:
        variant: to load.
        denoise_steps: Euler steps of the flow instead of the bundle's own.

    Raises:
        BundleError: the bundle is damaged, or another one than when the evaluation began.
    """
    import torch

    from quantvla_ros.backends.policy import policy_of
    from quantvla_ros.bundle.storage import load_bundle
    from quantvla_ros.models.stored import widen
    from quantvla_ros.quantization.network import load_network

    torch.set_num_threads(1)
    if bundle_hash(variant.bundle) != variant.sha256:
        raise BundleError(
            f"The bundle '{variant.bundle}' was changed since the evaluation began; start again "
            "with another --out."
        )
    bundle = load_bundle(variant.bundle)
    if denoise_steps is not None:
        manifest = bundle.manifest.model_copy(update={"denoise_steps": denoise_steps})
        bundle = replace(bundle, manifest=manifest)
    network = load_network(bundle)
    change = variant.change
    if change is not None and change.backend is None:
        widen(network)
        change.apply(network, find_family(bundle.manifest.family))
    backend = (change.backend if change is not None else variant.backend) or DEFAULT
    return policy_of(bundle, network, backend)
