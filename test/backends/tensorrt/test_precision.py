# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from support.graph_policies import graph_policy, lowered, played

from quantvla_ros.backends.tensorrt.precision import choose_precision, largest_of
from quantvla_ros.errors import BackendError


def test_a_part_is_float16_where_its_numbers_fit_with_room_to_spare():
    chosen = choose_precision({"vision": 40.0, "language": 9e3, "expert": None})
    assert chosen == {
        "vision": torch.float16,
        "language": torch.bfloat16,
        "expert": torch.bfloat16,
    }
    assert set(choose_precision({"vision": None}, "fp32").values()) == {torch.float32}


@pytest.mark.parametrize("largest", [9e3, None])
def test_float16_that_may_overflow_is_refused_with_part_and_value(largest):
    with pytest.raises(BackendError, match="part 'language'" if largest is None else "9000"):
        choose_precision({"vision": 40.0, "language": largest}, "fp16")


def test_a_part_that_its_family_keeps_from_float16_never_gets_it():
    parts, why = {"vision": 40.0, "language": 40.0}, {"language": "Gemma"}
    assert choose_precision(parts, "auto", why) == {
        "vision": torch.float16,
        "language": torch.bfloat16,
    }
    with pytest.raises(BackendError, match="part 'language' cannot be float16: Gemma; choose"):
        choose_precision(parts, "fp16", why)
    policy = graph_policy("pi05")
    assert "language" in policy.family.graphs(policy.network).no_fp16


def test_an_unknown_precision_is_refused():
    with pytest.raises(BackendError, match="auto, fp16, bf16, fp32"):
        choose_precision({"vision": 1.0}, "int4")


def test_a_weight_that_float16_cannot_hold_is_refused():
    policy = graph_policy("reach")
    policy.network.out.weight[0, 0] = 7e4
    with pytest.raises(BackendError, match="7e\\+04, which float16 cannot hold"):
        lowered(policy, torch.float16)


def test_what_calibration_saw_is_read_from_the_bundle():
    policy = graph_policy("reach")
    graphs = policy.family.graphs(policy.network)
    assert largest_of(policy.bundle.manifest, graphs) == {"encoder": None, "head": None}


def test_norms_and_softmax_stay_finite_where_float16_squares_would_not():
    policy = graph_policy("mini_pi05")
    policy.network.language_model.embed_tokens.weight.mul_(3e3)  # squares of 1e4 and more
    graphs, programs = lowered(policy, torch.float16)
    off = policy.chunks(played(graphs, programs)) - policy.chunks()
    assert off.abs().max() < 0.05 * policy.chunks().abs().max()
    wide = [n for n in programs["context"].graph.nodes if "softmax" in n.name]
    assert {node.meta["val"].dtype for node in wide} == {torch.float32}
