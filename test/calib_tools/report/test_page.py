# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from calib_tools.report.page import render, sections, write_report
from calib_tools.report.run_data import read_run
from quantvla_ros.errors import OutputExistsError, QuantVLAError

PERCENTILES = {"p50": 31.25, "p95": 40.0, "p99": 45.0}


def fill(path, **changes):
    """A run directory with every record that needs no bundle and no buffer."""
    rng = np.random.default_rng(0)
    chunk = rng.normal(size=(16, 3)).tolist()
    other = [[value + 0.0321 for value in row] for row in chunk]
    times = np.arange(0, 5, 0.04).tolist()
    curve = {"time_s": times, "values": [[t, -t, 0.04] for t in times]}
    episode = {
        "seed": 7001,
        "instruction": "put the <milk> in the basket",
        "success": True,
        "first_lifted": "milk",
        "seconds": 9.5,
        "fault": "",
    }
    records = {
        "bench": {
            "cpu": {"model": "a processor", "vnni": False, "threads": 1},
            "kernel": "avx2",
            "kernels": {"float": "float32", "int8": "avx2"},
            "fastest_float": "float",
            "integer_layers": 30,
            "latency_ms": {"float": PERCENTILES, "int8": {**PERCENTILES, "p50": 24.5}},
            "speedup": 1.28,
            "weight_bytes": {
                "float": 40_000_000,
                "int8": 16_000_000,
                "quantized_part_float": 32_000_000,
                "quantized_part_int8": 8_000_000,
            },
            "samples_ms": {
                "float": rng.normal(31, 1, 50).tolist(),
                "int8": rng.normal(24, 1, 50).tolist(),
            },
        },
        "chunks": {
            "names": ["a", "b", "finger"],
            "units": ["rad", "rad", "m"],
            "dt_s": 0.1,
            "samples": [{"instruction": "go", "float": chunk, "int8": other}],
        },
        "motion": {
            "joints": ["a", "b", "finger"],
            "units": ["rad", "rad", "m"],
            "measured": curve,
            "commanded": curve,
        },
        "episodes": {"float": [episode], "int8": [episode, {**episode, "success": False}]},
        "int8_node": {
            "control_rate_hz": 50.0,
            "published": 321,
            "jitter_ms": {"p50": 0.1, "p99": 1.53, "max": 3.0},
            "publish_intervals_ms": rng.normal(20, 0.3, 300).tolist(),
            "motion": {
                "max_velocity_ratio": 0.812,
                "max_acceleration_ratio": 0.9,
                "max_jerk_ratio": 0.7,
                "boundary_jump": 0.00123,
            },
            "faults": {"STALE_CAMERA": 1},
        },
    }
    (path / "records").mkdir(parents=True)
    (path / "pictures").mkdir()
    (path / "pictures" / "1.png").write_bytes(b"\x89PNG")
    for name, record in {**records, **changes}.items():
        if record is not None:
            (path / "records" / f"{name}.json").write_text(json.dumps(record))
    return path


class Balance(HTMLParser):
    """Fails when tags do not close in their order."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self):
        super().__init__()
        self.open, self.references = [], []

    def handle_starttag(self, tag, attributes):
        self.references += [v for k, v in attributes if k in ("src", "href", "xlink:href") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_refers_to_nothing_outside(tmp_path):
    page = render(read_run(fill(tmp_path / "run")))
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert all(r.startswith(("data:", "#")) for r in balance.references)
    assert not re.search(r"url\((?!#|'#|\"#)", page)
    assert "@import" not in page


def test_the_page_shows_the_records(tmp_path):
    page = render(read_run(fill(tmp_path / "run")))
    for text in ("31.25", "24.50", "1.28", "40.00 MB", "8.00 MB", "1.53 ms", "0.812", "0.0012 rad"):
        assert text in page
    assert "Largest difference: 0.0321" in page
    assert "STALE_CAMERA 1" in page
    assert page.count("<svg") == 4
    assert "data:image/png;base64,iVBORw" in page


def test_texts_from_outside_are_escaped(tmp_path):
    page = render(read_run(fill(tmp_path / "run")))
    assert "&lt;milk&gt;" in page
    assert "<milk>" not in page


def test_what_is_missing_has_no_section(tmp_path):
    titles = [s.title for s in sections(read_run(fill(tmp_path / "all")))]
    assert {"Episodes", "Latency", "Memory", "Control"} <= set(titles)
    data = read_run(fill(tmp_path / "part", bench=None, int8_node=None))
    assert not {"Latency", "Memory", "Control"} & {s.title for s in sections(data)}
    assert "<html" in render(data)


def test_a_directory_without_records_is_refused(tmp_path):
    with pytest.raises(QuantVLAError, match="no record"):
        write_report(tmp_path, tmp_path / "report.html", force=False)
    with pytest.raises(QuantVLAError, match="no directory"):
        write_report(tmp_path / "gone", tmp_path / "report.html", force=False)
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_record_is_named(tmp_path):
    run = fill(tmp_path / "run")
    (run / "records" / "bench.json").write_text("{")
    with pytest.raises(QuantVLAError, match=r"bench\.json"):
        read_run(run)


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    run = fill(tmp_path / "run")
    out = tmp_path / "report.html"
    write_report(run, out, force=False)
    with pytest.raises(OutputExistsError):
        write_report(run, out, force=False)
    write_report(run, out, force=True)


def test_the_same_run_gives_the_same_page(tmp_path):
    data = read_run(fill(tmp_path / "run"))
    assert render(data) == render(data)
