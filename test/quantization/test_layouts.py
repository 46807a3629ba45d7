# SPDX-License-Identifier: Apache-2.0
import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.layouts import LAYOUTS, select_layers

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


def test_a_pattern_that_matches_nothing_is_named():
    with pytest.raises(QuantVLAError, match=r"no layer matches 'b\.\*'.*'a\.q'"):
        select_layers(ROLES, "llm", ["b.*"])
