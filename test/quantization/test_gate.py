# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from support.tiny_policy import HORIZON, tiny_manifest

from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.quantization.gate import (
    LARGEST_SHARE,
    compare,
    failures,
    jerk,
    load_thresholds,
)

ACTION = tiny_manifest().interface.action
THRESHOLDS = load_thresholds()


def smooth_chunks(count=16, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(HORIZON)[None, :, None] * 0.1
    arm = rng.normal(0, 1, (count, 1, 2)) + np.sin(2 * time + rng.uniform(0, 6, (count, 1, 2)))
    finger = np.full((count, HORIZON, 1), 0.04)
    finger[: count // 2] = 0.0
    return np.concatenate([arm, finger], axis=2)


def normalized(chunks):
    return (chunks - [0, 0, 0.02]) / [0.1, 0.1, 0.02]


def judge(reference, quantized, *others):
    """Judge against the float policy's chunks, of which `others` are further draws."""
    draws = np.stack([reference, *(others or [reference])])
    return compare(
        draws,
        quantized,
        (normalized(draws), normalized(quantized)),
        ACTION,
        0.1,
        THRESHOLDS,
        "test",
        "a cpu",
        "cpu",
    )


def test_equal_policies_pass():
    chunks = smooth_chunks()
    record = judge(chunks, chunks)
    assert record.passed
    assert (record.kernel, record.cpu) == ("test", "a cpu")
    assert record.chunk_mae == record.error_share == 0.0
    assert record.gripper_flips == 0
    assert record.jerk_ratio == pytest.approx(1.0)


def test_a_constant_offset_is_named():
    chunks = smooth_chunks()
    record = judge(chunks, chunks + np.array([0.02, 0.02, 0.0]))
    assert not record.passed
    assert record.chunk_mae == pytest.approx(0.02)
    assert any("error_share 2 is above" in text for text in failures(record))


def test_one_wild_joint_value_fails():
    chunks, wild = smooth_chunks(), smooth_chunks()
    wild[3, 2, 1] += 0.3
    record = judge(chunks, wild)
    assert not record.passed
    assert record.chunk_max == pytest.approx(0.3)


def wavering(chunks, sample, seed):
    """A further draw: near the first one everywhere but in one sample, which may be turned."""
    rng = np.random.default_rng(seed)
    draw = chunks + rng.normal(0, 1e-4, chunks.shape) * [1, 1, 0]
    draw[sample] = chunks[sample][::-1]
    return draw


def test_a_sample_that_points_elsewhere_is_named():
    chunks, turned = smooth_chunks(), smooth_chunks()
    turned[5] = turned[5][::-1]
    record = judge(chunks, turned, wavering(chunks, 9, 1))
    beyond = record.beyond_spread
    assert beyond.worst_sample == 5
    assert beyond.worst_cosine_error > 0.05 > 1 - record.cosine > 1 - THRESHOLDS.cosine
    assert record.error_share == pytest.approx(LARGEST_SHARE / len(chunks))
    named = f"held-out sample 5 has {1 - beyond.worst_cosine_error:.4f}"
    assert any(named in text for text in failures(record))


def test_a_sample_in_which_the_float_policy_itself_wavers_does_not_count():
    chunks, turned = smooth_chunks(), smooth_chunks()
    turned[5] = turned[5][::-1]
    record = judge(chunks, turned, wavering(chunks, 9, 1), wavering(chunks, 5, 2))
    assert record.cosine < THRESHOLDS.cosine and record.chunk_max > THRESHOLDS.chunk_max
    beyond = record.beyond_spread
    assert beyond.draws == 3
    assert beyond.cosine_error < 1e-6 and beyond.chunk_max < 1e-3
    # Two of the three pairs of draws are as far apart.
    assert record.error_share == pytest.approx(1.5 / len(chunks), rel=1e-3)
    assert record.passed


def test_the_mean_error_is_held_against_what_another_noise_changes():
    chunks = smooth_chunks()
    offset = np.array([0.02, 0.02, 0.0])
    record = judge(chunks, chunks + offset, chunks - offset, chunks + 2 * offset)
    assert record.error_share == pytest.approx(1 / 2)  # pairs of draws are 1, 2 and 3 offsets apart
    assert record.passed
    record = judge(chunks, chunks + offset, chunks - offset / 2, chunks + offset / 4)
    assert record.error_share == pytest.approx(2.0)
    assert [text.split()[0] for text in failures(record)] == ["error_share"]


def test_a_spread_that_no_arm_feels_counts_as_the_floor():
    chunks = smooth_chunks()
    least = np.array([THRESHOLDS.spread_floor, THRESHOLDS.spread_floor, 0.0])
    record = judge(chunks, chunks + least / 4, chunks + least / 100)
    assert record.error_share == pytest.approx(1 / 4)


def test_a_bundle_that_was_judged_by_its_mean_error_keeps_its_verdict():
    """And is not judged by what nobody measured."""
    chunks = smooth_chunks()
    older = judge(chunks, chunks).model_copy(update={"error_share": None, "chunk_mae": 0.004})
    limits = {k: v for k, v in older.thresholds.items() if k not in ("error_share", "spread_floor")}
    older = older.model_copy(update={"thresholds": {**limits, "chunk_mae": 0.005}})
    assert failures(older) == []
    older.thresholds["chunk_mae"] = 0.003
    assert failures(older) == ["chunk_mae 0.004 is above 0.003"]


def test_an_error_is_judged_by_what_lies_beyond_the_spread_of_its_own_sample():
    chunks, other = smooth_chunks(), smooth_chunks()
    other[3, 2, 1] += 0.25
    wild = chunks.copy()
    wild[3, 2, 1] += 0.3
    assert judge(chunks, wild, other).beyond_spread.chunk_max == pytest.approx(0.05)
    elsewhere = chunks.copy()
    elsewhere[4, 2, 1] += 0.3
    assert judge(chunks, elsewhere, other).beyond_spread.chunk_max == pytest.approx(0.3)


def test_gripper_flips_are_counted():
    chunks, flipped = smooth_chunks(), smooth_chunks()
    flipped[0, :, 2] = 0.04
    record = judge(chunks, flipped)
    assert record.gripper_flips == record.beyond_spread.gripper_flips == HORIZON
    assert not record.passed
    assert any(f"{HORIZON} of" in text for text in failures(record))
    undecided = judge(chunks, flipped, chunks, flipped)
    assert undecided.gripper_flips == HORIZON
    assert undecided.beyond_spread.gripper_flips == 0
    assert undecided.passed
    assert record.mae_per_action["finger"] == pytest.approx(0.04 / 16)


def test_jerky_chunks_fail_even_when_close():
    chunks = smooth_chunks()
    shaky = chunks + np.array([0.004, 0.004, 0]) * (-1.0) ** np.arange(HORIZON)[None, :, None]
    record = judge(chunks, shaky)
    assert any("jerk_ratio" in text for text in failures(record))


def test_one_rough_sample_does_not_decide():
    chunks, rough = smooth_chunks(), smooth_chunks()
    rough[3] += np.array([0.004, 0.004, 0]) * (-1.0) ** np.arange(HORIZON)[:, None]
    assert 1.0 < judge(chunks, rough).jerk_ratio < THRESHOLDS.jerk_ratio


def test_roughness_that_no_arm_feels_passes():
    """Twice the jerk of very smooth chunks, and still far below what splicing makes of both."""
    chunks = smooth_chunks()
    rough = chunks + np.array([1e-3, 1e-3, 0]) * (-1.0) ** np.arange(HORIZON)[None, :, None]
    before, after = (jerk(c[..., :2], 0.1).mean() for c in (chunks, rough))
    assert after > 2.0 * before
    assert after < THRESHOLDS.jerk_floor**2
    record = judge(chunks, rough)
    assert record.passed
    assert record.jerk_ratio == pytest.approx(1.0)


def test_not_a_number_never_passes():
    chunks, broken = smooth_chunks(), smooth_chunks()
    broken[0, 0, 0] = np.nan
    assert not judge(chunks, broken).passed


def test_too_few_samples_are_refused():
    chunks = smooth_chunks(count=THRESHOLDS.samples - 1)
    with pytest.raises(CalibrationBufferError, match="record a larger buffer"):
        judge(chunks, chunks)


def test_jerk_of_a_cubic_is_its_third_derivative():
    time = np.arange(8) * 0.1
    chunk = (2.0 * time**3)[None, :, None]
    assert jerk(chunk, 0.1) == pytest.approx([12.0**2])
