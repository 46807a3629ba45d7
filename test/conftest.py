# SPDX-License-Identifier: Apache-2.0
"""Gives every test process a ROS domain of its own on this machine only."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says only how busy the machine is.
settings.register_profile("quantvla", deadline=None)
# Every night: HYPOTHESIS_PROFILE=nightly pytest test/control/test_motion_properties.py
settings.register_profile("nightly", deadline=None, max_examples=100_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quantvla"))

# Test networks are tiny: a second thread only waits, and on a busy machine it waits long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))  # the helpers: waiting, ros_graph

_DOMAINS = range(1, 102)
_claimed = []  # open lock files: the claim lasts as long as the process


def _claim_domain() -> int:
    """Return a domain that no other test process on this machine has."""
    folder = Path(tempfile.gettempdir()) / f"quantvla_ros_domains_{os.getuid()}"
    folder.mkdir(exist_ok=True)
    first = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[first:], *_DOMAINS[:first]):
        handle = (folder / str(domain)).open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            continue
        _claimed.append(handle)
        return domain
    raise RuntimeError("all ROS domains below 102 are taken by other test processes")


os.environ["ROS_DOMAIN_ID"] = str(_claim_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


@pytest.fixture(scope="session")
def ros():
    """The ROS context of this test process."""
    import rclpy

    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.fixture
def graph(ros):
    """A node of the test in the ROS graph: publishes, listens, calls services."""
    from ros_graph import Graph

    graph = Graph()
    yield graph
    graph.close()
