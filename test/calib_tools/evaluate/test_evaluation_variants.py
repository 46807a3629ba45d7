# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from calib_tools.common.resources import shared_file
from calib_tools.evaluate.rounding import fake_quantize, parse_rounding, round_to_nearest
from calib_tools.evaluate.variants import load_variant, parse_variants
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.models.mini_pi05.roles import layer_roles
from quantvla_ros.quantization.layouts import select_layers

PANDA = shared_file("policies/panda")


def test_rounding_puts_each_row_on_its_own_symmetric_grid():
    weight = torch.tensor([[0.7, -0.34, 0.04, 0.0], [7.0, 1.4, -7.0, 0.6], [0.0, 0.0, 0.0, 0.0]])
    rounded = round_to_nearest(weight, 4)
    expected = [[0.7, -0.3, 0.0, 0.0], [7.0, 1.0, -7.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    assert torch.allclose(rounded, torch.tensor(expected))
    generator = torch.Generator().manual_seed(0)
    wild = torch.randn(5, 300, generator=generator)
    step = wild.abs().amax(dim=1, keepdim=True) / 7
    assert ((round_to_nearest(wild, 4) - wild).abs() <= step / 2 + 1e-6).all()
    assert all(len(row.unique()) <= 15 for row in round_to_nearest(wild, 4))


@pytest.mark.parametrize("layout", ["all", "llm+dit_mlp"])
def test_exactly_the_layers_of_the_layout_are_rounded(layout):
    from support.tiny_policy import tiny_network

    network, before = tiny_network(), tiny_network().state_dict()
    names = fake_quantize(network, 4, layout)
    roles = layer_roles(network)
    assert names == (list(roles) if layout == "all" else select_layers(roles, layout))
    linears = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    assert (set(names) == set(linears)) == (layout == "all")
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {f"{name}.weight" for name in names}


@pytest.mark.parametrize("name", ["rtn9-all", "rtn4", "rtn4-none", "rtn4-everything", "gptq4-all"])
def test_an_unknown_rounding_is_refused(name):
    with pytest.raises(QuantVLAError, match="Unknown rounding"):
        parse_rounding(name)
    with pytest.raises(QuantVLAError, match="Unknown rounding"):
        parse_variants([f"{PANDA}@{name}"])


def test_variants_are_named_by_their_bundles(tmp_path):
    float_, rounded = parse_variants([str(PANDA), f"{PANDA}@rtn4-llm+dit_mlp"])
    assert (float_.label, rounded.label) == ("panda", "panda@rtn4-llm+dit_mlp")
    assert float_.sha256 == rounded.sha256


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
    off, on, both = parse_variants([str(PANDA), f"{PANDA}@rtc", f"{PANDA}@rtn4-all@rtc"])
    assert [v.label for v in (off, on, both)] == ["panda", "panda@rtc", "panda@rtn4-all@rtc"]
    assert [(v.rounding, v.continues) for v in (off, on, both)] == [
        ("", False),
        ("", True),
        ("rtn4-all", True),
    ]
    odd = shutil.copytree(PANDA, tmp_path / "policy@rtc")
    (named,) = parse_variants([str(odd)])
    assert (named.bundle, named.continues) == (odd, False)


def test_bundles_that_cannot_be_evaluated_are_refused(tmp_path, tiny_bundle):
    with pytest.raises(QuantVLAError, match="at least one bundle"):
        parse_variants([])
    with pytest.raises(QuantVLAError, match="'panda' is given twice"):
        parse_variants([str(PANDA), str(PANDA)])
    with pytest.raises(BundleError, match="give the directory of a bundle"):
        parse_variants([str(tmp_path / "nothing")])
    with pytest.raises(BundleError, match="joint 'shoulder', which is unknown there"):
        parse_variants([str(tiny_bundle)])


def test_cameras_that_the_robot_does_not_have_are_named(tmp_path, tiny_bundle):
    from calib_tools.evaluate.variants import check_fits_robot
    from quantvla_ros.bundle.schema import CameraSpec
    from quantvla_ros.bundle.storage import load_manifest

    manifest = load_manifest(PANDA)

    def with_cameras(*cameras):
        found = [CameraSpec(name=n, encoding="rgb8", height=h, width=w) for n, h, w in cameras]
        return manifest.model_copy(
            update={"interface": manifest.interface.model_copy(update={"cameras": found})}
        )

    check_fits_robot(manifest, PANDA)
    with pytest.raises(BundleError, match="wants a camera 'ceiling'"):
        check_fits_robot(with_cameras(("front", 96, 96), ("ceiling", 96, 96)), PANDA)
    with pytest.raises(BundleError, match="several shapes"):
        check_fits_robot(with_cameras(("front", 96, 96), ("wrist", 64, 64)), PANDA)


def test_a_variant_is_loaded_with_its_rounding_and_its_steps(tmp_path):
    from quantvla_ros.bundle.storage import load_bundle

    variant = parse_variants([f"{PANDA}@rtn4-all"])[0]
    policy = load_variant(variant, 2, compiled=False)
    assert policy.manifest.denoise_steps == 2
    name, _ = next(iter(layer_roles(policy.network).items()))
    original = load_bundle(PANDA).tensors[f"{name}.weight"]
    weight = policy.network.get_submodule(name).weight
    assert torch.equal(weight, round_to_nearest(original, 4))


def test_a_bundle_that_changes_on_the_way_is_noticed(tmp_path):
    import dataclasses

    variant = dataclasses.replace(parse_variants([str(PANDA)])[0], sha256="0" * 64)
    with pytest.raises(BundleError, match="was changed since the evaluation began"):
        load_variant(variant, None, compiled=False)
