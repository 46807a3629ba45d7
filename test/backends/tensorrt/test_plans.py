# SPDX-License-Identifier: Apache-2.0
"""Plans built on the CPU for SM 8.6, by both builders, and what the check finds in bad ones."""

from __future__ import annotations

import importlib
import re
from functools import partial

import pytest
import torch
from support import imported_act, imported_groot_n15, tiny_pi05
from support.driverless import AMPERE, import_torch_tensorrt
from support.graph_policies import graph_policy
from support.imported_groot import imported
from support.tiny_policy import observations, save_tiny_bundle

from calib_tools.quantize.layer_records import on_disk
from calib_tools.quantize.quantization_run import Samples
from calib_tools.quantize.quantizing import quantize_bundle
from calib_tools.quantize.recipe import Recipe
from quantvla_ros import __version__
from quantvla_ros.backends.graphs import export, onnx_file
from quantvla_ros.backends.tensorrt import building
from quantvla_ros.backends.tensorrt.builders import BUILDERS, converters, torch_tensorrt
from quantvla_ros.backends.tensorrt.building import Request, build_all
from quantvla_ros.backends.tensorrt.engine_record import GRAPHS, plan_file
from quantvla_ros.bundle.storage import load_bundle, load_manifest, save_bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.quantized_linear import quantized_layers
from quantvla_ros.resources import shared_file
from studies.static_bundle import save_static_bundle

pytest.importorskip("tensorrt_rtx_bindings", reason="needs .venv-tensorrt (make test-tensorrt)")

QUIET = {"progress": lambda text, share: None, "say": lambda text: None}


def float_bundle(family, out):
    policy = graph_policy(family)
    tokenizer = policy.bundle.tokenizer.json
    return save_bundle(out, policy.bundle.manifest, on_disk(policy.network), tokenizer)


def recipe_bundle(plain, out):
    """What `quantize --target tensorrt` makes: transforms, searched ranges, no layer float."""
    seen = observations(20)
    recipe = Recipe(target="tensorrt", float_share=0.0).checked()
    samples = Samples(seen[:12], seen[12:], "0" * 64)
    quantize_bundle(plain, samples, recipe, out, False, None, lambda text, done: None)
    layers = load_manifest(out).quantization.layers
    assert any(layer.rotation for layer in layers if layer.precision == "int8")
    return out


def pi05_bundle(out):
    made = tiny_pi05.imported("pi05")
    return save_bundle(out, made.manifest, made.weights, made.tokenizer_json)


def build(bundle, folder, builder, precision="bf16", largest=None):
    if builder == "torch_tensorrt":
        import_torch_tensorrt()
    folder.mkdir(exist_ok=True)
    request = Request(bundle, folder, builder, precision, AMPERE, False, largest or {})
    return build_all(request, **QUIET)


def used(bundle):
    """Integer linears of a bundle that its graphs compute."""
    loaded = load_bundle(bundle)
    network = load_network(loaded)
    unused = find_family(loaded.manifest.family).unused(network)
    return {name for name in quantized_layers(network) if name not in unused}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plans")
    tiny, reach = save_tiny_bundle(folder / "tiny"), float_bundle("reach", folder / "reach")
    published = float_bundle("smolvla", folder / "smolvla")
    return {
        "panda": save_static_bundle(shared_file("policies/panda"), folder / "panda8"),
        "reach": save_static_bundle(reach, folder / "reach8", "llm+dit"),
        "recipe": recipe_bundle(tiny, folder / "recipe8"),
        "smolvla": save_static_bundle(published, folder / "smolvla8", "llm+dit"),
        "rotated": save_static_bundle(tiny, folder / "tiny8", "llm+dit", rotation=8),
        "float": tiny,
        "pi05": save_static_bundle(pi05_bundle(folder / "pi05"), folder / "pi05_8"),
        "groot_n17": save_static_bundle(imported("groot_raw"), folder / "groot_8"),
        "groot_n15": save_static_bundle(imported_groot_n15.imported(), folder / "groot15_8"),
        "act_policy": save_static_bundle(imported_act.imported(), folder / "act_8"),
    }


@pytest.mark.parametrize(
    ("name", "products", "builder"),
    [
        ("panda", (13, 8), "onnx"),
        ("panda", (13, 8), "torch_tensorrt"),
        ("reach", None, "onnx"),
        ("reach", None, "torch_tensorrt"),
        ("smolvla", None, "onnx"),
        ("smolvla", None, "torch_tensorrt"),
        ("rotated", None, "onnx"),
        ("recipe", None, "torch_tensorrt"),
        ("float", (0, 0), "torch_tensorrt"),
        ("pi05", None, "onnx"),
        ("pi05", None, "torch_tensorrt"),
        ("groot_n17", (16, 16), "onnx"),
        ("groot_n17", (16, 16), "torch_tensorrt"),
        ("groot_n15", None, "onnx"),
        ("groot_n15", None, "torch_tensorrt"),
        ("act_policy", (22, 0), "onnx"),
        ("act_policy", (22, 0), "torch_tensorrt"),
    ],
)
def test_the_products_hold_exactly_the_used_integer_linears(
    bundles, tmp_path, name, products, builder
):
    record = build(bundles[name], tmp_path, builder)
    held = [linear for graph in GRAPHS for linear in record.plans[graph].int8_linears]
    assert set(held) == used(bundles[name])
    assert len(held) == len(set(held))
    if products is not None:
        assert tuple(record.plans[graph].int8_products for graph in GRAPHS) == products
    if name == "panda":
        assert len(held) == 35
    for graph in GRAPHS:
        assert plan_file(tmp_path, graph).stat().st_size == record.plans[graph].plan_bytes
    assert record.builder.name == builder
    assert set(record.precision.values()) == {"bf16"}


