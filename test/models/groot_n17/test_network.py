# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from support.tiny_groot import tiny_network

from quantvla_ros.backends.tensorrt import building
from quantvla_ros.errors import BackendError
from quantvla_ros.models.groot_n17.family import FAMILY
from quantvla_ros.models.groot_n17.layout import picture_layout, positions

NETWORK = tiny_network()


def test_pictures_and_text_are_parted_as_they_were_joined():
    layout = picture_layout(3, ((4, 4), (2, 6)))
    text, pictures = torch.arange(12)[None], torch.arange(100, 107)[None]
    joined = layout.join(text, pictures)
    expected = [0, 1, 2, 100, 101, 102, 103, 3, 4, 104, 105, 106, *range(5, 12)]
    assert joined[0].tolist() == expected
    assert [part.tolist() for part in layout.part(joined)] == [text.tolist(), pictures.tolist()]


def test_positions_stand_still_within_a_picture_and_go_on_behind_its_longer_side():
    grids, there = ((4, 4), (2, 6)), torch.ones(1, 7, dtype=torch.bool)
    places = positions(picture_layout(3, grids), grids, there)[0]
    time = [0, 1, 2, 3, 3, 3, 3, 5, 6, 7, 7, 7, 10, 11]
    height = [0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 7, 7, 10, 11]
    width = [0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert places.tolist() == [time, height, width]


def test_an_older_tensorrt_is_refused_for_the_backbone_alone(monkeypatch):
    older = SimpleNamespace(__name__="tensorrt", __version__="10.3.0")
    monkeypatch.setattr(building, "tensorrt", lambda: older)
    graphs = FAMILY.graphs(NETWORK)
    with pytest.raises(BackendError, match=r"10\.3\.0 is too old for 'context'.*10\.8 or newer"):
        building.check_needs(graphs)
    older.__version__ = "10.8.0"
    building.check_needs(graphs)
    assert graphs.step.tensorrt is None
