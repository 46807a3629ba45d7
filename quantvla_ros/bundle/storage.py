# SPDX-License-Identifier: Apache-2.0
"""Bundles on disk: `bundle.yaml`, `weights.safetensors`, `tokenizer.json`."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.bundle.directory import prepare_output, written_directory
from quantvla_ros.bundle.manifest_file import MANIFEST, read_manifest, write_manifest
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import BundleError

if TYPE_CHECKING:
    import torch

__all__ = [
    "Bundle",
    "bundle_hash",
    "check_tensors",
    "load_bundle",
    "load_manifest",
    "load_tokenizer",
    "prepare_output",
    "save_bundle",
    "tensor_header",
]

WEIGHTS, TOKENIZER = "weights.safetensors", "tokenizer.json"
FILES = (WEIGHTS, TOKENIZER)


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle; 16-bit floats are already 32-bit, integers are as on disk."""

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
        BundleError: the file is missing, changed, of an unknown schema or not valid.
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
    return manifest


def load_bundle(path: Path) -> Bundle:
    """Load a bundle whole.

    Raises:
        BundleError: a file is missing or changed, the schema is unknown, or a tensor is not finite.
    """
    path = Path(path)
    manifest = load_manifest(path, check_files=True)
    return Bundle(path, manifest, _load_tensors(path / WEIGHTS), load_tokenizer(path, manifest))


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
    return Tokenizer(text, manifest.tokenizer.max_length)


def save_bundle(
    path: Path,
    manifest: BundleManifest,
    tensors: Mapping[str, torch.Tensor],
    tokenizer_json: str,
    force: bool = False,
    beside: Mapping[str, str] | None = None,
) -> Path:
    """Write a bundle; it appears whole or not at all.

    Args:
        path: directory to write.
        manifest: its `files` are computed here, whatever it holds.
        tensors: written with their own dtypes.
        tokenizer_json: text of `tokenizer.json`.
        force: replace `path` when it exists.
        beside: text by name of files that lie in the directory and are no part of the bundle.

    Raises:
        OutputExistsError: `path` exists and `force` is not given.
        BundleError: a tensor is not finite.
    """
    from safetensors.torch import save_file

    path = Path(path)
    for name, tensor in tensors.items():
        _check_finite(path, name, tensor)
    with written_directory(path, force) as fresh:
        save_file(_apart(tensors), fresh / WEIGHTS)
        (fresh / WEIGHTS).chmod(0o644)  # safetensors lets only the owner read
        for name, text in {TOKENIZER: tokenizer_json, **(beside or {})}.items():
            (fresh / name).write_bytes(text.encode())
        files = {name: file_hash(fresh / name) for name in FILES}
        write_manifest(fresh, manifest.model_copy(update={"files": files}))
    return path


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as safetensors takes them: none shares memory; copied only where one does."""
    import torch

    taken: set[int] = set()
    out = {}
    for name, tensor in tensors.items():
        own = tensor.detach().cpu()
        storage = own.untyped_storage()
        alone = storage.nbytes() == own.nbytes and own.is_contiguous()
        if not alone or storage.data_ptr() in taken:
            own = own.clone(memory_format=torch.contiguous_format)
        taken.add(own.untyped_storage().data_ptr())
        out[name] = own
    return out


def bundle_hash(path: Path) -> str:
    """The sha256 of `bundle.yaml`, which holds those of all other files.

    Raises:
        BundleError: there is no bundle at `path`.
    """
    return file_hash(Path(path) / MANIFEST)


def tensor_header(path: Path) -> dict[str, dict[str, Any]]:
    """Type, shape and offsets of each tensor of a bundle, by name; its weights stay on disk."""
    with (path / WEIGHTS).open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header: dict[str, dict[str, Any]] = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header


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


def check_tensors(
    tensors: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Compare the bundle's tensors with those that its network has.

    Args:
        tensors: of the bundle.
        expected: shape by name.

    Raises:
        BundleError: one is missing, too many, or of another shape; its name is in the text.
    """
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise BundleError(
            f"{WEIGHTS} lacks tensor '{missing[0]}' ({len(missing)} missing in all); "
            "make the bundle again"
        )
    extra = sorted(set(tensors) - set(expected))
    if extra:
        raise BundleError(
            f"{WEIGHTS} holds tensor '{extra[0]}', which the network does not have "
            f"({len(extra)} too many in all); make the bundle again"
        )
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != tuple(shape):
            raise BundleError(
                f"tensor '{name}' of {WEIGHTS} has shape {tuple(tensors[name].shape)}, the "
                f"network expects {tuple(shape)}; make the bundle again"
            )


def _check_hash(path: Path, expected: str) -> None:
    if file_hash(path) != expected:
        raise BundleError(
            f"{path} is not the file that the bundle was written with (its sha256 differs); "
            "copy or make the bundle again"
        )


def _check_finite(where: Path, name: str, tensor: torch.Tensor) -> None:
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise BundleError(
            f"tensor '{name}' of {where} holds NaN or infinity; make the bundle again"
        )


def _load_tensors(path: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError, safe_open

    tensors = {}
    try:
        with safe_open(path, "pt") as stored:
            names = list(stored.keys())
        for name in names:
            # The library maps the file into memory; opened anew for each tensor, the whole of it
            # is never held beside the tensors.
            with safe_open(path, "pt") as stored:
                tensor = stored.get_tensor(name)
            wide = tensor.dtype in (torch.float16, torch.bfloat16)
            tensors[name] = tensor.float() if wide else tensor.clone()
            _check_finite(path, name, tensors[name])
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} cannot be read ({error}); make the bundle again") from error
    return tensors
