# SPDX-License-Identifier: Apache-2.0
"""Tables of the timing studies, and the figures in them."""

from __future__ import annotations

import pytest

from studies.timing.soak import SETTLED_S, growth
from studies.timing.table import figures, markdown


def sample(seconds, node, worker_pid=7, worker=1000):
    return {
        "seconds": seconds,
        "node_bytes": node,
        "node_handles": 40,
        "worker_pid": worker_pid,
        "worker_bytes": worker,
        "worker_handles": 9,
        "late": 0,
    }


def test_growth_is_that_after_the_caches_are_full():
    early = [sample(s, 10**9) for s in (0, 100)]
    late = [sample(SETTLED_S + s, 5000 + s) for s in range(0, 1000, 10)]
    found = growth(early + late)
    assert found["node_bytes_per_hour"] == pytest.approx(3600)
    assert found["node_handles_per_hour"] == pytest.approx(0, abs=1e-6)


def test_growth_of_the_inference_process_begins_with_its_last_start():
    before = [sample(SETTLED_S + s, 0, 7, 10**6 * s) for s in range(5)]
    after = [sample(SETTLED_S + 10 + s, 0, 8, 500) for s in range(5)]
    assert growth(before + after)["worker_bytes_per_hour"] == pytest.approx(0, abs=1e-6)
    assert growth(before[:1])["node_bytes_per_hour"] == 0.0


def test_frames_lost_are_those_published_and_not_received():
    found = figures(10, [1.0] * 7 + [9.0])
    assert (found["lost"], found["age_ms"]["max"]) == (2, 9.0)
    assert figures(10, [])["age_ms"] is None


def test_tables_show_their_records():
    jitter = {
        "node": "as shipped", "realtime": True, "published": 6000, "late": 0,
        "jitter_ms": {"p50": 0.1, "p99": 0.5, "max": 2.0},
    }  # fmt: skip
    text = markdown({"study": "jitter", "rate_hz": 100.0, "rows": [jitter]})
    assert "| as shipped | yes | 6000 | 0.10 ms | 0.50 ms | 2.0 ms | 0 |" in text
    camera = {"profile": "defaults", "camera": "left", **figures(10, [])}
    text = markdown({"study": "cameras", "rate_hz": 100.0, "rows": [camera]})
    assert "| defaults | left | 10 | 10 | - | - |" in text
    soak = {
        "study": "soak", "rate_hz": 100.0, "seconds": 3600.0, "drop_outs": 59, "published": 360000,
        "late": 2, "latest_ms": 6.5, "faults": {"STALE_CAMERA": 30, "STALE_JOINT_STATE": 29},
        "growth": growth([sample(s, 5000) for s in range(0, 4000, 10)]),
    }  # fmt: skip
    text = markdown(soak)
    assert "| drop-outs of an input, faults | 59, 59 |" in text
    assert "| memory of the node after minute 5 | +0.0 MB an hour |" in text


def test_the_table_of_starts():
    times = {"least": 2.31, "median": 2.49}
    rows = [{"cache": "filled", "cpu_s": times, "wall_s": {"least": 2.5, "median": 3.04}}]
    text = markdown({"study": "startup", "rows": rows})
    assert text.splitlines()[-1] == "| filled | 2.3 s | 2.5 s | 2.5 s | 3.0 s |"
