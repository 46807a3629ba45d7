# SPDX-License-Identifier: Apache-2.0
import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.schemes import Precision, check_scheme, precision


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("w8a8",), Precision(8, None, "dynamic")),
        (("w8a8", "static"), Precision(8, None, "static")),
        (("w4a8", "dynamic", 64), Precision(4, 64, "dynamic")),
        (("w8a16",), Precision(8, None, "float")),
        (("w4a16", "dynamic", 32), Precision(4, 32, "float")),
    ],
)
def test_a_scheme_is_a_precision(arguments, expected):
    assert precision(*arguments) == expected


def test_unknown_scheme_lists_the_known_ones():
    check_scheme("w8a8")
    with pytest.raises(QuantVLAError, match=r"'w2a2'.*w8a8, w4a8, w8a16, w4a16"):
        check_scheme("w2a2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("w8a8", "dynamic", 64), "leave the group size out"),
        (("w4a8", "dynamic", -4), "give a size"),
        (("w4a8", "float"), "w4a16"),
        (("w8a16", "static"), "w8a8"),
    ],
)
def test_what_no_kernel_computes_is_refused(arguments, words):
    with pytest.raises(QuantVLAError, match=words):
        precision(*arguments)


def test_groups_must_divide_the_inputs():
    assert Precision(4, 64).groups(256) == 4
    with pytest.raises(QuantVLAError, match="groups of 64 do not divide a layer with 200 inputs"):
        Precision(4, 64).groups(200)
