# SPDX-License-Identifier: Apache-2.0
"""`engine.json`: refuses what it does not know, and engines of another bundle or machine."""

from __future__ import annotations

import json

import pytest
from support.engines import ORIN, write_engines
from support.gate_records import gate_record
from support.tiny_policy import save_tiny_bundle

from quantvla_ros.backends.tensorrt.engine_record import RECORD, bundle_identity, fitting_record
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BackendError


@pytest.fixture
def bundle(tmp_path):
    return save_tiny_bundle(tmp_path / "float")


def fitting(bundle, folder, machine=ORIN):
    return fitting_record(bundle, folder, load_manifest(bundle), machine)


def test_engines_of_this_bundle_and_machine_fit_also_after_another_judgement(bundle):
    folder = write_engines(bundle)
    assert fitting(bundle, folder).plans["step"].int8_products == 1
    manifest = load_manifest(bundle)
    write_manifest(bundle, manifest.model_copy(update={"gate": gate_record()}))
    assert fitting(bundle, folder).bundle == bundle_identity(manifest)


def test_a_machine_without_engines_is_told_who_has_some_and_what_to_do(bundle):
    folder = write_engines(bundle)
    other = folder.with_name("tensorrt-other")
    newer = ORIN.model_copy(update={"tensorrt": "10.16.1"})
    words = (
        r"no engines for TensorRT 10\.16\.1, Orin \(SM 8\.7\), L4T 36\.4\.3, only for "
        r"TensorRT 10\.3\.0, .*; run `quantvla build .*float`"
    )
    with pytest.raises(BackendError, match=words):
        fitting(bundle, other, newer)
    with pytest.raises(BackendError, match=r"built for TensorRT 10\.3\.0, .*this is .*10\.16\.1"):
        fitting(bundle, folder, newer)


def test_engines_of_another_bundle_or_with_a_plan_missing_are_refused(bundle, tmp_path):
    folder = write_engines(bundle)
    another = save_tiny_bundle(tmp_path / "another", seed=1)
    with pytest.raises(BackendError, match="built of another bundle; run `quantvla build"):
        fitting(another, folder)
    (folder / "step.plan").unlink()
    with pytest.raises(BackendError, match="not complete; run `quantvla build"):
        fitting(bundle, folder)


def test_a_record_with_an_unknown_key_is_refused(bundle):
    folder = write_engines(bundle)
    content = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({**content, "speed": 3}))
    with pytest.raises(BackendError, match=r"engine\.json' is not valid at speed: Extra inputs"):
        fitting(bundle, folder)
