# SPDX-License-Identifier: Apache-2.0
"""The ONNX files, computed by onnxruntime; runs in the environment of `make test-tensorrt`."""

from collections import Counter
from importlib.util import find_spec

import pytest
import torch
from support.graph_policies import FAMILIES, graph_policy, lowered
from torch import nn

pytest.importorskip("onnxruntime", reason="of the environment of `make test-tensorrt`")
pytest.importorskip("onnxscript", reason="of the environment of `make test-tensorrt`")
if find_spec("tensorrt_rtx_libs") is None:
    pytest.skip("runs in the environment of `make test-tensorrt`", allow_module_level=True)

import onnx

from calib_tools.bench.onnx_runtime import half, session
from quantvla_ros.backends.graphs import onnx_file
from quantvla_ros.backends.graphs.onnx_file import OPSET, write_onnx
from quantvla_ros.backends.graphs.qdq import QdqLinear
from quantvla_ros.backends.graphs.runner import GraphRunner
from quantvla_ros.bundle.storage import load_bundle
from quantvla_ros.models.families import find_family
from quantvla_ros.models.graphs import VELOCITY
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.quantized_linear import quantized_layers
from quantvla_ros.resources import shared_file
from studies.static_bundle import save_static_bundle


def played(path):
    """A file as it is written, without what onnxruntime could fuse."""
    return half(session(path, optimized=False))


class Alone(nn.Module):
    """Every layer on its own input, in one graph."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(QdqLinear(layer) for layer in layers)

    def forward(self, *inputs):
        named = enumerate(zip(self.layers, inputs, strict=True))
        return {f"out_{i}": layer(x) for i, (layer, x) in named}


def inputs_on_the_grid(layer):
    """Inputs between two ties of the grid, where no arithmetic rounds to the other side."""
    codes = torch.randint(-127, 128, (16, layer.columns)).float()
    off = (torch.rand(16, layer.columns) - 0.5) * 0.9
    return (codes + off).clamp(-127, 127) * layer.activation_scale


def layers_of(name, folder):
    """The integer layers of a small policy of a family, or those that the bundled one uses."""
    if name in FAMILIES:
        policy = graph_policy(name)
        policy.quantize()
        return list(quantized_layers(policy.network).values())
    bundle = load_bundle(save_static_bundle(shared_file("policies/panda"), folder / "int8"))
    network = load_network(bundle)
    unused = find_family(bundle.manifest.family).unused(network)
    found = [layer for one, layer in quantized_layers(network).items() if one not in unused]
    assert len(found) == 35
    return found


@pytest.mark.parametrize("policy", [*FAMILIES, "panda"])
def test_each_integer_layer_alone_is_the_reference(policy, tmp_path):
    layers = layers_of(policy, tmp_path)
    inputs = tuple(inputs_on_the_grid(layer) for layer in layers)
    program = torch.export.export(Alone(layers), inputs, strict=False)
    write_onnx(program, tmp_path / "layers.onnx")
    names = program.graph_signature.user_inputs
    found = played(tmp_path / "layers.onnx")(dict(zip(names, inputs, strict=True)))
    for layer, x, got in zip(layers, inputs, found.values(), strict=True):
        expected = layer(x)
        assert (got - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.fixture(scope="module", params=FAMILIES)
def files(request, tmp_path_factory):
    """The files of a quantized policy in float16, beside the policy and its float twin."""
    policy, twin = graph_policy(request.param), graph_policy(request.param)
    policy.quantize()
    graphs, programs = lowered(policy, torch.float16)
    folder = tmp_path_factory.mktemp("onnx")
    paths = [folder / f"{name}.onnx" for name in programs]
    for path, program in zip(paths, programs.values(), strict=True):
        write_onnx(program, path)
    return policy, twin, graphs, programs, paths


def test_files_have_the_opset_the_names_and_the_quantizers(files):
    _, _, graphs, programs, paths = files
    for (name, program), path in zip(programs.items(), paths, strict=True):
        model = onnx.load(path)
        assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
        graph = getattr(graphs, name)
        assert tuple(one.name for one in model.graph.input) == graph.inputs
        assert tuple(one.name for one in model.graph.output) == graph.outputs
        found = Counter(node.op_type for node in model.graph.node)
        ours = Counter(str(node.target) for node in program.graph.nodes)
        q, dq = ours["quantvla.fake_int8.default"], ours["quantvla.int8_weight.default"]
        assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (q, q + dq)
        scales = {one.name: one.dims for one in model.graph.initializer}
        nodes = [n for n in model.graph.node if n.op_type == "DequantizeLinear"]
        weights = [n for n in nodes if n.input[0] in scales]
        assert len(weights) == dq and all(len(scales[n.input[1]]) == 1 for n in weights)
        assert all(onnx.helper.get_node_attr_value(n, "axis") == 0 for n in weights)
    assert not list(paths[0].parent.glob(".*"))


def test_chunks_are_as_close_to_float_as_the_references(files):
    policy, twin, graphs, _, paths = files
    exact, reference = twin.chunks(), policy.chunks()
    halves = map(played, paths)
    chunks = policy.chunks(GraphRunner(policy.network, graphs, *halves, "onnxruntime Q/DQ"))
    error = (chunks - exact).abs().mean()
    assert error <= 1.3 * (reference - exact).abs().mean() and error > 0


def test_the_float_control_has_no_quantizer(tmp_path):
    policy = graph_policy("reach")
    programs = lowered(policy, torch.bfloat16)[1]
    write_onnx(programs["step"], tmp_path / "step.onnx")
    model = onnx.load(tmp_path / "step.onnx")
    assert not [node for node in model.graph.node if "Quantize" in node.op_type]
    assert model.graph.output[0].name == VELOCITY


def test_weights_too_large_for_one_file_lie_beside_it(tmp_path, monkeypatch):
    policy = graph_policy("reach")
    policy.quantize()
    program = lowered(policy, torch.float32)[1]["step"]
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    write_onnx(program, one)
    monkeypatch.setattr(onnx_file, "ONE_FILE", 1000)
    write_onnx(program, two)
    assert {path.name for path in tmp_path.iterdir()} == {"one.onnx", "two.onnx", "two.onnx.data"}
    assert two.stat().st_size < one.stat().st_size
    inputs = dict(zip(program.graph_signature.user_inputs, program.example_inputs[0], strict=True))
    first, second = (played(path)(inputs)[VELOCITY] for path in (one, two))
    assert torch.equal(first, second)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    policy = graph_policy("reach")
    programs = lowered(policy, torch.float32)[1]

    def fail(*args, **kwargs):
        raise onnx.checker.ValidationError("damaged")

    monkeypatch.setattr(onnx.checker, "check_model", fail)
    with pytest.raises(onnx.checker.ValidationError):
        write_onnx(programs["step"], tmp_path / "step.onnx")
    assert not list(tmp_path.iterdir())
