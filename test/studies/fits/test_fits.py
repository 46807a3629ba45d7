# SPDX-License-Identifier: Apache-2.0
"""What a record measured stands in the table in place of what shapes say."""

from __future__ import annotations

import json

from quantvla_ros.models.smolvla.config import SmolVLAConfig
from studies.fits import sizes, table


def test_measured_bytes_take_the_place_of_computed_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "published_sizes", lambda: {"smolvla": SmolVLAConfig(cameras=2)})
    record = {
        "schema": 1,
        "kind": sizes.MEASURED,
        "network": {"family": "smolvla"},
        "import": {"bundle_bytes": 1_005_293_464},
        "quantization": {"w8a8": {}},
        "policies": {"w8a8": {"weight_bytes": {"all": 900_000_000}}},
    }
    path = tmp_path / "full-size.json"
    path.write_text(json.dumps(record))
    rows = table.rows(sizes.fits([path]))
    assert [row[1] for row in rows] == ["float", "w8a8", "w4a8"]
    assert [row[4] for row in rows] == ["1.01", "0.58*", "0.46*"]
    assert [row[5] for row in rows] == ["1.61*", "0.90", "0.81*"]
    assert [row[-4:] for row in rows] == [["yes"] * 4] * 3


def test_a_board_needs_room_for_all_else_too():
    row = {"family": "a", "parameters": 1, "integer_weights": 0, "measured": [], "cpu_bytes": 1}
    record = {"rows": [{**row, "scheme": "float", "disk_bytes": 5_200_000_000}]}
    assert table.rows(record)[0][-4:] == ["no", "yes", "yes", "yes"]
