# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest
from support.example_bundle import example_manifest

from quantvla_ros.bundle.manifest_file import MANIFEST, read_manifest, seal, write_manifest
from quantvla_ros.errors import BundleError


@pytest.fixture
def directory(tmp_path):
    write_manifest(tmp_path, example_manifest())
    return tmp_path


def rewrite(directory, old, new):
    """Change the text and seal it again, as a tool with a fault would write it."""
    body = (directory / MANIFEST).read_bytes().rpartition(b"# sha256")[0]
    assert old in body
    (directory / MANIFEST).write_bytes(seal(body.replace(old, new)))


def test_a_manifest_is_read_as_it_was_written(directory):
    assert read_manifest(directory) == example_manifest()


@pytest.mark.parametrize("version", [b"1", b"0", b"'1.1'"])
def test_an_unknown_schema_is_named_together_with_the_known_ones(directory, version):
    rewrite(directory, b"schema_version: 2", b"schema_version: " + version)
    text = re.escape(f"schema_version {version.decode()} and this package knows 2;")
    with pytest.raises(BundleError, match=text):
        read_manifest(directory)


def test_an_unknown_schema_is_named_whatever_its_seal(directory):
    path = directory / MANIFEST
    path.write_text(path.read_text().replace("schema_version: 2", "schema_version: 7"))
    with pytest.raises(BundleError, match="schema_version 7"):
        read_manifest(directory)


def test_a_value_that_is_not_allowed_is_named_by_its_place(directory):
    rewrite(directory, b"denoise_steps: 5", b"denoise_steps: 0")
    with pytest.raises(BundleError, match="not valid at denoise_steps"):
        read_manifest(directory)


def test_a_hand_edit_is_refused(directory):
    path = directory / MANIFEST
    path.write_text(path.read_text().replace("denoise_steps: 5", "denoise_steps: 6"))
    with pytest.raises(BundleError, match=r"bundle\.yaml was changed"):
        read_manifest(directory)


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(BundleError, match=r"bundle\.yaml cannot be read"):
        read_manifest(tmp_path / "nothing")
    (tmp_path / MANIFEST).write_text("hello: world\n")
    with pytest.raises(BundleError, match=r"bundle\.yaml"):
        read_manifest(tmp_path)