@pytest.mark.parametrize("builder", ["onnx", "torch_tensorrt"])
def test_a_large_rotation_runs_as_two_products(bundles, tmp_path, builder, monkeypatch):
    monkeypatch.setattr("quantvla_ros.quantization.transforms.hadamard.WHOLE", 4)
    record = build(bundles["rotated"], tmp_path, builder)
    held = [linear for graph in GRAPHS for linear in record.plans[graph].int8_linears]
    assert set(held) == used(bundles["rotated"])


def test_a_float_control_is_fp16_where_its_measured_numbers_fit(bundles, tmp_path):
    largest = {"vision": 40.0, "language": 120.0, "expert": 9e3}
    record = build(bundles["float"], tmp_path, "onnx", "auto", largest)
    assert record.precision == {"vision": "fp16", "language": "fp16", "expert": "bf16"}
    assert record.package == __version__


def fails(bundle, folder, builder, lost):
    """The build must fail and name a linear of those that were lost."""
    words = r"left \d+ of \d+ INT8 linears of '(context|step)'"
    with pytest.raises(BackendError, match=words) as failure:
        build(bundle, folder, builder)
    assert re.search("|".join(map(re.escape, lost)), str(failure.value))
    assert not list(folder.iterdir())


def test_without_the_folding_guard_the_build_fails(bundles, tmp_path, monkeypatch):
    import_torch_tensorrt()
    converters.add_converters()
    folding = importlib.import_module("torch_tensorrt.dynamo.lowering.passes.constant_folding")
    folder = folding._TorchTensorRTConstantFolder
    monkeypatch.setattr(folder, "is_impure", lambda self, node: False)
    fails(bundles["rotated"], tmp_path, "torch_tensorrt", used(bundles["rotated"]))


def test_weights_that_are_folded_on_the_way_fail_the_build(bundles, tmp_path, monkeypatch):
    write = onnx_file.write_onnx

    def write_folded(program, path):
        write(program, path)
        fold_weights(path)

    monkeypatch.setattr(onnx_file, "write_onnx", write_folded)
    fails(bundles["rotated"], tmp_path, "onnx", used(bundles["rotated"]))


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_dropped_quantizer_fails_the_build(bundles, tmp_path, monkeypatch, builder):
    write = partial(drop_first_quantizer, export.export_graphs)
    monkeypatch.setattr(export, "export_graphs", write)
    fails(bundles["rotated"], tmp_path, builder, used(bundles["rotated"]))


def test_weights_in_a_second_file_come_into_the_plan(bundles, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "ONE_FILE", 1000)
    record = build(bundles["rotated"], tmp_path, "onnx")
    held = [linear for plan in record.plans.values() for linear in plan.int8_linears]
    assert set(held) == used(bundles["rotated"])


def test_a_plan_bears_the_names_that_the_runtime_looks_for(bundles, tmp_path, monkeypatch):
    """Torch-TensorRT has names of its own for what a graph puts out."""
    import_torch_tensorrt()
    monkeypatch.setattr(torch_tensorrt, "output_names", lambda program: [])
    with pytest.raises(BackendError, match=r"'context' has other tensors .*output 'key_0' is miss"):
        build(bundles["float"], tmp_path, "torch_tensorrt")
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_in_no_graph_is_named(bundles, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "integer_linears_of", lambda program, names: [])
    with pytest.raises(BackendError, match=r"hold no integers of .* linears that the bundle has"):
        build(bundles["rotated"], tmp_path, "onnx")


def drop_first_quantizer(export_graphs, *arguments):
    """Export, and let the first activation that is to be quantized pass as it is."""
    programs = export_graphs(*arguments)
    graph = programs["context"].graph
    node = next(n for n in graph.nodes if n.target == torch.ops.quantvla.fake_int8.default)
    node.replace_all_uses_with(node.args[0])
    graph.erase_node(node)
    return programs


def fold_weights(path):
    """Put dequantized weights in the place of integers, as a helpful optimizer does."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    held = {one.name: one for one in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0] in held:
            codes, scale = (numpy_helper.to_array(held[name]) for name in node.input[:2])
            weight = (codes.astype(np.float32).T * scale.reshape(-1)).T
            model.graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
            model.graph.node.remove(node)
    onnx.save(model, str(path))
