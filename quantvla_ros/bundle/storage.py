# SPDX-License-Identifier: Apache-2.0
"""Bundles on disk: `bundle.yaml`, `weights.safetensors`, `tokenizer.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.bundle.directory import prepare_output, written_directory
from quantvla_ros.bundle.manifest_file import MANIFEST, read_manifest, write_manifest
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tensor_writing import Said, write_tensors
from quantvla_ros.bundle.tensors import WEIGHTS, check_types, read_tensors
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import BundleError

if TYPE_CHECKING:
    import torch

__all__ = [
    "WEIGHTS",
    "Bundle",
    "bundle_hash",
    "load_bundle",
    "load_manifest",
    "load_tokenizer",
    "prepare_output",
    "save_bundle",
]

TOKENIZER = "tokenizer.json"
FILES = (WEIGHTS, TOKENIZER)


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; its tensors are mapped from the file, in the file's dtypes."""

    path: Path
    manifest: BundleManifest
    tensors: dict[str, torch.Tensor]
    tokenizer: Tokenizer


def load_manifest(path: Path, check_files: bool = False) -> BundleManifest:
    """Read `bundle.yaml` without loading weights; imports no torch.

    Args:
        path: the bundle's directory.
        check_files: also compare the hashes of all other files, which reads them whole.

    Raises:
        BundleError: the file is missing, changed, of an unknown schema or not valid; with
            `check_files` also: another file is, or a tensor is of a type that no bundle holds.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if set(manifest.files) != set(FILES):
        raise BundleError(
            f"{path / MANIFEST} lists the files {sorted(manifest.files)}, "
            f"expected {sorted(FILES)}; make the bundle again"
        )
    if check_files:
        for name, expected in manifest.files.items():
            _check_hash(path / name, expected)
        check_types(path)
    return manifest


def load_bundle(path: Path) -> Bundle:
    """Load a bundle whole.

    Raises:
        BundleError: a file is missing or changed, the schema is unknown, or a tensor is not finite.
    """
    path = Path(path)
    manifest = load_manifest(path, check_files=True)
    return Bundle(path, manifest, read_tensors(path), load_tokenizer(path, manifest))


def load_tokenizer(path: Path, manifest: BundleManifest) -> Tokenizer:
    """Read the tokenizer of the bundle at `path`, which the manifest is of; imports no torch.

    Raises:
        BundleError: the file is missing, changed, or no tokenizer.
    """
    file = Path(path) / TOKENIZER
    _check_hash(file, manifest.files[TOKENIZER])
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{file} is no text; make the bundle again") from error
    spec = manifest.tokenizer
    return Tokenizer(text, spec.max_length, spec.pad, spec.room, spec.reads)


def save_bundle(
    path: Path,
    manifest: BundleManifest,
    tensors: Mapping[str, torch.Tensor],
    tokenizer_json: str,
    force: bool = False,
    beside: Mapping[str, str] | None = None,
    said: Said = lambda count: None,
) -> Path:
    """Write a bundle; it appears whole or not at all.

    Args:
        path: directory to write.
        manifest: its `files` are computed here, whatever it holds.
        tensors: written with their own dtypes; each may be made when it is asked for.
        tokenizer_json: text of `tokenizer.json`.
        force: replace `path` when it exists.
        beside: text by name of files that lie in the directory and are no part of the bundle.
        said: progress of the tensors, see `write_tensors`.

    Raises:
        OutputExistsError: `path` exists and `force` is not given.
        BundleError: a tensor is not finite, or of a type that no bundle holds.
    """
    path = Path(path)
    with written_directory(path, force) as fresh:
        write_tensors(fresh, tensors, said, path)
        for name, text in {TOKENIZER: tokenizer_json, **(beside or {})}.items():
            (fresh / name).write_bytes(text.encode())
        files = {name: file_hash(fresh / name) for name in FILES}
        write_manifest(fresh, manifest.model_copy(update={"files": files}))
    return path


def bundle_hash(path: Path) -> str:
    """The sha256 of `bundle.yaml`, which holds those of all other files.

    Raises:
        BundleError: there is no bundle at `path`.
    """
    return file_hash(Path(path) / MANIFEST)


def file_hash(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        BundleError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror}); copy the whole bundle again"
        ) from error
    return digest.hexdigest()


def _check_hash(path: Path, expected: str) -> None:
    if file_hash(path) != expected:
        raise BundleError(
            f"{path} is not the file that the bundle was written with (its sha256 differs); "
            "copy or make the bundle again"
        )
