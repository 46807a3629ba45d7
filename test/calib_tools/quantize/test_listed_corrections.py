# SPDX-License-Identifier: Apache-2.0
from calib_tools.common.tables import listed_corrections


def test_the_heads_of_a_layer_are_listed_together():
    names = ["alpha:layers.0.self_attn:0", "alpha:layers.0.self_attn:3", "beta:layers.0.self_attn"]
    expected = "alpha:layers.0.self_attn (heads 0 3), beta:layers.0.self_attn"
    assert listed_corrections(names) == expected
    assert listed_corrections([]) == "none"


def test_names_without_heads_are_listed_as_they_are():
    """Temperatures that heads share, and bundles from before heads were judged alone."""
    names = ["alpha:layers.0.self_attn", "alpha:layers.1.self_attn"]
    assert listed_corrections(names) == ", ".join(names)
