# SPDX-License-Identifier: Apache-2.0
"""What other runtimes compute, and what a record of them says."""

import json

import numpy as np
import pytest
from support.tiny_policy import observations, save_tiny_bundle

from studies.peers import files, table, timing
from studies.peers.backend import GRAPHS, ORT_FLOAT, ORT_QDQ, OV_BF16, folder_of
from studies.peers.catalogue import NO_LIMIT, PEERS
from studies.peers.subject import Subject


def peer(p50, **more):
    latency = {"p50": p50, "p95": p50 + 1, "p99": p50 + 2}
    return {"latency_ms": latency, "weight_bytes": 8e6, **more}


RECORD = {
    "network": {"family": "some", "random": False},
    "cpu": {"model": "a processor"},
    "versions": {"torch": "2", "openvino": "2026"},
    "timings": [
        {
            "vnni": True,
            "threads": 1,
            "peers": {
                "ours_float": peer(26.6),
                "ov_float": peer(18.0),
                "ours_w8a8": peer(12.0),
                "ours_w4a8": {**peer(13.0), "weight_bytes": 5e6},
                "ov_static": peer(9.0),
                "nncf_ptq": peer(8.0),
            },
        },
        {
            "vnni": False,
            "threads": 1,
            "peers": {
                "ours_float": peer(30.0),
                "ours_w8a8": peer(20.0),
                "ov_static": {"refused": "OpenVINO does not multiply ... exactly"},
            },
        },
    ],
    "gate": {"nncf_ptq": {"passed": False, "error_share": 0.514, "chunk_mae": 0.002}},
    "success": {
        "aggregates": [
            {"variant": "float", "task": "all", "successes": 193, "episodes": 200},
            {"variant": "float@nncf_ptq", "task": "all", "successes": 150, "episodes": 200},
        ],
        "speed": {"episodes_per_minute": 90.4, "workers": 2},
    },
}


def test_tables_say_who_is_fastest_and_who_was_refused():
    text = table.markdown(json.loads(json.dumps(RECORD)))
    lines = text.splitlines()
    order = [i for i, line in enumerate(lines) if "| 8.0 (9.0) |" in line or "| 26.6 " in line]
    assert len(order) == 2 and order[0] < order[1] and "NNCF" in lines[order[0]]
    assert "| 9.0 (10.0) | refused |" in text
    assert "| failed | 51.4 % | 150 of 200 |" in text
    assert "| this package, float |  |  | 193 of 200 |" in text


def test_goals_are_counted_from_the_record():
    rows = {row[0]: row[1:] for row in table.goal_rows(RECORD)}
    name = "1 thread(s): exact INT8 beside the fastest float"
    goal, text = rows[f"VNNI, {name}"]
    assert goal == "at least 2.0x" and text.startswith("2.00x (backend `openvino`")
    assert rows[f"AVX2 only, {name}"][1].startswith("1.50x (this package, w8a8")
    beside = {row[0]: row[2] for row in table.goal_rows(RECORD) if "our kernels" in row[0]}
    assert sorted(beside.values()) == ["0.67x", "0.75x"]
    assert rows["w4a8 beside w8a8"][1].startswith("+8 % time, 5.0 MB beside 8.0 MB")
    assert rows["evaluation, episodes a minute, 2 cores"][1] == "90 with 2 workers"


def test_names_are_unique_and_known():
    keys = [peer.key for peer in PEERS]
    assert len(set(keys)) == len(keys) and set(NO_LIMIT) < set(keys)


def test_other_runtimes_compute_the_policy(tmp_path, monkeypatch):
    for needed in ("openvino", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason="optional: pip install -r requirements/peers.txt")
    path = save_tiny_bundle(tmp_path / "float")
    files.write_graphs(path, lambda text: None)
    given = files._given(path, observations(2))
    assert [len(given[name]) for name in GRAPHS] == [2, 2 * 3]
    assert all((folder_of(path, "onnx") / f"{name}.onnx").is_file() for name in GRAPHS)
    backends = {one.name: one for one in (ORT_FLOAT, ORT_QDQ, OV_BF16)}
    found = timing.find_backend
    monkeypatch.setattr(timing, "find_backend", lambda name: backends.get(name) or found(name))
    monkeypatch.setattr(timing, "observations", lambda subject: observations(2))
    subject = Subject({"float": path, "static": tmp_path / "none"}, None)
    measured = timing.measure(subject, ["ort_float", "ov_bf16", "ort_static"], 1, 3)
    assert "none" in measured["ort_static"]["refused"]
    for key in ("ort_float", "ov_bf16"):
        assert len(measured[key]["samples_ms"]) == 3
        assert np.isfinite(measured[key]["latency_ms"]["p95"])
