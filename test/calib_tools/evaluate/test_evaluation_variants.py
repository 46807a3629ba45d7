# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from calib_tools.evaluate.variants import load_variant, parse_variants
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.resources import shared_file

PANDA = shared_file("policies/panda")


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        (("old/policy", "new/policy"), ["old/policy", "new/policy"]),
        (("a/out/int8", "b/out/int8"), ["a/out/int8", "b/out/int8"]),
        (("a/out/int8", "b/out/w4"), ["int8", "w4"]),
    ],
)
def test_bundles_of_one_name_are_told_apart_by_their_directories(tmp_path, places, labels):
    for place in places:
        shutil.copytree(PANDA, tmp_path / place)
    found = parse_variants([str(tmp_path / place) for place in places])
    assert [variant.label for variant in found] == labels


def test_real_time_chunking_is_a_variant_of_a_bundle(tmp_path):
    off, on = parse_variants([str(PANDA), f"{PANDA}@rtc"])
    assert [v.label for v in (off, on)] == ["panda", "panda@rtc"]
    assert [v.continues for v in (off, on)] == [False, True]
    odd = shutil.copytree(PANDA, tmp_path / "policy@rtc")
    (named,) = parse_variants([str(odd)])
    assert (named.bundle, named.continues) == (odd, False)


def test_a_backend_is_a_variant_of_a_bundle_or_of_all(tmp_path):
    found = parse_variants([str(PANDA), f"{PANDA}@reference", f"{PANDA}@reference@rtc"])
    assert [v.label for v in found] == ["panda", "panda@reference", "panda@reference@rtc"]
    assert [v.backend for v in found] == [None, "reference", "reference"]
    both = parse_variants([str(PANDA), f"{PANDA}@rtc"], backend="reference")
    assert [v.label for v in both] == ["panda", "panda@rtc"]
    assert {v.backend for v in both} == {"reference"}
    assert load_variant(both[0], None).kernel == "float32"


def test_bundles_that_cannot_be_evaluated_are_refused(tmp_path, tiny_bundle):
    with pytest.raises(QuantVLAError, match="at least one bundle"):
        parse_variants([])
    with pytest.raises(QuantVLAError, match="'panda' is given twice"):
        parse_variants([str(PANDA), str(PANDA)])
    with pytest.raises(BundleError, match="give the directory of a bundle"):
        parse_variants([str(tmp_path / "nothing")])
    with pytest.raises(QuantVLAError, match="Unknown way '@rtn4-all'"):
        parse_variants([f"{PANDA}@rtn4-all"])
    with pytest.raises(BundleError, match="joint 'shoulder', which is unknown there"):
        parse_variants([str(tiny_bundle)])


def test_cameras_that_the_robot_does_not_have_are_named(tmp_path, tiny_bundle):
    from calib_tools.evaluate.variants import check_fits_robot
    from quantvla_ros.bundle.storage import load_manifest
    from quantvla_ros.robot.interface import CameraSlot

    manifest = load_manifest(PANDA)

    def with_cameras(*cameras):
        found = [CameraSlot(name=n, height=h, width=w) for n, h, w in cameras]
        return manifest.model_copy(
            update={"interface": replace(manifest.interface, cameras=tuple(found))}
        )

    check_fits_robot(manifest, PANDA)
    with pytest.raises(BundleError, match="wants a camera 'ceiling'"):
        check_fits_robot(with_cameras(("front", 96, 96), ("ceiling", 96, 96)), PANDA)
    with pytest.raises(BundleError, match="several shapes"):
        check_fits_robot(with_cameras(("front", 96, 96), ("wrist", 64, 64)), PANDA)


def test_a_bundle_that_changes_on_the_way_is_noticed(tmp_path):
    import dataclasses

    variant = dataclasses.replace(parse_variants([str(PANDA)])[0], sha256="0" * 64)
    with pytest.raises(BundleError, match="was changed since the evaluation began"):
        load_variant(variant, None)
