# SPDX-License-Identifier: Apache-2.0
"""What building engines takes: a random policy of SmolVLA's size, INT8, without a GPU.

Needs the environment of `.ci/make_tensorrt_check`. The plans are for SM 8.6 and run nowhere; the
record says that every integer layer compiles to integers, and what time and memory that took.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from studies.study import run_study, study_parser

KIND = "studies.engine_build"

_TEXT = """\
Build the engines of a random policy of SmolVLA's size (446 million parameters, the language model
and the action head's MLPs in INT8) for SM 8.6 without a GPU, and write down what the compiled
engines multiply and what building them took.
"""
_EXAMPLE = """\
example: .venv-tensorrt/bin/python -m studies.engine_build --out engine-build.json
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    parser = study_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("--builder", default="onnx", help="torch_tensorrt or onnx (onnx)")
    parser.add_argument("--layout", default="llm+dit_mlp", help="of quantize (llm+dit_mlp)")
    options = parser.parse_args(arguments)

    def measure(report: Report) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="engine-build-") as folder:
            return build_random(Path(folder), options.builder, options.layout, report)

    run_study(KIND, options, arguments, measure)


def build_random(folder: Path, builder: str, layout: str, report: Report) -> dict[str, Any]:
    """Make the policy in `folder` and build its engines; returns what the record says."""
    from quantvla_ros.backends.base import BuildOptions
    from quantvla_ros.backends.registry import find_backend
    from studies.random_policy import save_random_bundle
    from studies.static_bundle import save_static_bundle

    report("making the random policy")
    parameters = save_random_bundle(folder / "float")
    bundle = save_static_bundle(folder / "float", folder / "int8", layout)
    began = time.monotonic()
    options = BuildOptions(builder, "bf16", without_gpu=True, say=report)
    made = find_backend("tensorrt").build(bundle, options)
    assert made is not None
    seconds = time.monotonic() - began
    engine = json.loads((made / "engine.json").read_text(encoding="utf-8"))
    return {
        "parameters": parameters,
        "layout": layout,
        "seconds": round(seconds, 1),
        "engine": {**engine, "plans": {k: counted(v) for k, v in engine["plans"].items()}},
    }


def counted(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of `engine.json` with its layers counted in place of their names."""
    return {key: len(value) if isinstance(value, list) else value for key, value in plan.items()}


if __name__ == "__main__":
    main()
