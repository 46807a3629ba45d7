# SPDX-License-Identifier: Apache-2.0
"""The simulated latency of each variant: given, or measured once and kept."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support.evaluation_players import settings
from support.tiny_policy import save_tiny_bundle

from calib_tools.evaluate import latency
from calib_tools.evaluate.latency import LATENCY, latencies_ms, measure_ms
from calib_tools.evaluate.variants import Variant
from quantvla_ros.bundle.storage import bundle_hash
from quantvla_ros.errors import QuantVLAError

MEASURED = settings(latency="measured")


@pytest.fixture
def variant(tmp_path):
    bundle = save_tiny_bundle(tmp_path / "tiny")
    return Variant("tiny", bundle, bundle_hash(bundle))


class Unplayable:
    """A change of a bundle that nobody may apply."""

    label, identity = "odd", "0" * 64

    def apply(self, network):
        raise AssertionError("a change has the latency of its bundle")


def fake(variant):
    return dataclasses.replace(variant, label="tiny@odd", change=Unplayable())


def test_more_denoise_steps_take_longer(variant):
    assert 0 < 2 * measure_ms(variant, 1) < measure_ms(variant, 60)


@pytest.mark.parametrize("study_first", [False, True])
def test_fake_quantization_has_the_latency_of_its_bundle_and_it_is_kept(
    variant, tmp_path, monkeypatch, study_first
):
    def measure(measured, steps):
        assert measured.change is None and measured.bundle == variant.bundle
        return 31.2

    monkeypatch.setattr(latency, "measure_ms", measure)
    variants = [fake(variant), variant] if study_first else [variant, fake(variant)]
    found = latencies_ms(MEASURED, variants, tmp_path)
    assert found == {"tiny": 31.2, "tiny@odd": 31.2}
    assert json.loads((tmp_path / LATENCY).read_text()) == found
    monkeypatch.delattr(latency, "measure_ms")  # nothing is measured again
    assert latencies_ms(MEASURED, variants, tmp_path) == found


def test_a_given_latency_is_taken_as_it_is_and_nothing_is_kept(variant, tmp_path):
    variants = [variant, fake(variant)]
    assert latencies_ms(settings(latency="80"), variants, tmp_path) == {
        "tiny": 80.0,
        "tiny@odd": 80.0,
    }
    over_ros = settings(latency="measured", way="ros")
    assert set(latencies_ms(over_ros, variants, tmp_path).values()) == {0.0}
    assert not (tmp_path / LATENCY).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"tiny": 1',
        b"null",
        b"[31.2]",
        b'{"another": 31.2}',
        b'{"tiny": "fast"}',
        b'{"tiny": null}',
        b'{"tiny": NaN}',
        b'{"tiny": Infinity}',
        b'{"tiny": -31.2}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_one_sentence_that_names_it(variant, tmp_path, content):
    path = tmp_path / LATENCY
    path.write_bytes(content)
    with pytest.raises(QuantVLAError) as caught:
        latencies_ms(MEASURED, [variant], tmp_path)
    assert str(caught.value) == f"'{path}' is damaged; choose another --out."
