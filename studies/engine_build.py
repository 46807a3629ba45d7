# SPDX-License-Identifier: Apache-2.0
"""What building engines takes, from a tiny policy to a random one of SmolVLA's size, without a GPU.

Needs the environment of `.ci/make_tensorrt_check`. The plans are for SM 8.6 and run nowhere; the
record says that every integer layer compiles to integers, and what time and memory that took. The
memory is what the backend's preflight goes by.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from calib_tools.common.tables import markdown_grid
from studies.study import run_study, study_parser

KIND, RECORD = "studies.engine_build", "engine-build.json"
BUNDLED = "bundled"
SIZES = ("tiny", BUNDLED, "half", "full")
_ROOT = Path(__file__).resolve().parents[1]
_TEXT = """\
Build the engines of policies of several sizes (the language model and the action head's MLPs in
INT8) for SM 8.6 without a GPU, and write down what the compiled engines multiply and what building
them took: tiny, the bundled policy, half of SmolVLA's layers, and SmolVLA's size (446 million
parameters). All but the bundled one have random weights.
"""
_EXAMPLE = """\
example: .venv-tensorrt/bin/python -m studies.engine_build --out engine-build.json
"""
_HEAD = ["policy", "part", "plan", "INT8 products, linears in them", "time", "peak memory"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--builder", default="onnx", help="torch_tensorrt or onnx (onnx)")
    parser.add_argument("--layout", default="llm+dit_mlp", help="of quantize (llm+dit_mlp)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES, help="all if not given")
    options = parser.parse_args(arguments)

    def measure(report: Report) -> dict[str, Any]:
        builds = []
        for size in options.sizes:
            with tempfile.TemporaryDirectory(prefix="engine-build-") as folder:
                row = build_size(size, Path(folder), options.builder, options.layout, report)
            builds.append({"size": size, **row})
        return {"layout": options.layout, "builds": builds}

    run_study(KIND, options, arguments, measure)


def build_size(
    size: str, folder: Path, builder: str, layout: str, report: Report
) -> dict[str, Any]:
    """Make a policy in `folder` and build its engines; returns what the record says."""
    from studies.random_policy import HALF, SMOLVLA_SIZED, TINY, save_random_bundle

    report(f"{size}: making the policy")
    source, about = folder / "float", {}
    if size == BUNDLED:
        source = _ROOT / "policies" / "panda"
    else:
        config = {"tiny": TINY, "half": HALF, "full": SMOLVLA_SIZED}[size]
        about["parameters"] = save_random_bundle(source, config)
    return {**about, **build_static(source, folder / "int8", builder, layout, report)}


def build_static(
    source: Path, out: Path, builder: str, layout: str, report: Report
) -> dict[str, Any]:
    """Round a float bundle to INT8 with made-up ranges and build its engines.

    Args:
        source: float bundle.
        out: the INT8 bundle to write; the engines lie in it.
        builder: torch_tensorrt or onnx.
        layout: of quantize.
        report: is told what is done.

    Returns:
        What building took, and the content of engine.json with its layers counted.
    """
    from quantvla_ros.backends.base import BuildOptions
    from quantvla_ros.backends.registry import find_backend
    from studies.static_bundle import save_static_bundle

    bundle = save_static_bundle(source, out, layout)
    began = time.monotonic()
    options = BuildOptions(builder, "bf16", without_gpu=True, say=report)
    made = find_backend("tensorrt").build(bundle, options)
    assert made is not None
    seconds = time.monotonic() - began
    engine = json.loads((made / "engine.json").read_text(encoding="utf-8"))
    plans = {name: counted(plan) for name, plan in engine["plans"].items()}
    return {"seconds": round(seconds, 1), "engine": {**engine, "plans": plans}}


def counted(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of `engine.json` with its layers counted in place of their names."""
    return {key: len(value) if isinstance(value, list) else value for key, value in plan.items()}


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record: a row for each engine."""
    rows = [
        [
            build["size"], part, f"{plan['plan_bytes'] / 1e6:.1f} MB",
            f"{plan['int8_products']}, {plan['int8_linears']}", f"{plan['seconds']:.0f} s",
            f"{plan['memory_bytes'] / 1e9:.2f} GB",
        ]
        for build in record["builds"]
        for part, plan in build["engine"]["plans"].items()
    ]  # fmt: skip
    return markdown_grid(_HEAD, rows)


if __name__ == "__main__":
    main()
