# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from support.evaluation_players import outcome, settings

from calib_tools.evaluate.plan import plan_episodes
from calib_tools.evaluate.record import RECORD, make_record
from calib_tools.evaluate.sequential import Look
from calib_tools.report.evaluation import last_frame
from calib_tools.report.page import write_report
from quantvla_ros.errors import QuantVLAError


@pytest.fixture
def directory(tmp_path):
    plan = plan_episodes({"pick_place": [-1]}, ["none"], 20, 0)
    finished = {("float", e.index): outcome() for e in plan}
    finished |= {("int8", e.index): outcome(e.index != 3, seconds=4.0) for e in plan}
    (tmp_path / "failures").mkdir()
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "lime")]
    frames[0].save(tmp_path / "failures" / "a.gif", save_all=True, append_images=frames[1:])
    record = make_record(
        settings(("float", "int8"), 20),
        {"float": 120.0, "int8": 80.0},
        plan,
        finished,
        Look(20, {"float | int8": "open"}),
        {"episodes": 40, "seconds": 30.0, "workers": 2, "episodes_per_minute": 80.0},
        [{"variant": "int8", "index": 3, "gif": "failures/a.gif"}],
    )
    (tmp_path / RECORD).write_text(json.dumps(record))
    return tmp_path


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.cells: list[str] = []
        self._in = False

    def handle_starttag(self, tag, attributes):
        self._in = tag == "td"

    def handle_data(self, data):
        if self._in:
            self.cells.append(data)
            self._in = False


def test_the_page_shows_rates_intervals_differences_and_failures(directory):
    out = directory / "report.html"
    write_report(directory, out, force=False)
    page = out.read_text()
    parser = Cells()
    parser.feed(page)
    for cell in (
        "20 of 20",
        "19 of 20",
        "95.0 %",
        "83.9 % to 100.0 %",
        "float, int8",
        "-5.0",
        "1, 0",
    ):
        assert cell in parser.cells, cell
    assert page.count("<svg") == 3
    assert "Moments of failure" in page
    assert "float | int8: open" in page
    assert "80 a minute" in page
    for outside in ('src="http', 'href="http', "@import", "<script"):
        assert outside not in page


def test_a_gif_that_is_gone_leaves_its_picture_out(directory):
    (directory / "failures" / "a.gif").unlink()
    write_report(directory, directory / "report.html", force=False)
    assert "Moments of failure" not in (directory / "report.html").read_text()


def test_the_moment_of_failure_is_the_last_picture(directory):
    assert np.array_equal(last_frame(directory / "failures" / "a.gif")[5, 5], [0, 255, 0])


def test_a_record_of_another_version_gives_no_page(directory):
    record = json.loads((directory / RECORD).read_text())
    (directory / RECORD).write_text(json.dumps({**record, "schema": 7}))
    with pytest.raises(QuantVLAError, match="has schema 7"):
        write_report(directory, directory / "report.html", force=False)
    assert not (directory / "report.html").exists()
