# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from calib_tools.report import plots

CURVE = {"time_s": [1.0, 1.1, 1.2], "values": [[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]]}


def titles(svg: str) -> str:
    ElementTree.fromstring(svg)
    return svg


def test_every_joint_has_its_panel_with_unit():
    record = {
        "joints": ["elbow", "finger"],
        "units": ["rad", "m"],
        "measured": CURVE,
        "commanded": CURVE,
    }
    svg = titles(plots.motion_figure(record))
    assert "elbow, rad" in svg
    assert "finger, m" in svg


def test_no_line_is_drawn_between_episodes():
    times, values = plots._with_gaps(
        {"time_s": [0.0, 0.1, 5.0, 5.1], "values": [[1.0], [2.0], [3.0], [4.0]]}, 0
    )
    np.testing.assert_array_equal(values, [1.0, 2.0, np.nan, 3.0, 4.0])
    assert np.isnan(times[2])


def test_empty_curves_still_give_a_figure():
    empty = {"time_s": [], "values": []}
    record = {"joints": ["elbow"], "units": ["rad"], "measured": empty, "commanded": empty}
    titles(plots.motion_figure(record))


def test_a_latency_outlier_does_not_hide_the_rest():
    usual = np.random.default_rng(0).normal(30, 1, 500).tolist()
    samples = {"float": [*usual, 5000.0], "int8": usual}
    record = {"samples_ms": samples, "fastest_float": "float"}
    titles(plots.latency_figure(record))


def test_jitter_and_chunk_figures():
    record = {"publish_intervals_ms": [20.0, 20.1, 19.9], "control_rate_hz": 50.0}
    titles(plots.jitter_figure(record))
    chunk = {
        "names": ["elbow"],
        "units": ["rad"],
        "dt_s": 0.1,
        "samples": [{"float": [[0.1], [0.2]], "int8": [[0.1], [0.21]]}],
    }
    assert "elbow, rad" in titles(plots.chunk_figure(chunk, 0))
