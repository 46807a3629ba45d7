# SPDX-License-Identifier: Apache-2.0
"""Gives every test process a ROS domain of its own on this machine only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

import simulation  # noqa: F401  sets MUJOCO_GL, which counts when mujoco is first imported
from calib_tools.common.ros_domain import claim_domain

# How long an example takes says only how busy the machine is.
settings.register_profile("quantvla", deadline=None)
# Every night: HYPOTHESIS_PROFILE=nightly pytest test/control/test_motion_properties.py
settings.register_profile("nightly", deadline=None, max_examples=100_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quantvla"))

# Test networks are tiny: a second thread only waits, and on a busy machine it waits long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))  # the helpers: support/
pytest.register_assert_rewrite("support.family_chain")  # its tests say what was found, too

SEED = 67280421310721  # torch's own, where it is imported later
LONGEST_FIRST = (
    "training", "test_wheel.py", "models", "backends", "calib_tools/quantize",
    "control/test_motion_properties.py", "nodes", "studies", "calib_tools", "launch", "simulation",
    "inference", "test_",
)  # fmt: skip
"""What lasts seconds a test: at the end one of two processes would wait for the other's file."""

# The claim lasts as long as the process.
_DOMAIN, _CLAIM = claim_domain()
os.environ["ROS_DOMAIN_ID"] = str(_DOMAIN)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def pytest_configure(config):
    from support.clock_steps import RunAgain
    from support.failing_now import FailingNow

    config.pluginmanager.register(RunAgain())
    config.pluginmanager.register(FailingNow(config))


def pytest_collection_modifyitems(items):
    """The order does not matter to the tests; files stay whole."""
    here = Path(__file__).parent

    def place(item):
        name = item.path.relative_to(here).as_posix()
        places = [k for k, first in enumerate(LONGEST_FIRST) if name.startswith(first)]
        return min(places, default=len(LONGEST_FIRST))

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """What the test before did to torch is none of this one's affairs."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(SEED)
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def ros():
    """The ROS context of this test process."""
    import rclpy

    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def control_msgs(pytestconfig):
    """Makes control_msgs importable, for the processes that tests start too."""
    from support.interface_types import provide
    from support.process_life import import_path

    folder = provide("control_msgs", pytestconfig.cache.mkdir("interfaces"))
    with pytest.MonkeyPatch.context() as patch:
        if folder is not None:
            patch.syspath_prepend(folder)
            patch.setenv("PYTHONPATH", import_path(folder))
        yield


@pytest.fixture
def stranger():
    """A node in a DDS participant of its own, whose publishers offer what a test likes."""
    from support.ros_graph import Stranger

    stranger = Stranger()
    yield stranger
    stranger.close()


@pytest.fixture
def graph(ros):
    """A node of the test in the ROS graph: publishes, listens, calls services."""
    from support.ros_graph import Graph

    graph = Graph()
    yield graph
    graph.close()
