# SPDX-License-Identifier: Apache-2.0
"""Action errors on buffers of their own, and the intervals that go with them."""

from __future__ import annotations

import numpy as np
import pytest

from calib_tools.buffer.store import load_buffer
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.processing.noise import draw_noise
from studies.ablation import fresh_samples, run
from studies.ablation.steps import mean_interval, ratio_interval
from studies.ablation.table import fresh_rows, fresh_step_rows
from studies.documents import tables as document_tables

CHOSEN = ["w4a8-rtn", "w4a8-gptq", "w3a8-rtn"]


@pytest.fixture(scope="module")
def ablated(tmp_path_factory, tiny_bundle, tiny_buffer, fresh_buffers):
    out = tmp_path_factory.mktemp("fresh") / "out"
    return out, again(out, tiny_bundle, tiny_buffer, fresh_buffers)


def again(out, bundle, buffer, fresh):
    return run.ablate(bundle, buffer, CHOSEN, [], [], 0, 1, out, fresh)


def test_each_sample_has_the_error_that_the_two_policies_have_on_it(
    ablated, tiny_bundle, fresh_buffers
):
    out, record = ablated
    rows = {row["name"]: row["fresh"] for row in record["variants"]}
    float_policy = load_policy(tiny_bundle, "cpu")
    variant = load_policy(out / "variants" / "w4a8-gptq", "cpu")
    arm = float_policy.manifest.interface.action.of_type("arm")
    assert 0 < arm.sum() < len(arm)
    samples = [sample for path in fresh_buffers for sample in load_buffer(path).samples]
    errors = rows["w4a8-gptq"]["errors_mrad"]
    assert len(errors) == len(samples) == 70
    for place in (0, 19):
        noise = draw_noise(float_policy.manifest, fresh_samples._SEED, place)
        one, other = (
            policy.infer(samples[place], noise).actions[:, arm]
            for policy in (float_policy, variant)
        )
        assert errors[place] == pytest.approx(1e3 * np.abs(one - other).mean(), abs=1e-3)
    assert rows["w3a8-rtn"]["mean_mrad"] > rows["w4a8-gptq"]["mean_mrad"] > 0
    assert rows["w3a8-rtn"]["error_share"] > rows["w4a8-gptq"]["error_share"] > 0
    # The float policy with another noise is as far away as another noise is.
    assert record["fresh"]["mean_mrad"] > 0 and 0.7 < record["fresh"]["error_share"] < 1.3


def test_what_is_measured_is_not_computed_again(
    ablated, tiny_bundle, tiny_buffer, fresh_buffers, monkeypatch
):
    out, record = ablated
    monkeypatch.setattr(fresh_samples.FreshSamples, "_chunks", None)
    found = again(out, tiny_bundle, tiny_buffer, fresh_buffers)
    assert found["variants"] == record["variants"] and found["fresh"] == record["fresh"]


def test_tables_and_the_documents_show_it(ablated):
    out, record = ablated
    names = [row[0] for row in fresh_rows(record)]
    assert names == ["w4a8-rtn", "w4a8-gptq", "w3a8-rtn", "float, other noise"]
    (step,) = fresh_step_rows(record)
    assert step[:2] == ["w4a8-rtn to w4a8-gptq", "GPTQ"]
    text = document_tables.markdown(out / run.RECORD)
    assert "| float, other noise | 70 |" in text and "| w4a8-rtn to w4a8-gptq | GPTQ |" in text


def test_what_calibrated_is_not_fresh_and_nothing_counts_twice(
    tmp_path, tiny_bundle, tiny_buffer, fresh_buffers
):
    one, other = fresh_buffers
    for fresh, words in (
        ([one, tiny_buffer], f"{tiny_buffer}' is the calibration buffer"),
        ([one, other, one], f"{one}' is given twice"),
    ):
        with pytest.raises(QuantVLAError, match=words):
            again(tmp_path / "out", tiny_bundle, tiny_buffer, fresh)
        assert not (tmp_path / "out").exists()


def test_without_such_buffers_there_is_nothing_to_show(tmp_path, tiny_bundle, tiny_buffer):
    record = run.ablate(tiny_bundle, tiny_buffer, ["w3a8-rtn"], [], [], 0, 1, tmp_path / "out")
    assert record["fresh"] is None
    assert fresh_rows(record) == [] and fresh_step_rows(record) == []


def test_intervals_hold_the_mean_and_see_what_is_paired():
    rng = np.random.default_rng(5)
    before = np.exp(rng.normal(size=200))
    low, high = mean_interval(list(before))
    assert low < before.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * before.std() / np.sqrt(200), rel=0.2)
    # Half the error on every sample: certain, however much the samples differ.
    assert ratio_interval(list(before), list(0.5 * before)) == pytest.approx((0.5, 0.5))
    low, high = ratio_interval(list(before), list(rng.permutation(before)))
    assert low < 0.9 and high > 1.1
