# SPDX-License-Identifier: Apache-2.0
"""`bundle.yaml`: YAML whose last line is a comment with the hash of all lines before it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from quantvla_ros.bundle.schema import KNOWN_SCHEMA_VERSIONS, BundleManifest
from quantvla_ros.errors import BundleError
from quantvla_ros.validation import first_problem
from quantvla_ros.whole_file import write_file

MANIFEST = "bundle.yaml"
_SEAL = b"# sha256 of all lines above: "
_VERSION = re.compile(rb"^schema_version:[ \t]*(\S+)", re.MULTILINE)


def seal(body: bytes) -> bytes:
    """Append the line with the hash of `body`, which ends with a newline."""
    return body + _SEAL + hashlib.sha256(body).hexdigest().encode() + b"\n"


def write_manifest(directory: Path, manifest: BundleManifest) -> None:
    """Write `bundle.yaml` into a bundle directory, whole or not at all."""
    text = yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_file(directory / MANIFEST, seal(text.encode()))


def read_manifest(directory: Path) -> BundleManifest:
    """Read and check `bundle.yaml`.

    Raises:
        BundleError: missing, of an unknown schema, changed since it was written, or not valid.
    """
    path = directory / MANIFEST
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror}); give the directory of a bundle"
        ) from error
    # Before the hash: another schema may be sealed in another way.
    found = _VERSION.search(sealed)
    version = found.group(1).decode("utf-8", "replace") if found else ""
    if found and version not in map(str, KNOWN_SCHEMA_VERSIONS):
        raise BundleError(
            f"{path} has schema_version {version} and this package knows "
            f"{', '.join(str(known) for known in KNOWN_SCHEMA_VERSIONS)}; "
            "use the package that wrote it or make the bundle again"
        )
    body = sealed[: max(0, sealed.rfind(_SEAL))]
    if seal(body) != sealed:
        raise BundleError(
            f"{path} was changed after it was written (its sha256 differs); "
            "copy or make the bundle again"
        )
    try:
        content = yaml.safe_load(body)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # sealed by a foreign hand
        raise BundleError(f"{path} is no valid YAML; make the bundle again") from error
    try:
        return BundleManifest.model_validate(content)
    except ValidationError as error:
        raise BundleError(
            f"{path} is not valid at {first_problem(error)}; make the bundle again"
        ) from error
