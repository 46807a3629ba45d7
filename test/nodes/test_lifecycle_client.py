# SPDX-License-Identifier: Apache-2.0
"""The client without a node; with one it is used by all tests of the policy node."""

from __future__ import annotations

import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.lifecycle_client import PolicyNodeClient


def test_absent_node_is_named(graph):
    client = PolicyNodeClient(graph.node, "/arm/policy_node", timeout_s=0.2)
    assert client.diagnostics("control") == ("", {})
    with pytest.raises(QuantVLAError, match=r"/arm/policy_node/get_state within .* is the policy"):
        client.state()
    client.close()
