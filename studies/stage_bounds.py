# SPDX-License-Identifier: Apache-2.0
"""What the gate's bounds for stages of engines let through: the sound graphs, and planted faults.

Needs the environment of `.ci/make_tensorrt_check`. onnxruntime computes the graphs that engines are
built of, as in `studies.qdq_on_cpu`; a fault is planted into the network that engines would be of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from calib_tools.common.progress import Report
from calib_tools.common.tables import markdown_grid
from studies.study import run_study, study_parser

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

    from quantvla_ros.backends.base import RunningPolicy
    from quantvla_ros.backends.graphs.runner import Half
    from quantvla_ros.backends.policy import Policy
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.robot.observation import Observation

KIND, RECORD = "studies.stage_bounds", "stage-bounds.json"

_TEXT = """\
Hold both stages of a quantized policy against the reference as `quantvla gate` does with engines:
computed by onnxruntime from the engines' own graphs, then with one fault planted at a time.
"""
_EXAMPLE = """\
example: .venv-tensorrt/bin/python -m studies.stage_bounds int8 policies/panda buffer \\
    --out docs/records/stage-bounds.json
"""
SOUND = "as it is, rest in float16, by onnxruntime"
COARSE = "as it is, rest in bfloat16, by PyTorch"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("quantized", type=Path, help="bundle of quantize --target tensorrt")
    parser.add_argument("float", type=Path, help="its float bundle")
    parser.add_argument("buffer", type=Path, help="calibration buffer; its held-out samples count")
    options = parser.parse_args(arguments)

    def measure(report: Report) -> dict[str, Any]:
        from calib_tools.quantize.command import fitting_buffer
        from calib_tools.quantize.judging import STAGE_SAMPLES
        from quantvla_ros.bundle.storage import load_manifest

        buffer = fitting_buffer(options.quantized, load_manifest(options.quantized), options.buffer)
        seen = buffer.held_out[:STAGE_SAMPLES]
        return {"rows": measured(options.quantized, options.float, seen, report)}

    run_study(KIND, options, arguments, measure)


def measured(
    quantized: Path, plain: Path, observations: Sequence[Observation], report: Report
) -> list[dict[str, Any]]:
    """A row for each stage of the sound graphs and of each fault.

    Args:
        quantized: bundle of static ranges.
        plain: its float bundle.
        observations: of the gate.
        report: called with what happens now.
    """
    from calib_tools.quantize.stage_errors import stage_errors
    from quantvla_ros.backends.base import BuildOptions, Options
    from studies.qdq_on_cpu.backend import BACKEND

    report(SOUND)
    BACKEND.build(quantized, BuildOptions())
    policies: dict[str, Callable[[], RunningPolicy]] = {
        SOUND: partial(BACKEND.policy, quantized, Options()),
        COARSE: partial(in_bfloat16, quantized),
    }
    for name, plant in FAULTS.items():
        policies[name] = partial(damaged, quantized, plant)
    rows = []
    for name, policy in policies.items():
        report(name)
        for stage in stage_errors(policy(), quantized, plain, observations):
            rows.append({"what": name, **stage.model_dump()})
    return rows


def damaged(quantized: Path, plant: Callable[[Bundle, Network], None]) -> Policy:
    """A policy whose stages a damaged network computes, in the place of engines."""
    from quantvla_ros.backends.base import Options
    from quantvla_ros.backends.policy import Policy
    from quantvla_ros.backends.registry import YARDSTICK, find_backend
    from quantvla_ros.bundle.storage import load_bundle
    from quantvla_ros.quantization.network import load_network

    bundle = load_bundle(quantized)
    network = load_network(bundle)
    plant(bundle, network)
    policy = Policy(bundle, network, find_backend(YARDSTICK), Options())
    policy.runner = cast(Any, _ByGraphs(bundle, network))
    return policy


def in_bfloat16(quantized: Path) -> Policy:
    """The engines' graphs with the coarsest rest that an engine may have, run as exported.

    onnxruntime has no kernels of bfloat16 for the processor.
    """
    import torch

    from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
    from quantvla_ros.backends.graphs.runner import GraphRunner
    from quantvla_ros.backends.policy import policy_of
    from quantvla_ros.bundle.storage import load_bundle
    from quantvla_ros.quantization.network import load_network

    bundle = load_bundle(quantized)
    network = load_network(bundle)
    graphs = graphs_of(bundle, network)
    kinds = dict.fromkeys(graphs.part_names, torch.bfloat16)
    programs = export_graphs(bundle, network, kinds)
    policy = policy_of(bundle, network)
    context, step = (_run(programs[name]) for name in ("context", "step"))
    policy.runner = GraphRunner(network, graphs, context, step, "exported")
    return policy


def _run(program: ExportedProgram) -> Half:
    """An exported graph as a function of named tensors."""
    module, names = program.module(), program.graph_signature.user_inputs

    def run(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = module(*(given[name] for name in names))
        return found

    return run


class _ByGraphs:
    """Computes what a runner of engines hands out (see `stage_errors`)."""

    def __init__(self, bundle: Bundle, network: Network) -> None:
        from quantvla_ros.backends.graphs.export import graphs_of

        self._network, self._graphs = network, graphs_of(bundle, network)

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        graph = self._graphs.context
        made = self._graphs.host(inputs).context
        outputs = graph.module(*(made[name] for name in graph.inputs))
        named = graph.named(outputs)
        return {**named, "": self._network.encode(inputs)}

    def velocity(self, x_t: Tensor, time: float, context: dict[str, Any]) -> Tensor:
        return self._network.velocity(x_t, time, context[""])


def _layer(bundle: Bundle, network: Network, start: str) -> Any:
    """The middle one of the used quantized layers whose names begin like this."""
    from quantvla_ros.models.families import find_family
    from quantvla_ros.quantization.quantized_linear import quantized_layers

    unused = find_family(bundle.manifest.family).unused(network)
    layers = quantized_layers(network).items()
    found = [one for name, one in layers if name.startswith(start) and name not in unused]
    return found[len(found) // 2]


def _scale_range(start: str, factor: float) -> Callable[[Bundle, Network], None]:
    def plant(bundle: Bundle, network: Network) -> None:
        _layer(bundle, network, start).activation_scale.mul_(factor)

    return plant


def _scale_weights(start: str, factor: float) -> Callable[[Bundle, Network], None]:
    def plant(bundle: Bundle, network: Network) -> None:
        _layer(bundle, network, start).scale.mul_(factor)

    return plant


def _drop_bits(start: str) -> Callable[[Bundle, Network], None]:
    def plant(bundle: Bundle, network: Network) -> None:
        layer = _layer(bundle, network, start)
        step = layer.activation_scale.item() * 16  # a grid of 4 bits over the same range

        def rounded(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return ((inputs[0] / step).round() * step, *inputs[1:])

        layer.register_forward_pre_hook(rounded)

    return plant


LANGUAGE, EXPERT = "language_model", "action_expert"
FAULTS: dict[str, Callable[[Bundle, Network], None]] = {
    "one language layer: its range a fourth": _scale_range(LANGUAGE, 0.25),
    "one language layer: weights 10 % too large": _scale_weights(LANGUAGE, 1.1),
    "one language layer: inputs of 4 bits": _drop_bits(LANGUAGE),
    "one language layer: gives zeros": _scale_weights(LANGUAGE, 0.0),
    "one layer of the action expert: its range a fourth": _scale_range(EXPERT, 0.25),
    "one layer of the action expert: weights 10 % too large": _scale_weights(EXPERT, 1.1),
    "one layer of the action expert: inputs of 4 bits": _drop_bits(EXPERT),
    "one layer of the action expert: gives zeros": _scale_weights(EXPERT, 0.0),
}


def markdown(record: Mapping[str, Any]) -> str:
    """The record as a table."""
    head = ("", "stage", "worst output", "its error", "rounding's own", "limit", "")
    rows = [
        (
            row["what"], f"`{row['name']}`", f"`{row['worst']}`",
            *(f"{100 * row[key]:.2f} %" for key in ("error", "quantization", "limit")),
            "passes" if row["error"] <= row["limit"] else "fails",
        )
        for row in record["rows"]
    ]  # fmt: skip
    return markdown_grid(head, rows)


if __name__ == "__main__":
    main()
