# SPDX-License-Identifier: Apache-2.0
"""Which stamps are refused; what happens to the messages is in test_input_buffer."""

from __future__ import annotations

import math

import pytest

from quantvla_ros.serving.stamps import TROUBLES, same_content, unfit_stamp

NOW, FUTURE = 100.0, 0.2


@pytest.mark.parametrize(
    ("stamp", "newest", "reason"),
    [
        (99.9, 99.8, ""),
        (100.1, 99.8, ""),
        (99.9, -math.inf, ""),
        (0.0, -math.inf, "zero_stamp"),
        (100.3, 99.8, "future_stamp"),
        (99.8, 99.8, "repeated_stamp"),
        (99.7, 99.8, "stamp_went_back"),
        (99.9, 4000.0, ""),
        (4000.0, 4000.0, "future_stamp"),
    ],
)
def test_unfit_stamps(stamp, newest, reason):
    assert unfit_stamp(stamp, newest, NOW, FUTURE) == reason
    assert not reason or TROUBLES[reason]


def test_content_is_compared_without_the_stamp():
    assert same_content(b"0123stamp...picture", b"0123other...picture")
    assert not same_content(b"0123stamp...picture", b"0123stamp...pictura")
    assert not same_content(b"0123stamp...picture", b"0123stamp...pictures")
