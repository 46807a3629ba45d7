# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint's directory to a float bundle, without more memory than a tensor needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from calib_tools.common.progress import Bar
from quantvla_ros.bundle.contract import Contract
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint, open_checkpoint, read_json
from quantvla_ros.checkpoints.contract import contract
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.plausible import refuse_positions
from quantvla_ros.checkpoints.poses import near_training
from quantvla_ros.errors import CheckpointError, QuantVLAError
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.families import FAMILIES, find_family
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.robot_file import PRESETS, read_robot

_GIB = 1 << 30


@dataclass(frozen=True)
class ImportSettings:
    """What the command line says.

    Attributes:
        robot: path of a robot.yaml, or name of a preset.
        rate: rows of a chunk a second, Hz; the robot's if not given.
        norm_stats: see `ImportOptions`.
        tokenizer: see `ImportOptions`.
        embodiment: see `ImportOptions`.
        sizes: JSON file with sizes of the network.
        family: name of the only family that is asked; else all are.
        base: directory of the weights that a LoRA adapter was trained on.
    """

    robot: str
    rate: float | None = None
    norm_stats: Path | None = None
    tokenizer: Path | None = None
    embodiment: str | None = None
    sizes: Path | None = None
    family: str | None = None
    base: Path | None = None


def read_checkpoint(directory: Path, settings: ImportSettings) -> Imported:
    """Understand a checkpoint; reads no weights and writes nothing.

    Args:
        directory: of the checkpoint.
        settings: of the command line.

    Returns:
        The float bundle to write; its manifest has the contract.

    Raises:
        QuantVLAError: in one sentence with the way out.
    """
    options = _options(settings)
    checkpoint = open_checkpoint(directory, settings.base)
    imported = _ask_families(checkpoint, options, settings.family)
    imported.weights.check(empty_network(imported.manifest).state_dict())
    manifest = near_training(imported.manifest)
    imported = replace(imported, manifest=manifest)
    refuse_positions(manifest)
    spec = manifest.tokenizer
    tokenizer = Tokenizer(imported.tokenizer_json, spec.max_length, spec.pad, spec.room)
    processing = find_family(manifest.family).processing(manifest, tokenizer)
    report = contract(imported, options, processing, tokenizer)
    return replace(imported, manifest=manifest.model_copy(update={"contract": report}))


def import_checkpoint(
    directory: Path, out: Path, settings: ImportSettings, force: bool = False
) -> BundleManifest:
    """Write the float bundle of a checkpoint, with a bar; it appears whole or not at all.

    Args:
        directory: of the checkpoint.
        out: directory to write.
        settings: of the command line.
        force: replace `out` when it exists.

    Raises:
        QuantVLAError: in one sentence with the way out.
    """
    prepare_output(out, force)
    imported = read_checkpoint(directory, settings)
    _check_space(out, imported)
    # Every byte is looked at once, for NaN, and written once.
    total, done = 2 * max(1, imported.weights.bytes), 0
    with Bar("importing", total) as bar:

        def said(count: int) -> None:
            nonlocal done
            done += count
            bar.show(done, f"{done / _GIB:.2f} of {total / _GIB:.2f} GiB checked and written")

        save_bundle(
            out, imported.manifest, imported.weights, imported.tokenizer_json, force, said=said
        )
    return imported.manifest


def the_contract(manifest: BundleManifest) -> Contract:
    """The contract of a manifest that `read_checkpoint` made."""
    assert manifest.contract is not None
    return manifest.contract


def _options(settings: ImportSettings) -> ImportOptions:
    robot = read_robot(settings.robot, shared_file(PRESETS))
    rate = settings.rate or robot.rate
    if rate is None:
        raise QuantVLAError(
            f"robot '{robot.name}' has no 'rate' and a checkpoint does not store it; give the fps "
            "of the training data with --rate HZ, or write it into robot.yaml"
        )
    sizes = {} if settings.sizes is None else read_json(settings.sizes)
    if not isinstance(sizes, dict):
        raise QuantVLAError(f"{settings.sizes} holds no object of sizes by name")
    return ImportOptions(
        robot=robot,
        rate=rate,
        norm_stats=settings.norm_stats,
        tokenizer=settings.tokenizer,
        embodiment=settings.embodiment,
        sizes=sizes,
    )


def _ask_families(checkpoint: Checkpoint, options: ImportOptions, only: str | None) -> Imported:
    asked = []
    for name in [only] if only is not None else FAMILIES.names():
        importer = find_family(name).importer
        if importer is None:
            continue
        asked.append(name)
        found = importer(checkpoint, options)
        if found is not None:
            return found
    kind = checkpoint.config.get("type") or checkpoint.config.get("model_type") or "unknown"
    if only is not None and not asked:
        raise CheckpointError(f"family '{only}' imports no checkpoints; leave --family out")
    raise CheckpointError(
        f"{checkpoint.path} is of type '{kind}' (config.json), which "
        f"{'no family imports; known are' if only is None else 'is no checkpoint of'} "
        f"{', '.join(asked) or 'none'}; another package can add a family (see the documentation)"
    )


def _check_space(out: Path, imported: Imported) -> None:
    place = next(folder for folder in out.absolute().parents if os.path.isdir(folder))
    free, needed = shutil.disk_usage(place).free, imported.weights.bytes
    if free < needed:
        raise QuantVLAError(
            f"'{out}' needs {needed / _GIB:.1f} GiB and {place} has {free / _GIB:.1f} GiB free; "
            "free some space or give another place"
        )
