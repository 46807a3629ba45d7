# SPDX-License-Identifier: Apache-2.0
import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layouts import LAYOUTS, check_keep_float, select_layers

ROLES = {
    "a.q": "llm_attn",
    "a.up": "llm_mlp",
    "e.q": "dit_attn",
    "e.up": "dit_mlp",
    "v": "vision",
    "p": "projection",
    "t": "condition",
}


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("none", []),
        ("llm", ["a.q", "a.up"]),
        ("dit", ["e.q", "e.up"]),
        ("llm+dit", ["a.q", "a.up", "e.q", "e.up"]),
        ("llm+dit_mlp", ["a.q", "a.up", "e.up"]),
        ("all", list(ROLES)),
    ],
)
def test_layout_selects_by_role(layout, names):
    assert select_layers(ROLES, layout) == names


def test_unknown_layout_lists_the_known_ones():
    with pytest.raises(QuantVLAError) as error:
        select_layers(ROLES, "everything")
    assert "'everything'" in str(error.value)
    assert all(name in str(error.value) for name in LAYOUTS)


def test_layers_that_match_a_pattern_stay_float():
    assert select_layers(ROLES, "llm+dit", ["e.*", "*.up"]) == ["a.q"]


@pytest.mark.parametrize("pattern", ["b.*", "v", "e.q"])
def test_a_pattern_that_matches_no_layer_of_the_layout_is_named(pattern):
    words = rf"the layout 'llm' matches '{pattern}' .*look like 'a\.q'.* stay float anyway"
    with pytest.raises(QuantVLAError, match=words) as error:
        check_keep_float(ROLES, "llm", ["a.*", pattern])
    assert "\n" not in str(error.value)


def test_patterns_may_match_layers_together_and_candidates():
    check_keep_float(ROLES, "llm", ["*.q", "a.*"])
    check_keep_float(ROLES, "auto", ["e.q"])
    with pytest.raises(QuantVLAError, match="the layout 'none' matches"):
        check_keep_float(ROLES, "none", ["a.q"])


def test_a_bundle_that_was_made_with_a_useless_pattern_can_be_loaded():
    assert select_layers(ROLES, "llm", ["v"]) == ["a.q", "a.up"]
