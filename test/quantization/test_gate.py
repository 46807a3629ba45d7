# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from support.spaces import DELTA_ARM, GRIPPER, action_space, twist
from support.tiny_policy import HORIZON, tiny_manifest

from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.quantization.gate import Computed, compare, failures, load_thresholds
from quantvla_ros.quantization.motion_errors import LARGEST_SHARE, jerk
from quantvla_ros.robot.action_space import ActionGroup

COMPUTED = Computed("test", "a machine", "cpu")
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
        COMPUTED,
    )


def test_equal_policies_pass():
    chunks = smooth_chunks()
    record = judge(chunks, chunks)
    assert record.passed
    assert (record.kernel, record.target) == ("test", "a machine")
    assert record.worst.chunk_mae == record.worst.error_share == 0.0
    assert record.gripper_flips == 0
    assert record.worst.jerk_ratio == pytest.approx(1.0)


def test_a_constant_offset_is_named():
    chunks = smooth_chunks()
    record = judge(chunks, chunks + np.array([0.02, 0.02, 0.0]))
    assert not record.passed
    assert record.worst.chunk_mae == pytest.approx(0.02)
    assert any("error_share of arm 2 is above" in text for text in failures(record))


def test_one_wild_joint_value_fails():
    chunks, wild = smooth_chunks(), smooth_chunks()
    wild[3, 2, 1] += 0.3
    record = judge(chunks, wild)
    assert not record.passed
    assert record.worst.chunk_max == pytest.approx(0.3)


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
    assert record.worst.error_share == pytest.approx(LARGEST_SHARE / len(chunks))
    named = f"held-out sample 5 has {1 - beyond.worst_cosine_error:.4f}"
    assert any(named in text for text in failures(record))


def test_a_sample_in_which_the_float_policy_itself_wavers_does_not_count():
    chunks, turned = smooth_chunks(), smooth_chunks()
    turned[5] = turned[5][::-1]
    record = judge(chunks, turned, wavering(chunks, 9, 1), wavering(chunks, 5, 2))
    assert record.cosine < THRESHOLDS.cosine and record.worst.chunk_max > THRESHOLDS.chunk_max
    beyond = record.beyond_spread
    assert beyond.draws == 3
    assert beyond.cosine_error < 1e-6 and record.worst.chunk_max_beyond < 1e-3
    # Two of the three pairs of draws are as far apart.
    assert record.worst.error_share == pytest.approx(1.5 / len(chunks), rel=1e-3)
    assert record.passed


def test_the_mean_error_is_held_against_what_another_noise_changes():
    chunks = smooth_chunks()
    offset = np.array([0.02, 0.02, 0.0])
    record = judge(chunks, chunks + offset, chunks - offset, chunks + 2 * offset)
    assert record.worst.error_share == pytest.approx(
        1 / 2
    )  # pairs of draws are 1, 2 and 3 offsets apart
    assert record.passed
    record = judge(chunks, chunks + offset, chunks - offset / 2, chunks + offset / 4)
    assert record.worst.error_share == pytest.approx(2.0)
    assert [text.split()[0] for text in failures(record)] == ["error_share"]


def test_a_spread_that_no_arm_feels_counts_as_the_floor():
    chunks = smooth_chunks()
    least = np.array([THRESHOLDS.spread_floor, THRESHOLDS.spread_floor, 0.0])
    record = judge(chunks, chunks + least / 4, chunks + least / 100)
    assert record.worst.error_share == pytest.approx(1 / 4)


def test_an_error_is_judged_by_what_lies_beyond_the_spread_of_its_own_sample():
    chunks, other = smooth_chunks(), smooth_chunks()
    other[3, 2, 1] += 0.25
    wild = chunks.copy()
    wild[3, 2, 1] += 0.3
    assert judge(chunks, wild, other).worst.chunk_max_beyond == pytest.approx(0.05)
    elsewhere = chunks.copy()
    elsewhere[4, 2, 1] += 0.3
    assert judge(chunks, elsewhere, other).worst.chunk_max_beyond == pytest.approx(0.3)


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
    assert 1.0 < judge(chunks, rough).worst.jerk_ratio < THRESHOLDS.jerk_ratio


