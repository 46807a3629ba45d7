# SPDX-License-Identifier: Apache-2.0
"""From live topics to a moving arm: a short demo with the bundled policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from calib_tools.buffer.store import load_buffer
from quantvla_ros.bundle.storage import load_manifest


@pytest.mark.slow
def test_samples_are_recorded_int8_passes_the_gate_and_moves_the_robot(tmp_path):
    out = tmp_path / "demo"
    demo = subprocess.run(
        [sys.executable, "-m", "calib_tools.cli", "demo", "--quick", "--out", str(out)],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert summary["calibration"]["samples"] > 32 and summary["calibration"]["held_out"] > 10
    assert {name: run["n"] for name, run in summary["episodes"].items()} == {"float": 4, "int8": 1}
    # A machine that is late stops the arm, as it should; nothing else may.
    assert summary["gate"]["passed"] and set(summary["faults"]) <= {"CHUNK_UNDERRUN"}
    assert summary["integer_layers"] == 40
    assert load_manifest(out / "int8").gate.worst.chunk_mae == summary["gate"]["chunk_mae"]

    asked = [sample.instruction for sample in load_buffer(out / "buffer").samples]
    for words in ("in the basket", "push", "on top of"):
        assert any(words in sentence for sentence in asked), words

    control = summary["control"]
    assert control["published"] > 100
    node = json.loads((out / "records" / "int8_node.json").read_text())["motion"]
    for name in ("max_velocity_ratio", "max_acceleration_ratio", "max_jerk_ratio"):
        # On a busy machine a window may come too late: then the setpoints are the machine's fault.
        assert control[name] > 0.1 and 0.1 < node[name] <= 1.0, name
    motion = json.loads((out / "records" / "motion.json").read_text())
    for moved in (motion["measured"], motion["commanded"]):
        positions = np.array(moved["values"])
        assert np.ptp(positions[:, :7], axis=0).max() > 0.3  # rad

    assert "<html" in (out / "report.html").read_text()[:300]
    assert (out / "demo.gif").read_bytes()[:6] == b"GIF89a"
    check = [sys.executable, "-m", "studies.documents.tables", "--record", out / "summary.json"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    # Nothing is left beside the output: no log, no draft. onnxruntime's import leaves `.ses`.
    assert {path.name for path in tmp_path.iterdir()} - {".ses"} == {"demo"}
