# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from calib_tools.common import ros_domain
from calib_tools.common.ros_domain import claim_domain, own_ros_domain
from quantvla_ros.errors import QuantVLAError


@pytest.mark.parametrize("pid", [0, 29, 100, 101])
@pytest.mark.parametrize("given", ["0", "30", "1", "101", None])
def test_the_domain_is_never_that_of_the_terminal(monkeypatch, pid, given):
    """A real robot may be in it."""
    monkeypatch.setattr(os, "getpid", lambda: pid)
    if given is None:
        monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    else:
        monkeypatch.setenv("ROS_DOMAIN_ID", given)
    with own_ros_domain() as environment:
        assert 1 <= int(environment["ROS_DOMAIN_ID"]) <= 101
        assert environment["ROS_DOMAIN_ID"] == os.environ["ROS_DOMAIN_ID"] != given
    assert os.environ.get("ROS_DOMAIN_ID") == given


def test_two_programs_are_never_in_one_domain(monkeypatch):
    """Whose process numbers may be as far apart as there are domains."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.delenv("ROS_DOMAIN_ID")
    with own_ros_domain() as environment:
        monkeypatch.setenv("ROS_DOMAIN_ID", "0")  # another program knows nothing of ours
        domain, held = claim_domain()
        assert str(domain) != environment["ROS_DOMAIN_ID"]
        monkeypatch.setattr(ros_domain, "_DOMAINS", range(domain, domain + 1))
        with pytest.raises(QuantVLAError, match="are taken by other programs"):
            claim_domain()
        held.close()
        claim_domain()[1].close()