def test_roughness_that_no_arm_feels_passes():
    """Twice the jerk of very smooth chunks, and still far below what splicing makes of both."""
    chunks = smooth_chunks()
    rough = chunks + np.array([1e-3, 1e-3, 0]) * (-1.0) ** np.arange(HORIZON)[None, :, None]
    before, after = (jerk(c[..., :2], 0.1).mean() for c in (chunks, rough))
    assert after > 2.0 * before
    assert after < THRESHOLDS.jerk_floor**2
    record = judge(chunks, rough)
    assert record.passed
    assert record.worst.jerk_ratio == pytest.approx(1.0)


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


def judge_as(action, reference, quantized):
    draws = np.stack([reference, reference])
    both = (draws, quantized)
    return compare(draws, quantized, both, action, 0.1, THRESHOLDS, COMPUTED)


def test_degrees_are_judged_as_the_angles_that_they_are():
    """0.2 degrees more than the policy's own spread is little; the same number in rad is not."""
    chunks = smooth_chunks()
    wild = chunks.copy()
    wild[3, 2, 1] += np.deg2rad(2.0)
    for unit in ("rad", "deg"):  # chunks are in SI whatever the policy counts in
        action = action_space((DELTA_ARM, unit, ["a", "b"]), (GRIPPER, "m", ["finger"]))
        record = judge_as(action, chunks, wild)
        assert record.worst.chunk_max == pytest.approx(np.deg2rad(2.0))
        assert record.worst.unit == "rad" and record.worst.name == "arm"


def test_each_arm_is_judged_for_itself_and_each_gripper_counts():
    left, right = (ActionGroup(side, "arm", "joint_position") for side in ("left", "right"))
    hands = [ActionGroup(f"{side}_hand", "gripper", "joint_position") for side in ("left", "right")]
    action = action_space(
        (left, "rad", ["l1", "l2"]),
        (hands[0], "rad", ["lg"]),  # a gripper that turns is none of the arm's joints
        (right, "rad", ["r1", "r2"]),
        (hands[1], "m", ["rg"]),
    )
    chunks = np.concatenate([smooth_chunks(seed=1) - [0, 0, 0.02], smooth_chunks(seed=2)], axis=2)
    wrong = chunks.copy()
    wrong[..., 3] += 0.02
    wrong[..., 2] *= -1.0
    record = judge_as(action, chunks, wrong)
    assert [motion.name for motion in record.motions] == ["left", "right"]
    assert record.motions[0].chunk_max == 0.0 < record.motions[1].chunk_max
    assert record.worst.name == "right"
    assert record.gripper_commands == 2 * HORIZON
    assert record.gripper_flips == chunks[..., 2].size
    texts = failures(record)
    assert any("error_share of right" in text for text in texts)
    assert not any("left" in text for text in texts)


@pytest.mark.parametrize(("units", "step"), [(("m/s", "rad/s"), 0.1), (("m", "rad"), 1.0)])
def test_a_tip_is_judged_by_the_way_it_goes(units, step):
    """A bias of its speed grows to a way: 1 cm/s for 0.6 s, whatever the speed is written in."""
    action = action_space(*twist(*units), (GRIPPER, "m", ["finger"]))
    rng = np.random.default_rng(0)
    chunks = np.concatenate(
        [rng.normal(0, 0.01, (16, HORIZON, 6)), np.full((16, HORIZON, 1), 0.04)], axis=2
    )
    chunks[..., :6] /= step
    biased = chunks.copy()
    biased[..., 0] += 0.001 / step  # 1 mm in each step
    record = judge_as(action, chunks, biased)
    lengths, angles = sorted(record.motions, key=lambda motion: motion.unit)
    assert (lengths.name, lengths.unit) == ("tip lengths", "m")
    assert (angles.name, angles.unit) == ("tip angles", "rad")
    assert lengths.chunk_max == pytest.approx(0.001 * HORIZON)
    assert angles.chunk_max == 0.0
    assert any(text.startswith("error_share of tip lengths 1.1") for text in failures(record))


def test_a_tip_that_ends_elsewhere_fails_in_metres():
    action = action_space(*twist())
    chunks = np.zeros((16, HORIZON, 6)) + 1e-3
    wild = chunks.copy()
    wild[2, 0, 2] += 1.0  # m/s for one step of 0.1 s
    texts = failures(judge_as(action, chunks, wild))
    assert (
        "chunk_max of tip lengths 0.1 m beyond the float policy's own spread is above 0.05" in texts
    )
