# SPDX-License-Identifier: Apache-2.0
"""Success of an engine's graphs in closed loop: as `quantvla evaluate`, and BUNDLE@qdq.

`BUNDLE@qdq` plays the graphs that an engine of the bundle is built of, Q/DQ and float16 included,
by onnxruntime. It runs in the environment that `.ci/make_tensorrt_check` makes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from studies.evaluation import play
from studies.qdq_on_cpu.change import read_change

KIND = "studies.qdq_on_cpu"
EXAMPLE = (
    "example: .venv-tensorrt/bin/python -m studies.qdq_on_cpu policies/panda INT8@qdq "
    "--episodes 200 --out out"
)


def main() -> None:
    """Evaluate with the graphs of engines allowed."""
    root = Path(__file__).parents[2]
    entries = str(root / "studies" / "entry_points")
    sys.path.append(entries)  # of this process and of those that it spawns
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(root), entries, os.environ.get("PYTHONPATH", "")))
    )
    assert __doc__ is not None
    play(read_change, KIND, __doc__, EXAMPLE)


if __name__ == "__main__":
    main()
